"""Bring foreign completions in as recorded replies, and write a run's replies as other tools read them.

Knows the forms of files, and no teacher, no task and no student.
"""

from __future__ import annotations

from tuition.exchange.exports import EXPORTS, TRAINING, Exported, export_run
from tuition.exchange.imports import IMPORTS, Imported, import_files
from tuition.exchange.training_rows import Wording

__all__ = ["EXPORTS", "IMPORTS", "TRAINING", "Exported", "Imported", "Wording", "export_run", "import_files"]
