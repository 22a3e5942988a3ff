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

    def item(self, example_id: str, known: Mapping[str, Example], mark: str = "") -> dict[str, Any]:
        """Find or begin an item; one question is one item, whatever its id in another run."""
        example = known.get(example_id)
        key = mark or (fingerprint(example)[:16] if example else example_id)
        if key not in self.found:
            shown: dict[str, Any] = {"id": example_id, "split": "train", "domain": ""}
            if example is not None:
                shown |= {"question": example.question, "choices": example.choices, "label": example.answer}
                shown |= {"context": example.context, "domain": example.domain}
            self.found[key] = {**shown, "runs": {}, "said": [], "own": []}
        return self.found[key]


def items_of(runs: Mapping[str, RunFacts], material: Material) -> Items:
    """Lay together what the runs keep of every question, in the order of the runs."""
    items = Items(runs=list(runs))
    for i, (name, run) in enumerate(runs.items()):
        known = material.questions.get(name, {})
        teachers = run.metrics.get("teachers", []) if run.is_teacher else []
        for row in _rows(run.path / "predictions.jsonl"):
            item = items.item(row["example_id"], known, row.get("fingerprint", ""))
            item |= {"split": row["split"], "domain": row.get("domain", ""), "label": row["label"]}
            item |= {"label_source": row.get("label_source", "gold")}
            rule = (
                "the highest score of the options" if row.get("option_scores") else material.rule(row["text"])
            )
            answer = {key: row.get(key) for key in ("text", "answer", "grade", "confidence")}
            item["runs"][str(i)] = {**answer, "rule": rule}
            if len(teachers) == 1 and row["answer"] is not None:
                items.answers.setdefault(row["example_id"], {})[teachers[0]] = row["answer"]
        for place in (run.path, *sorted((run.path / "rounds").glob("*/"))):
            drafts = _add_drafts(items, i, place, known=known, material=material)
            _add_rationales(items, i, place, known=known, drafts=drafts)
    return items


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    return read_rows(path) if path.exists() else iter(())


def _add_drafts(
    items: Items, run: int, place: Path, *, known: Mapping[str, Example], material: Material
) -> dict[str, str]:
    """Add what the student wrote itself, its steps with their uncertainty; give its texts by example."""
    texts: dict[str, str] = {}
    for row in (*_rows(place / "looked.jsonl"), *_rows(place / "drafts.jsonl")):
        found = row.get("prediction", row)
        texts[found["example_id"]] = found["text"]
        shares, how = _uncertainties(row.get("evidence") or {})
        # Steps that an older splitter cut in another way are not those that were scored.
        cut = material.steps(found["text"])[: len(shares)]
        pairs = list(zip(cut, shares, strict=True)) if len(cut) == len(shares) else []
        own = {"run": run, "round": place.name, "text": found["text"], "steps": pairs, "how": how}
        items.item(found["example_id"], known)["own"].append(own)
    return texts


def _uncertainties(evidence: Mapping[str, Any]) -> tuple[list[float], str]:
    """Give the uncertainty of each step in [0, 1], and say what that is."""
    if sums := evidence.get("step_logprobs"):
        return [round(1 - math.exp(one), 3) for one in sums], "1 less the student's probability of the step"
    votes = evidence.get("prefix_votes") or []
    shares = [round(1 - max(ways) / sum(ways), 3) if sum(ways) else 1.0 for ways in votes[1:]]
    return shares, "of the answers that follow on the step, the share unlike the commonest"


def _add_rationales(
    items: Items, run: int, place: Path, *, known: Mapping[str, Example], drafts: Mapping[str, str]
) -> None:
    """Add what teachers wrote; what several runs share stands there once."""
    path = place / "annotations.jsonl"
    for row in read_own_rows(path) if path.exists() else ():
        said = items.item(row["example_id"], known)["said"]
        keys = ("teacher", "kind", "rationale", "answer", "faults", "is_used", "is_forced", "history")
        one = {key: row.get(key) for key in keys}
        if row["kind"] == "revision" and row["example_id"] in drafts:
            one["diff"] = _difference(drafts[row["example_id"]], row["rationale"])
        if same := [other for other in said if one.items() <= other.items()]:
            same[0]["in"].append(run)
        else:
            said.append({**one, "in": [run]})
        if row["answer"] is not None and not row["is_forced"]:
            items.answers.setdefault(row["example_id"], {})[row["teacher"]] = row["answer"]


def _difference(before: str, after: str) -> list[tuple[str, str]]:
    """Lay two texts beside each other word by word: `=`, `-` and `+` with the words."""
    left, right = before.split(" "), after.split(" ")
    if len(left) + len(right) > _MOST_WORDS:
        return []
    parts: list[tuple[str, str]] = []
    for act, i, j, k, n in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        parts += [("=" if act == "equal" else "-", " ".join(left[i:j]))] * (j > i)
        parts += [("+", " ".join(right[k:n]))] * (n > k and act != "equal")
    return parts


def as_data(items: Items, *, first: Sequence[str] = ()) -> str:
    """Write the items as JSON for a script element: nothing in it ends the element or begins another.

    `first` names the runs that are shown first, side by side.
    """
    order = sorted(items.found.values(), key=lambda item: not item["runs"])
    texts, size = [], 0
    for item in order:
        texts.append(json.dumps(visible_in(item, most=_LONGEST), ensure_ascii=False, separators=(",", ":")))
        size += len(texts[-1])
        if size > _MOST:
            del texts[-1]
            items.notes.append(
                f"The page would be too large: it has {len(texts):,} of {len(order):,} items, the answered "
                "ones first; predictions.jsonl and annotations.jsonl in the run folders have all."
            )
            break
    about = {"runs": items.runs, "first": [items.runs.index(name) for name in first]}
    head = json.dumps(visible_in(about), ensure_ascii=False)[:-1]
    whole = f'{head},"items":[{",".join(texts)}]}}'
    escapes = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
    return whole.translate(str.maketrans(escapes))


def agreement(items: Items) -> Iterator[tuple[str, int, int]]:
    """Count for each pair of teachers how many questions they answer alike, of those that both answered."""
    counts: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for said in items.answers.values():
        for left, right in combinations(sorted(said), 2):
            counts[left, right].append(said[left].casefold() == said[right].casefold())
    for (left, right), alike in sorted(counts.items()):
        yield f"{left} and {right}", sum(alike), len(alike)
