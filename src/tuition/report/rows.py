"""Read run folders and give the rows of a table. Knows the files of a run, and no recipe's inside."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from tuition.core.config import read_toml
from tuition.core.errors import DataError
from tuition.core.records import Record
from tuition.core.rows import read_metrics
from tuition.core.store import times_opened

__all__ = [
    "STANDINGS",
    "Recipes",
    "Row",
    "Standing",
    "graded_by",
    "openings",
    "read_json",
    "rows_of",
    "run_folders",
]


_RULES = {
    "longest_option": "; no answer where there are no options",
    "frequent_position": "; no answer where there are no options",
}
"""What a reader must know of a rule."""
_CLASSICAL = {
    "nearest": "the label of the nearest training question (BM25)",
    "linear": "logistic regression on TF-IDF of words",
}
"""The cheapest students: they stand in every table that has trained ones or teachers."""
_NO_LINEAR = "; linear is left out: scikit-learn was not installed where this ran"


class Standing(Protocol):
    """What a table asks of a recipe; a recipe declares it."""

    @property
    def order(self) -> int:
        """Rows stand by rising order, then by name."""

    @property
    def remark(self) -> str:
        """Stands beside each of its rows."""

    @property
    def learns(self) -> bool:
        """Whether its student is to be trained."""

    @property
    def best_of(self) -> str:
        """What the best of several of its rows on validation is called; empty: it is not marked."""


Recipes = Mapping[str, Standing] | Callable[[], Mapping[str, Standing]]
"""By name, such as `tuition.recipes.RECIPES`; or what loads them, where one is none of ours."""

_UNKNOWN: Any = SimpleNamespace(order=60, remark="", learns=True, best_of="")
"""A recipe that is not installed stands among the students."""

STANDINGS: Mapping[str, Mapping[str, Any]] = {
    "without_question": {"order": 10, "remark": "needs no question"},
    "zero_shot": {"order": 20, "learns": False},
    "label_only": {"order": 30},
    "step_by_step": {"order": 40, "best_of": "single teacher"},
    "tinyllm": {"order": 50},
    "mentor_kd": {"order": 55},
    "kard": {"order": 56},
    "mint": {"order": 56},
    "retrikt": {"order": 57},
    "ddk": {"order": 57},
    "know_gate": {"order": 58},
    "evokd": {"order": 58},
    "mgsr": {"order": 59},
    "elad": {"order": 60},
    "ask_teacher": {"order": 90},
}
"""What our own recipes declare, so that a table needs to load none of them; a test compares the two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Record):
    """One line of a result table. Accuracies are shares in [0, 1]."""

    name: str
    recipe: str
    """The recipe; `rule` for a rule that needs no question, `classical` for a student that is no network,
    `votes` for what samples of the row above agree on."""
    split: str
    """test, or valid where the task has no test."""
    n: int
    accuracy: float
    low: float
    """Lower end of the 95 % interval."""
    high: float
    unreadable: float
    """Share of answers that could not be read."""
    label_source: str = "gold"
    """By whose labels it is graded: gold, teacher:NAME, majority, weighted, human, or several with a +."""
    reader: str = ""
    """Who read and graded the answers: the task's kind, and the version of its reader."""
    usd: float | None
    """Cost of every answer it used, as if bought alone; None: unknown."""
    paid_usd: float | None
    """What it newly paid; None: at an unknown price."""
    difference: float | None = None
    """Accuracy less the reference run's, on the same items; None: not compared."""
    difference_low: float | None = None
    """Lower end of its 95 % interval."""
    difference_high: float | None = None
    remark: str = ""


def graded_by(metrics: dict[str, Any], split: str) -> str:
    """Say whose labels grade a split, such as `weighted labels of ada, bela, not gold`; empty: gold alone."""
    sources = metrics[split].get("label_source", "gold").split("+")
    panel = ", ".join((metrics.get("labels") or {}).get("panel", []))
    words = {"majority": f"majority labels of {panel}", "weighted": f"weighted labels of {panel}"}
    words |= {"human": "human labels"}
    told = ", ".join(words.get(source, f"labels of {source}") for source in sources if source != "gold")
    return told and told + (", else gold" if "gold" in sources else ", not gold")


def run_folders(*folders: Path) -> dict[str, Path]:
    """Find the finished runs in folders: each itself, and those directly within it.

    Args:
        folders: Run folders, or some that hold some.

    Returns:
        Folders by name; two of one name have that of what holds them behind it.

    Raises:
        DataError: There is no finished run in one of them.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        children = sorted(child for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
        paths = [path for path in ([folder, *children]) if (path / "done").exists()]
        if not paths:
            raise DataError(
                f"{str(folder)!r} holds no finished run; `tuition list` shows the runs, "
                "`tuition resume` goes on with one."
            )
        known = {path.resolve() for path in found.values()}
        for path in (path for path in paths if path.resolve() not in known):
            place = path.resolve()
            found[f"{place.name} ({place.parent.name})" if place.name in found else place.name] = path
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file a run wrote; empty where there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def rows_of(folder: Path, recipes: Recipes, *more: Path) -> list[Row]:
    """Make the result table of a run and what stands beside it.

    Args:
        folder: A run folder, or one that holds some; `comparisons.json` in it adds the paired differences.
        recipes: By name, such as `tuition.recipes.RECIPES`; or what loads them, where one is none of ours.
        more: Further such folders, whose runs stand in the same table.

    Returns:
        Rules that need no question first, then the rows in the order of their recipes.
    """
    runs = {name: read_metrics(path) for name, path in run_folders(folder, *more).items()}
    # A teacher may have answered nothing on test; that must not take the students' result away.
    students = [metrics for metrics in runs.values() if metrics["student"]] or list(runs.values())
    split = "test" if all(metrics["test"] for metrics in students) else "valid"
    runs = {name: metrics for name, metrics in runs.items() if metrics[split]}
    names = dict.fromkeys(metrics["recipe"] for metrics in runs.values())
    known = {name: _standing(name, recipes) for name in names}
    best = _best_on_validation(runs, known)
    differences = {
        name: found for one in (folder, *more) for name, found in read_json(one / "comparisons.json").items()
    }
    rows = []
    for name, metrics in sorted(runs.items(), key=lambda run: (known[run[1]["recipe"]].order, run[0])):
        difference = differences.get(name, {})
        low, high = difference.get("ci95") or (None, None)
        remarks = [
            *_label_remarks(metrics, split),
            *(difference.get(kind) for kind in ("refused", "warning")),
            *_remarks(metrics, known[metrics["recipe"]]),
            best.get(name),
        ]
        row = _row(
            metrics[split],
            name=name,
            recipe=metrics["recipe"],
            split=split,
            usd=metrics["spend"]["usd"],
            paid_usd=metrics["spend"]["paid_usd"],
            remark="; ".join(filter(None, remarks)),
        )
        rows.append(
            replace(row, difference=difference.get("difference"), difference_low=low, difference_high=high)
        )
        if votes := metrics[split].get("votes"):
            rows.append(_voted(row, votes))
    first = next(iter(runs.values()), {split: {}})[split]
    rules = [
        _row(
            {**figures, "label_source": first.get("label_source", "gold"), "reader": first["reader"]},
            name=rule.replace("_", " "),
            recipe="rule",
            split=split,
            usd=0.0,
            paid_usd=0.0,
            remark="needs no question" + _RULES.get(rule, ""),
        )
        for rule, figures in first.get("blind", {}).items()
        # a rule about options says nothing where no question has any
        if figures["unreadable"] < 1
    ]
    return [*rules, *_classical_rows(runs, known, split), *rows]


def _standing(name: str, recipes: Recipes) -> Standing:
    own: Any = SimpleNamespace(**{**vars(_UNKNOWN), **STANDINGS.get(name, {})})
    found: Any = recipes() if name not in STANDINGS and callable(recipes) else recipes
    return own if name in STANDINGS else found.get(name, _UNKNOWN)


def _classical_rows(runs: Mapping[str, Any], known: Mapping[str, Standing], split: str) -> Iterator[Row]:
    """The classical students of the first run whose student learns; they learnt from the same examples."""
    names = sorted(runs, key=lambda name: (known[runs[name]["recipe"]].order, name))
    # One that was made before there were any has none.
    names = [name for name in names if runs[name][split].get("classical")]
    trained = [name for name in names if known[runs[name]["recipe"]].learns and runs[name]["student"]]
    for name in (trained or names)[:1]:
        metrics = runs[name]
        figures = metrics[split]["classical"]
        is_free = set(metrics["train"].get("label_source", ())) <= {"gold", "human"}
        for kind, found in figures.items():
            if found is not None:
                yield _row(
                    found | {key: metrics[split][key] for key in ("label_source", "reader")},
                    name=kind,
                    recipe="classical",
                    split=split,
                    # Its labels cost what the run's own did, as far as teachers gave them.
                    usd=0.0 if is_free else metrics["spend"]["usd"],
                    paid_usd=0.0,
                    remark=f"{_CLASSICAL[kind]}, from the examples of {name}"
                    + (_NO_LINEAR if figures.get("linear") is None else ""),
                )


def _row(figures: Mapping[str, Any], **more: Any) -> Row:
    return Row(
        n=figures["n"],
        accuracy=figures["accuracy"],
        low=figures["ci95"][0],
        high=figures["ci95"][1],
        unreadable=figures["unreadable"],
        label_source=figures.get("label_source", "gold"),
        reader=figures["reader"],
        **more,
    )


def _voted(row: Row, votes: Mapping[str, Any]) -> Row:
    """What samples of a student agree on, below its greedy answers: no money, but more of its tokens."""
    each, greedy = (votes[key] / votes["n"] for key in ("student_tokens", "greedy_tokens"))
    return _row(
        {**votes, "label_source": row.label_source, "reader": row.reader},
        name=f"{row.name}, {votes['samples']} votes",
        recipe="votes",
        split=row.split,
        usd=row.usd,
        paid_usd=0.0,
        remark=f"majority of its samples: {each:,.0f} student tokens a question, greedily {greedy:,.0f}",
    )


def _best_on_validation(runs: Mapping[str, Any], recipes: Mapping[str, Standing]) -> dict[str, str]:
    """Mark the best of several rows of one recipe, where the recipe wants that."""
    found = {}
    for recipe, standing in recipes.items():
        right = {
            name: metrics["valid"]["accuracy"]
            for name, metrics in sorted(runs.items())
            if metrics["recipe"] == recipe and metrics["valid"]
        }
        if standing.best_of and len(right) > 1:
            found[max(right, key=lambda name: right[name])] = f"best {standing.best_of} by validation"
    return found


def _label_remarks(metrics: dict[str, Any], split: str) -> Iterator[str]:
    """What a reader must know of the labels a row is graded by and has learnt from."""
    labels = metrics.get("labels") or {}
    if told := graded_by(metrics, split):
        yield f"graded by {told}"
        if unanswered := labels.get("splits", {}).get(split, {}).get("unanswered", 0):
            yield f"{unanswered} questions left out, nobody could label them"
        if metrics["student"] is None and set(metrics.get("teachers", [])) & set(labels.get("panel", [])):
            yield "is one of its own judges"
    trained = [name for name in metrics["train"].get("label_source", {}) if name not in ("gold", "none")]
    if trained and (metrics["student"] or {}).get("is_trained"):
        yield f"learnt from {' and '.join(trained)} labels"


def _remarks(metrics: dict[str, Any], recipe: Standing) -> Iterator[str]:
    student = metrics["student"]
    if len(metrics.get("readers", ())) > 1:
        yield f"read by {', then by '.join(metrics['readers'])}"
    if metrics.get("is_simulated") or (metrics.get("labels") or {}).get("is_simulated"):
        yield "simulated: a program" if student is None else "simulated teachers and money"
    if metrics.get("saw_answers"):
        yield "recorded with the gold answer in the prompt"
    yield recipe.remark
    if recipe.learns and student and not student.get("is_trained", True):
        yield "not trained"
    if metrics.get("answer_by", metrics.get("rationale_as")) == "chain":
        yield "explains, then answers"
    if metrics.get("failures"):
        yield "without a reply: " + ", ".join(f"{n} {kind}" for kind, n in metrics["failures"].items())
    if metrics["stopped_by"] == "budget":
        yield "the budget ended first"
    if metrics["spend"]["unknown"]:
        yield f"{metrics['spend']['unknown']} calls of unknown outcome"


def openings(folder: Path) -> list[str]:
    """Say of each test set how many runs opened it; choosing between them by its figures is choosing on test.

    Args:
        folder: A run folder, or one that holds some.

    Returns:
        A sentence for each test set of each store; none of a run whose store is not there any more.
    """
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for name, path in run_folders(folder).items():
        store = str(read_toml(path / "config.toml")["store"])
        opened = times_opened(Path(store), (path / "run_id").read_text(encoding="utf-8"))
        if opened is not None:
            test, n = opened
            found.setdefault((store, test), (n, []))[1].append(name)
    return [
        f"The test set of {names[0]}{f' and {len(names) - 1} more' if names[1:] else ''} was opened {n} "
        f"{'time' if n == 1 else 'times'} by runs of this store ({store})."
        for (store, _), (n, names) in found.items()
    ]
