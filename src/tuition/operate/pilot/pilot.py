"""Try every teacher on a few training examples before the whole set is paid for: `tuition pilot`.

What is asked here is what the run would ask, under the same keys of the same store, so that nothing is paid
twice; what it costs counts within the run's budget.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from tuition.annotation import RoutingConfig, health_table, majority, similar_success
from tuition.annotation.routing import probe_of, similar_order
from tuition.core.errors import ConfigError
from tuition.core.protocols import Listener, Task
from tuition.core.records import Example, Json
from tuition.core.run import run_id
from tuition.core.splits import bare
from tuition.core.store import Store
from tuition.experiment.answer import Way, share_right
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import Ready, check_terms, make_ready
from tuition.experiment.config import Experiment, beside, folder_name, route_of, task_of
from tuition.experiment.labels.labels import demonstrated
from tuition.experiment.targets import ANSWER_PREFIX, question_text
from tuition.experiment.teach.panel import UNSOUND, price_rank
from tuition.operate.dry_run.calls import count_of, dry_calls, usd_of
from tuition.operate.dry_run.guess import EXPECTED
from tuition.operate.dry_run.plan import routes_of
from tuition.operate.pilot.advice import Share, Tried, advise, oracle_of
from tuition.operate.pilot.trial import Trial, account_beside, all_requests, askers_of, confirm, try_out
from tuition.tasks.check import fits

__all__ = ["pilot", "pilot_examples", "pilot_folder", "project", "similar_choice"]


def similar_choice(
    examples: Sequence[Example],
    success: Mapping[str, Sequence[float | None]],
    prices: Mapping[str, float],
    *,
    routing: RoutingConfig,
) -> list[str]:
    """Say whom the route `similarity` would ask about each example, from the other examples alone."""
    chosen: list[str] = []
    for i, example in enumerate(examples):
        others = [*examples[:i], *examples[i + 1 :]]
        seen = {name: [*values[:i], *values[i + 1 :]] for name, values in success.items()}
        expected = similar_success(
            [example], others, seen, neighbours=routing.neighbours, prior=routing.prior
        )
        chosen.append(similar_order(expected, prices)[0][0])
    return chosen


def project(
    config: Experiment, ready: Ready, tried: Sequence[Tried], *, judge: str = ""
) -> list[dict[str, Json]]:
    """Reckon what each plan, a teacher or a route, would cost for all of training, by what was measured.

    `calls` are those that are expected, verdicts included; `usd` is their expected cost, what the pilot paid
    included, None where a price is unknown.
    """
    guess = dataclasses.replace(
        EXPECTED,
        lengths={(one.teacher, prompt): n for one in tried for prompt, n in one.tokens.items()},
        faults={one.teacher: 1 - one.kept.share for one in tried},
    )
    found: list[dict[str, Json]] = []
    for writer in config.writers:
        # The others write nothing, and may still verify.
        tables = tuple(
            table if table is writer else table.model_copy(update={"weight": 0.0}) for table in config.teacher
        )
        one = beside(config, folder_name(writer.name), recipe="step_by_step", teacher=tables)
        calls = dry_calls(one, ready, guess=guess, may_fail=True)
        found.append({"plan": writer.name, "calls": count_of(calls), "usd": usd_of(calls)})
    for row in routes_of(config, ready, guess=guess, judge=judge):
        name = f"judge ({judge})" if row.route == "judge" else row.route
        if row.route != "judge" or judge:
            found.append({"plan": name, "calls": row.calls, "usd": row.used_usd})
    return found


_SHOWN = 2
"""Replies of each teacher that are shown."""


def pilot_folder(config: Experiment) -> Path:
    """Say where a pilot of a configuration is written."""
    return Path(f"{config.out.rstrip('/')}-pilot")


def pilot_examples(config: Experiment, train: Sequence[Example], n: int) -> list[Example]:
    """Draw the examples of a pilot."""
    route, routing = route_of(config)
    first = probe_of(train, routing.probe, seed=config.seed) if route == "similarity" else []
    source = Random(f"{config.seed}/pilot")
    ids = [example.id for example in source.sample(first, len(first))]
    rest = [example.id for example in train if example.id not in set(ids)]
    drawn = set([*ids, *source.sample(rest, len(rest))][:n])
    return [example for example in train if example.id in drawn]


def pilot(
    config: Experiment,
    *,
    examples: int = 50,
    with_student: bool = False,
    is_confirmed: bool = False,
    listener: Listener | None = None,
) -> dict[str, Json]:
    """Ask every teacher about a few training examples, and say what the numbers speak for.

    Each is asked as configured, and once without the answer, so that its accuracy is its own; where the
    configuration shows no answer, one call serves both. `with_student` examines the untrained student on
    them, too, which is not paid for.
    """
    ready = make_ready(config)
    splits = ready.splits
    train = choose_train(config, splits)
    check_terms(config.writers)
    if not config.writers:
        raise ConfigError(
            "a pilot tries the teachers that write rationales; none is given. Add a [[teacher]]."
        )
    chosen = pilot_examples(config, train, examples)
    if config.labels.train != "gold" and config.labels.replace:
        # Labels that give way in the run are none here either.
        chosen = [bare(example) for example in chosen]
    folder = pilot_folder(config)
    with Store(Path(config.store)) as store:
        account = account_beside(config, folder, store=store, listener=listener)
        askers = askers_of(config, chosen, account=account, train=demonstrated(config, splits))
        if not is_confirmed:
            asked = [(asker, all_requests(asker, chosen)) for asker in askers]
            confirm(config, asked, what="the pilot", less="ask about fewer --examples")
        trials = [try_out(asker, chosen) for asker in askers]
        figures = _figures(config, chosen, trials, ready=ready, n=len(train))
        figures["spend"] = store.spend(run_id(folder)).to_json()
    if with_student:
        figures["student"] = _untrained(config, chosen, train=train)
    text = json.dumps(figures, indent=2, ensure_ascii=False) + "\n"
    (folder / "pilot.json").write_text(text, encoding="utf-8")
    return json.loads(text)


def _figures(
    config: Experiment, chosen: Sequence[Example], trials: Sequence[Trial], *, ready: Ready, n: int
) -> dict[str, Json]:
    """Everything that is told, but for the money spent."""
    routing = route_of(config)[1]
    words = _words(chosen, trials)
    basis, right = _right(chosen, trials, words)
    success: dict[str, list[float | None]] = {}
    for trial in trials:
        found = trial.annotated
        # As the route `similarity` counts it: 1 for a kept and sound rationale; None: no reply.
        good = {item.example_id for item in found.annotations if not UNSOUND & set(item.faults)}
        there = {item.example_id for item in (*found.annotations, *found.dropped)}
        success[trial.name] = [
            float(example.id in good) if example.id in there else None for example in chosen
        ]
    prices = {trial.name: price_rank(trial.asker.teacher) for trial in trials}
    tried = [_tried(trial, right.get(trial.name), chosen=chosen) for trial in trials]

    def similar_share(names: Sequence[str]) -> Share | None:
        if len(names) < 2 or len(chosen) < 2:
            return None
        turns = similar_choice(chosen, {name: success[name] for name in names}, prices, routing=routing)
        picked = [success[name][i] for i, name in enumerate(turns)]
        known = [value for value in picked if value is not None]
        return Share.of(round(sum(known)), len(known)) if known else None

    names = [trial.name for trial in trials]
    solving = list(words[0]) if words else []
    able = {
        trial.name: one.right.share if one.right else 0.0
        for trial, one in zip(trials, tried, strict=True)
        if trial.asker.teacher.abilities.reads_prompt
    }
    # Who would judge: who is named, else the one most often right; empty: nobody reads prompts.
    judge = routing.judge or max(able, key=able.__getitem__, default="")
    plans = project(config, ready, tried, judge=judge)
    advice = advise(tried, right=right if basis == "labels" else {}, similar=similar_share)
    oracle, share = oracle_of(right) if right else None, similar_share(names)
    return {
        "config": {"out": config.out, "seed": config.seed, "forced": config.annotation.forced},
        "examples": len(chosen),
        "of": n,
        "example_ids": [example.id for example in chosen],
        "is_simulated": any(one.is_simulated for one in tried),
        "is_spent": any(trial.annotated.spent for trial in trials),
        "right_by": basis,
        "teachers": [one.to_json() for one in tried],
        "replies": {trial.name: _replies(chosen, trial) for trial in trials},
        "agreement": {name: {other: _agreement(words, name, other) for other in solving} for name in solving},
        "some_right": None if oracle is None else oracle.to_json(),
        "similarity_kept": None if share is None else share.to_json(),
        "plans": [*plans],
        "advice": advice.to_json(),
    }


def _untrained(
    config: Experiment, chosen: Sequence[Example], *, train: Sequence[Example]
) -> dict[str, Json] | None:
    """The untrained student on the labelled ones of these examples; None: there are none."""
    from tuition.student.load import load_student

    labelled = [example for example in chosen if example.answer is not None]
    if not labelled:
        return None
    texts = [question_text(one) for one in train] + [one.answer for one in train if one.answer]
    training = config.training.model_copy(update={"seed": config.seed + config.training.seed})
    student = load_student(config.student, training, texts=texts)
    way = Way.of(config, prefix=ANSWER_PREFIX)
    share = share_right(student, task_of(config), way, examples=labelled)
    return Share.of(round(share * len(labelled)), len(labelled)).to_json()


def _tried(trial: Trial, right: Sequence[bool | None] | None, *, chosen: Sequence[Example]) -> Tried:
    found, name, n = trial.annotated, trial.name, len(chosen)
    failures = Counter(failure.kind for failure in found.failures)
    [health] = health_table([*found.annotations, *found.dropped], {name: len(found.failures)})
    known = [value for value in right or () if value is not None]
    # Guessing gets right: one of the options, one of yes and no, else nothing.
    guessed = [
        1 / len(example.choices)
        if example.choices
        else 0.5 * ((example.answer or "").casefold() in ("yes", "no"))
        for example, value in zip(chosen, right or (), strict=False)
        if value is not None
    ]
    return Tried(
        teacher=name,
        is_simulated=trial.asker.teacher.abilities.is_simulated,
        samples=trial.asker.samples,
        kept=Share.of(len(found.annotations), n - failures["unpaid"]),
        right=Share.of(sum(known), len(known)) if known else None,
        usd_per_call=trial.usd,
        solve_usd_per_call=trial.solve_usd,
        latency_s=trial.latency_s,
        tokens=trial.tokens,
        faults=health.shares,
        failures=dict(failures),
        chance=sum(guessed) / len(guessed) if guessed else None,
    )


def _replies(chosen: Sequence[Example], trial: Trial) -> list[dict[str, Json]]:
    """The first replies of a teacher, to be looked at."""
    found = {item.example_id: item for item in (*trial.annotated.dropped, *trial.annotated.annotations)}
    asked = [example for example in chosen if example.id in found]
    return [
        {
            "example_id": example.id,
            "question": example.question,
            "text": found[example.id].rationale,
            "answer": found[example.id].answer,
            "is_shown": trial.asker.config.forced,
            "faults": list(found[example.id].faults),
        }
        for example in asked[:_SHOWN]
    ]


def _words(chosen: Sequence[Example], trials: Sequence[Trial]) -> list[dict[str, str | None]]:
    """By example the answers of the teachers that solve; answers that mean the same in the same words."""
    rows: list[dict[str, str | None]] = []
    for i, example in enumerate(chosen):
        words: list[str] = []
        row: dict[str, str | None] = {}
        for trial in trials:
            said = trial.said[i]
            if said is not None:
                same = (word for word in words if _same(said, word, example, task=trial.asker.task))
                said = next(same, said)
                words.append(said)
            if trial.solved:
                row[trial.name] = said
        rows.append(row)
    return rows


def _same(answer: str, other: str, example: Example, *, task: Task) -> bool:
    return answer == other or fits(answer, dataclasses.replace(example, answer=other), task)


def _right(
    chosen: Sequence[Example], trials: Sequence[Trial], words: Sequence[Mapping[str, str | None]]
) -> tuple[str, dict[str, list[bool | None]]]:
    """Hold the teachers' answers against labels, or where there are none against what most of them say."""
    labels = [example.answer for example in chosen]
    basis = "labels"
    solving = sum(trial.solved for trial in trials)
    if not solving:
        return "shown", {}
    if all(label is None for label in labels):
        if solving < 3:
            # Of two teachers the majority is the first.
            return "nobody", {}
        basis, labels = "majority", majority(words)
    right: dict[str, list[bool | None]] = {}
    for trial in trials:
        if trial.solved:
            right[trial.name] = [
                None
                if label is None or example.id not in trial.answered
                else said is not None and _same(said, label, example, task=trial.asker.task)
                for example, label, said in zip(chosen, labels, trial.said, strict=True)
            ]
    return basis, right


def _agreement(words: Sequence[Mapping[str, str | None]], name: str, other: str) -> float | None:
    """The share of equal answers among the examples that both teachers answered readably."""
    both = [(row[name], row[other]) for row in words if row[name] is not None and row[other] is not None]
    return sum(one == two for one, two in both) / len(both) if both else None
