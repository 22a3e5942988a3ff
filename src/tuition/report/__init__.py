"""Tables, one self-contained page, and cards, made from run folders.

Reads what a run wrote; computes no result.
"""

from __future__ import annotations

from tuition.report.card import write_card
from tuition.report.columns import lay_out, money, per_cent
from tuition.report.items import Material
from tuition.report.page import write_page
from tuition.report.rows import Row, Standing, openings, rows_of, run_folders

__all__ = [
    "Material",
    "Row",
    "Standing",
    "lay_out",
    "money",
    "openings",
    "per_cent",
    "rows_of",
    "run_folders",
    "write_card",
    "write_page",
]
