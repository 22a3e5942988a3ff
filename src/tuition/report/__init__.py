"""Tables, one self-contained page, and cards, made from run folders.

Reads what a run wrote; computes no result.
"""

from __future__ import annotations

from tuition.report.card import write_card
from tuition.report.openings import openings
from tuition.report.page import write_page
from tuition.report.rows import Row, Standing, money, rows_of, run_folders

__all__ = ["Row", "Standing", "money", "openings", "rows_of", "run_folders", "write_card", "write_page"]
