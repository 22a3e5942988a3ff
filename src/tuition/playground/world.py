"""Make the playground's examples from a seed, in splits that share no question. Knows no teacher."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

from tuition.core.errors import ConfigError, DataError, near_name
from tuition.core.records import Example, Json
from tuition.core.splits import SealedTest, Splits
from tuition.playground.config import PlaygroundConfig
from tuition.playground.domain import Domain, Puzzle
from tuition.playground.domains import DOMAINS
from tuition.playground.second_look import first_wrong

__all__ = ["PlaygroundSource", "playground_splits", "recognise"]

_SPLITS = ("train", "valid", "test")


def playground_splits(
    *,
    seed: int,
    train: int,
    valid: int,
    test: int,
    domains: Sequence[str] | None = None,
    hide_answers: bool = False,
    kind: str = "mixed",
) -> Splits:
    """Make the splits of a playground task, each shuffled, shared evenly among the domains.

    Where no domain is named these are all that the kind is for: those with labels, with records, or the rest.
    """
    own = [name for name, domain in DOMAINS.items() if _is_of(domain, kind)]
    names = tuple(domains or own)
    unknown = [name for name in names if name not in DOMAINS]
    if unknown:
        raise ConfigError(near_name(unknown[0], DOMAINS, kind="playground domain"))
    if len(set(names)) < len(names):
        raise ConfigError(f"a playground domain is named twice in {list(names)!r}; name each once.")
    parts: list[list[Example]] = [[], [], []]
    for i, name in enumerate(names):
        sizes = [n // len(names) + (i < n % len(names)) for n in (train, valid, test)]
        try:
            made = DOMAINS[name].make(Random(f"{seed}/{name}"), sizes)
        except DataError as error:
            raise DataError(f"playground domain {name!r}: {error}") from None
        number = count()
        for part, problems, split in zip(parts, made, _SPLITS, strict=True):
            part += [
                Example(
                    id=f"{name}-{next(number):06d}",
                    question=problem.question,
                    choices=problem.choices,
                    answer=problem.record or None if kind == "fields" else problem.answer,
                    domain=name,
                    split=split,
                )
                for problem in problems
            ]
    for part, split in zip(parts, _SPLITS, strict=True):
        Random(f"{seed}/{split}").shuffle(part)
        part[:] = [replace(example, answer=None) for example in part] if hide_answers else part
    return Splits(
        train=tuple(parts[0]), valid=tuple(parts[1]), test=SealedTest(parts[2]) if parts[2] else None
    )


def _is_of(domain: Domain, kind: str) -> bool:
    return bool({"label": domain.labels, "fields": domain.json_schema}.get(kind, not domain.labels))


def recognise(question: str) -> tuple[Domain, Puzzle] | None:
    """Find the domain and the puzzle of a question without its choices; None: it is of no domain."""
    for domain in DOMAINS.values():
        puzzle = domain.recognise(question)
        if puzzle is not None:
            return domain, puzzle
    return None


class PlaygroundSource:
    """A source of examples that needs no file: `source = "playground"`."""

    config_type = PlaygroundConfig
    """The table it reads."""

    def __init__(self, config: PlaygroundConfig | None = None) -> None:
        """Take the counts and the seed; None: the defaults."""
        self.config = config or PlaygroundConfig()

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of its one domain, where that has some."""
        return self._domain.labels if self._domain else {}

    @property
    def json_schema(self) -> Mapping[str, Json]:
        """The form of the records of its one domain, where that has some."""
        return self._domain.json_schema if self._domain else {}

    @property
    def _form(self) -> str:
        """What a prompt says of the labels or fields, for whoever solves a question."""
        labels, schema = self.config.labels or self.labels, self.config.json_schema or self.json_schema
        if self.config.kind == "fields":
            fields: Mapping[str, Any] = schema.get("properties", {})
            lines = [
                f"- {name} ({', '.join(about.get('enum', ()))}): {about.get('description', '')}"
                for name, about in fields.items()
            ]
            return "\n".join(["JSON", *lines])
        return "\n".join(f"- {name}: {said}" for name, said in labels.items())

    @property
    def _domain(self) -> Domain | None:
        found = [name for name, domain in DOMAINS.items() if _is_of(domain, self.config.kind)]
        names = self.config.domains or found
        return DOMAINS.get(names[0]) if len(names) == 1 else None

    def load(self) -> Splits:
        """Make the splits; there is no test split where the configuration asks for none."""
        config = self.config
        return playground_splits(
            seed=config.seed,
            train=config.train,
            valid=config.valid,
            test=config.test,
            domains=config.domains,
            hide_answers=config.hide_answers,
            kind=config.kind,
        )

    def reference(self, example: Example) -> tuple[str, str]:
        """Give the facts that a question needs, and its solution; both empty where it is not understood."""
        found = recognise(example.question)
        steps = found[1].solve().steps if found else ()
        told = [f"{step.why}: {step.what}." if step.why else f"{step.what}." for step in steps]
        return "\n".join(f"{step.what}." for step in steps if not step.why), "\n".join(told)

    def first_wrong_step(self, example: Example, steps: Sequence[str]) -> int | None:
        """Find the first wrong step of an explanation, without its closing sentence, as `first_wrong` has it.

        A step is right where the solution has it at its place, in the words of any teacher program; another
        way to the answer counts as wrong, and so does a wrong step from which the right answer follows.
        """
        found = recognise(example.question)
        if found and found[0].told:
            found = found[0], found[0].told(found[1], self._form)
        if found is None:
            raise DataError(
                f"example {example.id!r} is no question of the playground's: {example.question[:60]!r}. Its "
                "steps can be checked only where its source knows how they go."
            )
        return first_wrong(found[1].solve(), steps)
