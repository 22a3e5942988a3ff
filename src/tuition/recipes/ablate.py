"""Take TinyLLM or ELAD apart: the same run without one of its parts at a time, each held against the whole.

Source: TinyLLM (arXiv 2402.04616), its ablations: without in-context examples, without one teacher, without
diverse teachers, without teacher forcing. After ELAD (arXiv 2402.13098): without its selection, without its
revision, and one aspect of the selection alone; which rows there are is ours.

Differs: the first paper does not say what stands in for diverse teachers; ours is one teacher, with as many
rationales an example as the run has teachers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuition.annotation.revise import BLIND
from tuition.core.errors import ConfigError, TeacherError
from tuition.core.records import Json
from tuition.recipes.compare import compare_with
from tuition.recipes.config import Experiment, beside, folder_name, rationale_form, route_of
from tuition.recipes.execute import Finished, within_one_budget
from tuition.recipes.rounds.config import Allowance, Elad
from tuition.selection import SelectionConfig
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

__all__ = ["ABLATIONS_ELAD", "ablation_rows", "ablation_table", "ablations", "left_out", "new_calls"]

_EVERYTHING = 1_000_000_000
"""Examples; more than any pool has."""
ABLATIONS_ELAD: Mapping[str, str] = {
    "without_selection": 'selection.strategy="random"',
    "without_revision": 'annotator="chain"',
    "intra_only": 'selection.strategy="egss_intra"',
    "inter_only": 'selection.strategy="egss_inter"',
    "whole_pool": f"rounds.each.items={_EVERYTHING}",
    "zero_shot": 'evaluation.baselines=["zero_shot"]',
    "teachers": 'evaluation.baselines=["teachers"]',
}
"""The rows of `elad`, and the one setting by which a file has each by itself.

The whole pool has the run's cold start and then asks about all the rest at once, with the same annotator and
teachers. It does without `rounds.total`, and without scores, `selection.candidates` and the wrappers: where
everything is asked about, an order decides nothing. The last two are rows beside a run, one for each teacher.
"""

_READING = {
    "without_diverse_teachers": "our reading: all rationales from one teacher, as many as before",
    "whole_pool": "upper bound: every example of the pool is asked about",
    "zero_shot": "reference: the student as it is, nothing learnt",
}
"""What a reader must know of a row."""
_OWN = ("without_examples", "without_diverse_teachers", "without_forcing")
"""The rows of no teacher's name; they ask what the main run does not ask."""

_Rows = dict[str, dict[str, Any]]


def ablations(config: Experiment) -> dict[str, Experiment]:
    """Make the configurations of the runs that each leave one part out.

    Each has everything else of the main run, its seed and its grid of α included, and a folder of its own
    within it. All of them share the main run's budget, whose folder gets its `run_id` now.

    Args:
        config: The main run's.

    Returns:
        Configurations by row name; `left_out` says which rows are missing, and why.

    Raises:
        ConfigError: The recipe is neither tinyllm nor elad, or the run folder has the name of a row.
    """
    return within_one_budget(config, ablation_rows(config))


def ablation_rows(config: Experiment) -> dict[str, Experiment]:
    """Make the same configurations for a look at them alone: nothing is written, no budget is shared.

    Args:
        config: The main run's.

    Returns:
        Configurations by row name.

    Raises:
        ConfigError: As for `ablations`.
    """
    changes, _ = _changes(config)
    found = {name: beside(config, name, **changed) for name, changed in changes.items()}
    if Path(config.out).name in found:
        raise ConfigError(
            f"the run folder {config.out!r} is named like one of its ablations; choose another `out`."
        )
    return found


def left_out(config: Experiment) -> dict[str, str]:
    """Say which rows an ablation has not, because they would change nothing.

    Args:
        config: The main run's.

    Returns:
        A reason by row name.
    """
    return _changes(config)[1]


def new_calls(rows: Mapping[str, Experiment]) -> dict[str, Experiment]:
    """Pick the rows that may ask something the main run does not ask.

    Where every teacher is asked about everything, a row with fewer of them asks nothing new. By any other
    route other teachers are asked, or shown to the judge; and in rounds, about other examples.

    Args:
        rows: From `ablations`.

    Returns:
        Those whose cost comes on top of the main run's.
    """
    return {
        name: row
        for name, row in rows.items()
        if name in _OWN or route_of(row)[0] != "all" or (row.recipe != "tinyllm" and row.teacher)
    }


def ablation_table(config: Experiment, finished: Mapping[str, Finished]) -> list[dict[str, Json]]:
    """Hold every row against the main run, on the same items, and write `ablation.json` into its folder.

    Args:
        config: The main run's.
        finished: The main run and its rows, by name; others are passed over.

    Returns:
        One row a run, the main one first: accuracy with its 95 % interval, and the paired difference.
    """
    main = Path(config.out).name
    names = [main, *(name for name in ablations(config) if name in finished)]
    differences = compare_with({name: finished[name].path for name in names}, reference=main)
    rows = [_row(name, finished[name], difference=differences.get(name, {})) for name in names]
    written = {"reference": main, "rows": rows, "left_out": left_out(config)}
    path = Path(config.out) / "ablation.json"
    path.write_text(json.dumps(written, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return rows


def _row(name: str, run: Finished, *, difference: Mapping[str, Any]) -> dict[str, Json]:
    split = "test" if run.metrics["test"] else "valid"
    figures: Any = run.metrics[split] or {}
    spend: Any = run.metrics["spend"]
    reading = "reference" if run.metrics["recipe"] == "ask_teacher" else _READING.get(name, "")
    spent = "the budget ended it early" if run.metrics["stopped_by"] == "budget" else ""
    told = (reading, spent, difference.get("warning", ""))
    return {
        "name": name,
        "split": split,
        "n": figures.get("n"),
        "labels": figures.get("label_source"),
        "reader": figures.get("reader"),
        "accuracy": figures.get("accuracy"),
        "ci95": figures.get("ci95"),
        "difference": difference.get("difference"),
        "difference_ci95": difference.get("ci95"),
        "p": difference.get("p"),
        "usd": spend["usd"],
        "remark": difference.get("refused") or "; ".join(part for part in told if part),
    }


def _changes(config: Experiment) -> tuple[_Rows, dict[str, str]]:
    """What each row changes; and why a row is left out."""
    if isinstance(config, Elad):
        return _of_rounds(config)
    if config.recipe != "tinyllm":
        raise ConfigError(
            f"an ablation takes recipe = 'tinyllm' or 'elad' apart, this one is {config.recipe!r}; leave "
            "--ablate out."
        )
    writers = config.writers
    rows, reasons = _of_prompts(config, writers)
    if len(writers) < 2:
        reasons["without_diverse_teachers"] = "there is one teacher"
        return rows, reasons
    for teacher in writers:
        name = folder_name(f"without_{teacher.name}")
        name = name if name not in _OWN else folder_name(f"without_teacher_{teacher.name}")
        rows[name] = {"teacher": _silenced(config, {teacher.name})}
    first = max(writers, key=lambda teacher: teacher.weight)
    reason = _why_not_more(first, len(writers))
    if reason:
        reasons["without_diverse_teachers"] = reason
    else:
        rows["without_diverse_teachers"] = {"teacher": _one_for_all(config, first, writers)}
    return rows, reasons


def _of_rounds(config: Elad) -> tuple[_Rows, dict[str, str]]:
    """The rows of an active run; `ABLATIONS_ELAD` has them as settings."""
    rows: _Rows = {}
    reasons: dict[str, str] = {}
    selection, strategy = config.selection, config.selection.strategy
    if strategy == "random":
        reasons["without_selection"] = "the run chooses at random"
    else:
        rows["without_selection"] = {"selection": selection.model_copy(update={"strategy": "random"})}
    if config.annotator in BLIND:
        reasons["without_revision"] = f"annotator = {config.annotator!r} revises nothing"
    else:
        rows["without_revision"] = {"annotator": "chain"}
    for name, part in (("intra_only", "egss_intra"), ("inter_only", "egss_inter")):
        if strategy == "egss":
            rows[name] = {"selection": selection.model_copy(update={"strategy": part})}
        else:
            reasons[name] = f"selection.strategy = {strategy!r} is no sum of two scores; 'egss' is"
    each = Allowance(items=_EVERYTHING)
    rows["whole_pool"] = {
        "rounds": config.rounds.model_copy(update={"each": each, "total": Allowance()}),
        "selection": SelectionConfig(examples=selection.examples, share=selection.share),
    }
    # As `baselines` makes them, so that a run which has both has them once.
    rows["zero_shot"] = {"recipe": "zero_shot", "teacher": ()}
    for table in config.teacher:
        rows[folder_name(f"teacher-{table.name}")] = {"recipe": "ask_teacher", "teacher": (table,)}
    return rows, reasons


def _of_prompts(config: Experiment, writers: Sequence[TeacherConfig]) -> tuple[_Rows, dict[str, str]]:
    """The rows that change what teachers are shown; recorded ones are shown nothing."""
    rows: _Rows = {}
    reasons: dict[str, str] = {}
    parts = {
        "without_examples": ("examples", 0, "the run shows no examples"),
        "without_forcing": ("forced", False, "the run shows no answers"),
    }
    is_recorded = not any(make_teacher(teacher).abilities.reads_prompt for teacher in writers)
    for name, (field, without, already) in parts.items():
        if getattr(config.annotation, field) == without:
            reasons[name] = already
        elif is_recorded:
            reasons[name] = "every teacher is recorded: the prompt changes nothing"
        else:
            rows[name] = {"annotation": config.annotation.model_copy(update={field: without})}
    return rows, reasons


def _silenced(config: Experiment, names: set[str]) -> tuple[TeacherConfig, ...]:
    """Take teachers out; one that also judges or verifies stays for that and writes no rationales."""
    others = {config.annotation.verify, route_of(config)[1].judge}
    return tuple(
        teacher.model_copy(update={"weight": 0.0}) if teacher.name in names else teacher
        for teacher in config.teacher
        if teacher.name not in names - others
    )


def _one_for_all(
    config: Experiment, first: TeacherConfig, writers: Sequence[TeacherConfig]
) -> tuple[TeacherConfig, ...]:
    """Let one teacher write for all of them, its rationales weighing together what theirs did."""
    more: dict[str, Any] = {"samples": len(writers)}
    is_summed = route_of(config)[0] == "all" and rationale_form(config) == "task"
    if is_summed:
        # One objective takes the place of several; else it would be the weight that changes.
        more["weight"] = sum(teacher.weight for teacher in writers)
    others = _silenced(config, {teacher.name for teacher in writers} - {first.name})
    return tuple(
        teacher.model_copy(update=more) if teacher.name == first.name else teacher for teacher in others
    )


def _why_not_more(table: TeacherConfig, wanted: int) -> str:
    try:
        teacher = make_teacher(table.model_copy(update={"samples": wanted}))
    except TeacherError as error:
        return str(error)
    kept = getattr(teacher, "samples", wanted)
    if kept < wanted:
        return f"{table.name} is recorded with {kept} of {wanted} rationales an example"
    if table.temperature == 0:
        return f"{table.name} answers at temperature 0, so further rationales would be copies"
    return ""
