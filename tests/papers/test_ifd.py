"""IFD: hand numbers, a plain loop that agrees, another question's rationale, and what a run keeps."""

import dataclasses
import gzip
import itertools
import json
import math

import pytest
import torch
from tiny import bench_of, experiment, lines, teachers

from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Annotation, Example, Target
from tuition.experiment.bench import untrained_student
from tuition.experiment.rounds.check import open_panel
from tuition.experiment.teach.keep import KEEP_BY, following_difficulty, keep_best
from tuition.experiment.teach.panel import target_of
from tuition.operate.execute import execute
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

BASE = {"model": "base", "max_output_tokens": 96, "device": "cpu"}


@pytest.mark.parametrize(
    ("given", "alone", "of", "expected"),
    [
        ([0.5, 1.0, 0.3], [1.0, 2.0, 0.6], "ifd", 0.5),
        ([0.5, 1.0, 0.3], [1.0, 2.0, 0.6], "ifd_perplexity", 0.548812),
        ([1.5, 1.5], [1.0, 1.4], "ifd", 1.25),
        ([], [1.0], "ifd", math.inf),
        ([1.0], [0.0], "ifd", math.inf),
    ],
)
def test_by_hand(given, alone, of, expected):
    found = following_difficulty([-x for x in given], [-x for x in alone], of=of)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.fixture(scope="module")
def gathered(tmp_path_factory):
    """A run of the embedded student that keeps the better half by IFD; its bench stays open."""
    folder = tmp_path_factory.mktemp("ifd")
    settings = {"keep_by": "ifd", "keep_share": 0.5}
    short = {"limit": 1, "max_tokens": 4}
    config = experiment(folder, student=BASE, annotation=settings, teacher=teachers("ada"), evaluation=short)
    metrics = execute(config).metrics
    again = experiment(folder / "again", student=BASE, annotation=settings, teacher=teachers("ada"))
    with bench_of(again) as bench:
        yield metrics, lines(folder / "run" / "annotations.jsonl"), bench


def plain_loss(student, prompt, output):
    """The mean cross-entropy of an output, by one forward pass without padding."""
    ids = torch.tensor(prompt + output)
    with torch.no_grad():
        logits = student.model(input_ids=ids[None]).logits[0, len(prompt) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(output)).item()


def test_a_plain_loop_agrees(gathered):
    _, rows, bench = gathered
    student, examples = untrained_student(bench), bench.by_id
    targets = [target_of(bench, Annotation.from_json(row), examples) for row in rows[:4]]
    bare = [dataclasses.replace(target, input="") for target in targets]
    expected = []
    for target, alone in zip(targets, bare, strict=True):
        [output] = student.outputs([target.output])
        losses = [plain_loss(student, student.prompts([one])[0], output) for one in (target, alone)]
        expected.append(losses[0] / losses[1])
    assert KEEP_BY["ifd"](student, targets) == pytest.approx(expected, rel=1e-4)


def test_another_questions_rationale_is_harder_to_follow(gathered):
    _, rows, bench = gathered
    student, examples = untrained_student(bench), bench.by_id
    targets = [target_of(bench, Annotation.from_json(row), examples) for row in rows]
    wrong = [dataclasses.replace(target, output=targets[i - 1].output) for i, target in enumerate(targets)]
    own, other = (KEEP_BY["ifd"](student, part) for part in (targets, wrong))
    # Of a misplaced rationale the loss alone is that of another row; the mean is over the same texts.
    assert sum(other) / len(other) > 1.1 * sum(own) / len(own)


@pytest.mark.parametrize("teacher", ["flan-t5-xl", "llama-2"])
def test_another_questions_rationale_misleads_a_real_student(real_student, data, teacher):
    with gzip.open(data / "tinyllm" / "obqa.train.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in itertools.islice(file, 10)]
    targets = [
        Target(
            example=Example(id=row["id"], question=row["question"]),
            prefix="explain: ",
            input=row["question"],
            output=row["rationales"][teacher]["text"],
            weight=1.0,
            objective="rationale",
        )
        for row in rows
    ]
    wrong = [dataclasses.replace(target, output=targets[i - 1].output) for i, target in enumerate(targets)]
    config = StudentConfig(model=str(real_student), device="cpu", threads=1)
    student = load_student(config, TrainingConfig(), base_folder=BASE_FOLDER)
    own, other = (KEEP_BY["ifd"](student, part) for part in (targets, wrong))
    assert sum(other) / len(other) > 1.05 * sum(own) / len(own)


def test_a_run_learns_the_share_that_is_hardest_to_follow(gathered):
    metrics, rows, bench = gathered
    figures = metrics["routed"]["kept_by"]
    examples, student = bench.by_id, untrained_student(bench)
    kept = [Annotation.from_json(row) for row in rows if row["is_kept"]]
    scores = KEEP_BY["ifd"](student, [target_of(bench, item, examples) for item in kept])
    fit = sorted((score for score in scores if score < 1), reverse=True)
    half = fit[: math.ceil(len(fit) / 2)]
    used = [
        score for row, score in zip([r for r in rows if r["is_kept"]], scores, strict=True) if row["is_used"]
    ]
    assert sorted(used, reverse=True) == pytest.approx(half)
    assert (figures["of"], figures["kept"]) == (len(kept), len(half))
    assert figures["misaligned"] == len(scores) - len(fit)
    assert (
        figures["mean_kept"] == pytest.approx(sum(half) / len(half))
        and figures["mean_kept"] > figures["mean"]
    )
    assert metrics["objectives"]["rationale:ada"] == len(half)


def with_annotation(bench, **changed):
    annotation = bench.config.annotation.model_copy(update=changed)
    return dataclasses.replace(bench, config=bench.config.model_copy(update={"annotation": annotation}))


def test_a_threshold_drops_what_the_question_says_already(gathered):
    _, rows, bench = gathered
    items = [Annotation.from_json(row) for row in rows if row["is_kept"]]
    whole, _ = keep_best(with_annotation(bench, keep_share=1.0), items)
    scores = KEEP_BY["ifd"](untrained_student(bench), [target_of(bench, item, bench.by_id) for item in whole])
    least = sorted(scores)[len(scores) // 2]
    kept, figures = keep_best(with_annotation(bench, keep_share=1.0, keep_least=least), items)
    assert [item.id for item in kept] == [
        item.id for item, score in zip(whole, scores, strict=True) if score >= least
    ]
    assert figures["kept_by"]["kept"] == len(kept) < len(whole)
    with pytest.raises(DataError, match=r"keeps none of .* rationales"):
        keep_best(with_annotation(bench, keep_least=0.99999), items)


def test_nothing_is_scored_unless_asked(gathered):
    _, rows, bench = gathered
    items = [Annotation.from_json(row) for row in rows]
    assert keep_best(with_annotation(bench, keep_by=""), items) == (tuple(items), {})


def test_rounds_say_that_they_do_not_read_it(tmp_path):
    config = experiment(tmp_path, recipe="elad", annotation={"keep_by": "ifd"}, teacher=teachers("ada"))
    with pytest.raises(ConfigError, match=r"elad does not read annotation\.keep_by"):
        open_panel(config, has_valid=True)


def test_an_unknown_score_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="keep_by"):
        experiment(tmp_path, annotation={"keep_by": "idf"})
