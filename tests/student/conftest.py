"""A small world of questions with two teachers, one of whom is often silent; and tiny students for it."""

import gc

import pytest

from tuition.core.records import Example, Target
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

COLOURS = ("red", "green", "blue", "white")


def colour_examples(n: int) -> list[Example]:
    """Questions of unlike lengths; the answer is the colour of the sum."""
    examples = []
    for i in range(n):
        question = " + ".join(str((7 * i + j) % 10) for j in range(2 + i % 3))
        answer = COLOURS[sum(int(part) for part in question.split(" + ")) % 4]
        examples.append(
            Example(
                id=f"q{i}",
                question=question,
                choices=COLOURS[: 4 - (answer != "white" and i % 2)],
                answer=answer,
            )
        )
    return examples


def targets_for(examples: list[Example]) -> list[Target]:
    """The answer, a rationale of teacher `long` for all, one or two of teacher `rare` for every second."""
    targets = []
    for i, example in enumerate(examples):
        question = f"{example.question}\nchoices: {', '.join(example.choices)}"
        long = f"adding {example.question} gives a sum, its colour is {example.answer}."[: 20 + 5 * i]
        rows = [("answer", "predict: ", example.answer, 1.0), ("long", "explain: ", long, 0.5)]
        rows += [("rare", "rationale: ", f"{example.answer} {j}", 2.0) for j in range(i % 4 - 1)]
        targets += [
            Target(
                example=example,
                prefix=prefix,
                input=question,
                output=output,
                weight=weight,
                objective=objective,
            )
            for objective, prefix, output, weight in rows
        ]
    return targets


@pytest.fixture(scope="session", autouse=True)
def _frozen_imports():
    """Keep the modules out of the collector's way: every Trainer collects garbage once."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def examples():
    """Twelve questions."""
    return colour_examples(12)


@pytest.fixture
def targets(examples):
    """All objectives of the twelve questions."""
    return targets_for(examples)


@pytest.fixture
def answers(targets):
    """The answer objective alone."""
    return [target for target in targets if target.objective == "answer"]


@pytest.fixture
def student():
    """Makes a tiny student of a named shape, equal for equal settings."""

    def make(name: str, *, training: dict | None = None, **config):
        texts = [
            f"{target.prefix}{target.input}\n{target.output}" for target in targets_for(colour_examples(12))
        ]
        return load_student(
            StudentConfig(model=f"fresh:{name}", device="cpu", **config),
            TrainingConfig(**{"steps": 4, "lr": 1e-3} | (training or {})),
            texts=texts,
        )

    return make
