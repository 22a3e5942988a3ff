"""The questions of a page, one by one: what every run answered, what teachers and student wrote about it.

What goes into the page is data: JSON that no browser takes for markup, and that its script shows as text.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from typing import Any

from tuition.core.records import Example
from tuition.core.rows import read_own_rows, read_rows
from tuition.core.splits import fingerprint
from tuition.core.texts.steps import split_steps
from tuition.core.texts.visible import visible_in
from tuition.report.facts import RunFacts

__all__ = ["Items", "Material", "agreement", "as_data", "items_of"]

_LONGEST = 6_000
"""Letters of a text that the page keeps."""
_MOST = 11_000_000
"""Letters of all items together; with the charts, a page stays below 15 MB."""
_MOST_WORDS = 3_000
"""Of a revision that is laid beside the student's text; a longer one is shown alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What a page needs and no run folder holds."""

    questions: Mapping[str, Mapping[str, Example]] = field(default_factory=dict)
    """By run and id; a run without any shows its items by their ids."""
    missing: tuple[str, ...] = ()
    """Why some are not there."""
    rule: Callable[[str], str] = lambda text: ""
    """Says of a text by which rule an answer is read from it; empty: it is not told."""
    interval: Callable[[int, int], tuple[float, float]] = lambda n, whole: (n / whole, n / whole)
    """Ends of the interval of a share, from its count and the whole."""
    steps: Callable[[str], Sequence[str]] = split_steps
    """Cuts the student's words into the steps that were scored."""
    remedy: Callable[[Mapping[str, Any]], str] = lambda row: ""
    """Says what to do about a row of `health.json`."""


@dataclass(kw_only=True)
class Items:
    """What is known of the questions of a page."""

    runs: list[str]
    found: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: dict[str, dict[str, str]] = field(default_factory=dict)
    """By item and teacher, what a teacher concluded that was not shown the label."""
    notes: list[str] = field(default_factory=list)
    """What is not on the page, and why."""

    def item(self, example_id: str, example: Example | None, mark: str = "") -> dict[str, Any]:
        """Find or begin an item; one question is one item, whatever its id in another run."""
        key = mark or (fingerprint(example)[:16] if example else example_id)
        if key not in self.found:
            shown: dict[str, Any] = {
                "id": example_id,
                "split": "train",
                "domain": "",
                "runs": {},
                "said": [],
                "own": [],
            }
            if example is not None:
                shown |= {"domain": example.domain, "question": _short(example.question)}
                shown |= {"choices": list(example.choices), "context": _short(example.context)}
                shown |= {"label": example.answer}
            self.found[key] = shown
        return self.found[key]


def items_of(runs: Mapping[str, RunFacts], material: Material) -> Items:
    """Lay together what the runs keep of every question, in the order of the runs."""
    items = Items(runs=list(runs))
    for i, (name, run) in enumerate(runs.items()):
        known = material.questions.get(name, {})
        _add_answers(items, i, run, known=known, rule=material.rule)
        for place in (Path(run.path), *sorted((Path(run.path) / "rounds").glob("*/"))):
            _add_written(items, i, place, known=known, steps=material.steps)
    return items


def _add_answers(
    items: Items, i: int, run: RunFacts, *, known: Mapping[str, Example], rule: Callable[[str], str]
) -> None:
    path, teachers = Path(run.path) / "predictions.jsonl", run.metrics.get("teachers", [])
    for row in _rows(path):
        item = items.item(row["example_id"], known.get(row["example_id"]), row.get("fingerprint", ""))
        item |= {"split": row["split"], "domain": row.get("domain") or item["domain"], "label": row["label"]}
        if row.get("label_source", "gold") != "gold":
            item["label_source"] = row["label_source"]
        is_scored = bool(row.get("option_scores"))
        read_by = "the highest score of the options" if is_scored else rule(row["text"])
        item["runs"][str(i)] = {
            **{"text": _short(row["text"]), "answer": row["answer"], "grade": row["grade"], "rule": read_by},
            **({} if row.get("confidence") is None else {"sure": round(row["confidence"], 3)}),
        }
        if run.is_teacher and len(teachers) == 1 and row["answer"] is not None:
            items.answers.setdefault(row["example_id"], {})[teachers[0]] = row["answer"]


def _add_written(
    items: Items,
    run: int,
    place: Path,
    *,
    known: Mapping[str, Example],
    steps: Callable[[str], Sequence[str]],
) -> None:
    """Add what was written about training questions: the student's own words, and the teachers'."""
    drafts: dict[str, str] = {}
    for name in ("looked.jsonl", "drafts.jsonl"):
        for row in _rows(place / name):
            found = row.get("prediction", row)
            drafts[found["example_id"]] = found["text"]
            item = items.item(found["example_id"], known.get(found["example_id"]))
            written = {"run": run, "round": place.name, "text": _short(found["text"])}
            shares, how = _uncertainties(row.get("evidence") or {})
            cut = steps(found["text"])[: len(shares)]
            # Steps that an older splitter cut in another way are not those that were scored.
            is_known = len(cut) == len(shares)
            pairs = [[_short(step), round(share, 3)] for step, share in zip(cut, shares, strict=False)]
            item["own"].append({**written, "steps": pairs if is_known else [], "how": how})
    path = place / "annotations.jsonl"
    for row in read_own_rows(path) if path.exists() else ():
        item = items.item(row["example_id"], known.get(row["example_id"]))
        draft = drafts.get(row["example_id"], "") if row["kind"] == "revision" else ""
        said = {key: row.get(key) for key in ("teacher", "kind", "answer", "faults", "is_used", "is_forced")}
        said |= {"text": _short(row["rationale"]), "history": row.get("history", [])}
        if draft:
            said["diff"] = _difference(draft, row["rationale"])
        same = next((one for one in item["said"] if said.items() <= one.items()), None)
        if same is None:
            item["said"].append({**said, "in": [run]})
        else:
            same["in"].append(run)
        if row["answer"] is not None and not row["is_forced"]:
            items.answers.setdefault(row["example_id"], {})[row["teacher"]] = row["answer"]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return read_rows(path) if path.exists() else iter(())  # ty: ignore[invalid-return-type]


def _uncertainties(evidence: Mapping[str, Any]) -> tuple[list[float], str]:
    """Give the uncertainty of each step in [0, 1], and say what that is."""
    if sums := evidence.get("step_logprobs"):
        return [1 - math.exp(one) for one in sums], "1 less the student's probability of the step"
    votes = evidence.get("prefix_votes") or []
    shares = [1 - max(ways) / sum(ways) if sum(ways) else 1.0 for ways in votes[1:]]
    return (
        shares,
        "of the answers to which the student goes on behind the step, the share unlike the commonest",
    )


def _difference(before: str, after: str) -> list[list[str]]:
    """Lay two texts beside each other word by word: `=`, `-` and `+` with the words."""
    left, right = before.split(" "), after.split(" ")
    if len(left) + len(right) > _MOST_WORDS:
        return []
    parts: list[list[str]] = []
    for act, i, j, k, n in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if act == "equal":
            parts.append(["=", " ".join(left[i:j])])
        else:
            parts += [["-", " ".join(left[i:j])]] * (j > i) + [["+", " ".join(right[k:n])]] * (n > k)
    return parts


def _short(text: str) -> str:
    left = len(text) - _LONGEST
    return text if left <= 0 else f"{text[:_LONGEST]} … ({left:,} more letters stand in the run folder)"


def as_data(items: Items, *, first: Sequence[str] = ()) -> str:
    """Write the items as JSON for a script element: nothing in it ends the element or begins another.

    `first` names the runs that are shown first, side by side.
    """
    order = sorted(items.found.values(), key=lambda item: (not item["runs"], -_wrong(item)))
    texts, size = [], 0
    for item in order:
        text = json.dumps(visible_in(item), ensure_ascii=False, separators=(",", ":"))
        size += len(text)
        if size > _MOST:
            items.notes.append(
                f"The page would be too large: it has {len(texts):,} of {len(order):,} items, the answered "
                "ones first; predictions.jsonl and annotations.jsonl in the run folders have all."
            )
            break
        texts.append(text)
    head = json.dumps(
        visible_in({"runs": items.runs, "first": [items.runs.index(name) for name in first]}),
        ensure_ascii=False,
    )[:-1]
    whole = f'{head},"items":[{",".join(texts)}]}}'
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return whole.translate(str.maketrans(escapes))


def _wrong(item: Mapping[str, Any]) -> int:
    return sum(answer["grade"] != "right" for answer in item["runs"].values())


def agreement(items: Items) -> Iterator[tuple[str, int, int]]:
    """Count for each pair of teachers how many questions they answer alike, of those that both answered."""
    counts: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for said in items.answers.values():
        for left, right in combinations(sorted(said), 2):
            counts[left, right][0] += said[left].casefold() == said[right].casefold()
            counts[left, right][1] += 1
    for (left, right), (alike, n) in sorted(counts.items()):
        yield f"{left} and {right}", alike, n
