"""What a cascade of a run's student and an examined teacher is worth: accuracy against money."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tuition.core.budget import to_usd
from tuition.core.config import read_toml
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Grade, Json, Record
from tuition.core.rows import read_metrics
from tuition.core.run import run_id
from tuition.core.store import reading
from tuition.evaluation.gate import CascadePoint, cascade_points, cheapest_point, point_at
from tuition.experiment.teach.receipts import predicted_rows, scored

__all__ = ["CascadeRow", "cascade_file", "cascade_rows"]

_COSTS = (
    "SELECT a.example_id, a.cost_nano FROM uses JOIN replies ON replies.key = uses.key "
    "JOIN attempts a ON a.id = replies.attempt_id WHERE uses.run = ? AND uses.role = 'evaluate'"
)
"""What each answer that a run used had cost, whoever paid for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeRow(Record):
    """One teacher behind a student, on one split."""

    teacher: str
    folder: str
    """Of the teacher's own run."""
    is_simulated: bool
    has_receipts: bool
    """Whether the teacher was told the student's answers."""
    split: str
    n: int
    student: float
    """Accuracy of the student alone; it costs no money."""
    always: float
    """Accuracy of the teacher alone."""
    always_usd: float
    """Its money for 1,000 requests."""
    threshold: float | None
    """From which confidence on the student's answer stands, chosen on validation; None: from none."""
    asked: float
    """Share of the requests that the teacher gets."""
    accuracy: float
    """Of both together."""
    usd: float
    """Their money for 1,000 requests."""
    break_even: int | None
    """Requests after which what the run had paid is saved; None: it saves nothing."""
    points: tuple[Mapping[str, Json], ...] = ()
    """Every threshold on validation, by rising money."""


def cascade_rows(run: Path, *, loss: float = 0.01, others: Sequence[Path] = ()) -> list[CascadeRow]:
    """Hold every examined teacher in a run folder, and in others, behind the run's student.

    The operating point is the cheapest threshold on validation that loses at most so much accuracy against
    the teacher alone; the test split is looked at with that threshold only.
    """
    rows = predicted_rows(run)
    paid = read_metrics(run).get("spend", {}).get("paid_usd") or 0.0
    beside = sorted(path for path in run.iterdir() if (path / "done").exists())
    found: list[CascadeRow] = []
    for folder in dict.fromkeys([*beside, *others]):
        metrics = read_metrics(folder)
        if metrics.get("recipe") == "ask_teacher":
            found += _behind(rows, folder, metrics, loss=loss, paid=paid)
        elif folder in others:
            raise DataError(f"{str(folder)!r} is no finished run of the recipe ask_teacher")
    if not found:
        raise DataError(
            f"no examined teacher lies in {str(run)!r}; run it with evaluation.baselines = ['teachers'], or "
            "name finished runs of the recipe ask_teacher on the same data."
        )
    return found


def _behind(
    rows: Sequence[Mapping[str, Any]], folder: Path, metrics: Mapping[str, Any], *, loss: float, paid: float
) -> list[CascadeRow]:
    table: Any = read_toml(folder / "config.toml")
    usd = _costs(folder, str(table["store"]))
    theirs = {(row["split"], row["fingerprint"]): row for row in predicted_rows(folder)}
    by_split: dict[str, list[CascadePoint]] = {}
    alone: dict[str, tuple[int, float]] = {}
    for split in ("valid", "test"):
        own = [row for row in rows if row["split"] == split]
        both = [(row, theirs.get((split, row["fingerprint"]))) for row in own]
        if not own or any(answer is None for _, answer in both):
            raise DataError(
                f"{str(folder)!r} has no answer to some questions of {split} that the student was asked, or "
                "there are none; both runs need the same data, with validation and test."
            )
        answers = [answer for _, answer in both if answer is not None]
        mean = math.fsum(usd.values()) / len(usd)
        sure, right = scored(own, split)
        by_split[split] = cascade_points(
            sure,
            right,
            teacher_right=[answer["grade"] == Grade.RIGHT for answer in answers],
            usd=[usd.get(answer["example_id"], mean) for answer in answers],
        )
        alone[split] = len(own), sum(right) / len(own)
    wanted = by_split["valid"][-1].accuracy - loss
    chosen = cheapest_point(by_split["valid"], accuracy=wanted)
    assert chosen is not None, "the teacher alone reaches what it is itself"
    about = {"teacher": table["teacher"][0]["name"], "folder": str(folder)}
    result = []
    for split, points in by_split.items():
        at = point_at(points, chosen.threshold)
        saved = (points[-1].usd_per_1000 - at.usd_per_1000) / 1000
        result.append(
            CascadeRow(
                **about,
                is_simulated=bool(metrics.get("is_simulated")),
                has_receipts="overrides" in metrics,
                split=split,
                n=alone[split][0],
                student=alone[split][1],
                always=points[-1].accuracy,
                always_usd=points[-1].usd_per_1000,
                threshold=chosen.threshold,
                asked=at.asked,
                accuracy=at.accuracy,
                usd=at.usd_per_1000,
                break_even=math.ceil(paid / saved) if saved > 0 else None,
                points=tuple(one.to_json() for one in points) if split == "valid" else (),
            )
        )
    return result


def _costs(folder: Path, store: str) -> dict[str, float]:
    """What the teacher's answer to each example costs, in dollars."""
    with reading(Path(store)) as connection:
        found = connection.execute(_COSTS, (run_id(folder),)).fetchall()
    priced = {row["example_id"]: to_usd(row["cost_nano"]) for row in found}
    known = {key: usd for key, usd in priced.items() if usd is not None}
    if not known or len(known) < len(priced):
        raise ConfigError(
            f"the store {store!r} does not know what the answers of {str(folder)!r} cost "
            f"({len(known)} of {len(priced)} have a price); set price_prompt and price_completion in the "
            "teacher's table."
        )
    return known


def cascade_file(row: CascadeRow) -> str:
    """Write the file that `predict` and `serve` read as --cascade."""
    table: Any = read_toml(Path(row.folder) / "config.toml")
    # Above every confidence, where the teacher is always asked.
    threshold = 2.0 if row.threshold is None else row.threshold
    told = {"threshold": threshold, "receipt": row.has_receipts, "store": table["store"]}
    return tomli_w.dumps({**told, "budget": {"usd": 1.0}, "teacher": table["teacher"][0]})
