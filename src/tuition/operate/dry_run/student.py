"""A student that trains nothing and writes what a guess says: the student of a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tuition.annotation.stand_ins import filler
from tuition.core.protocols import Generation, StudentAbilities
from tuition.core.records import Example, Json, Target
from tuition.experiment.targets import AnswerForm, answer_text
from tuition.operate.dry_run.guess import Said, hash_of

__all__ = ["StandInStudent"]


class StandInStudent:
    """Does what a student does, at once."""

    abilities = StudentAbilities(generates=True)
    parameters = 0

    def __init__(self, said: Said, *, form: AnswerForm) -> None:
        self._said, self._guess, self._form = said, said.guess, form

    def _answer(self, example: Example, *salt: Json) -> str:
        right, other = self._said.answers(example)
        is_right = hash_of(example.id, *salt) % 1000 < 1000 * self._said.skill
        return right if is_right else other

    def _written(self, example: Example, answer: str) -> str:
        return answer_text(example, answer, form=self._form if answer in example.choices else "text")

    def generate(self, questions: Sequence[Target], *, max_tokens: int) -> list[Generation]:
        """Answer, with nothing before the answer."""
        return [
            Generation(text=self._written(one.example, self._answer(one.example)), tokens=1)
            for one in questions
        ]

    def score_options(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Find one option likelier than all others."""
        return [
            tuple(float(choice == self._answer(one.example)) for choice in one.example.choices)
            for one in questions
        ]

    def score(self, targets: Sequence[Target]) -> list[tuple[float, ...]]:
        """Find every output as familiar as its hash says, a number a word."""
        return [(-float(hash_of(one.output) % 7),) * max(1, len(one.output.split())) for one in targets]

    def explain(
        self, questions: Sequence[Target], *, samples: int, temperature: float, max_tokens: int, seed: int
    ) -> list[list[Generation]]:
        """Write steps that say nothing, and an answer; where the student is unsure, another one each time."""
        return [
            [self._explained(one.example, i if temperature else -1, max_tokens) for i in range(samples)]
            for one in questions
        ]

    def _explained(self, example: Example, sample: int, most: int) -> Generation:
        unsure = self._guess.learns
        right, other = self._said.answers(example)
        # Where the student is unsure, samples say different things.
        is_other = hash_of(example.id, sample) % 2 == 0
        is_other = is_other if unsure and sample >= 0 else self._said.is_disputed(example.id)
        answer = self._written(example, other if is_other else right)
        letters = round(4 * self._guess.share * most)
        n = self._guess.steps
        steps = filler(letters, f"{example.id}/{sample}", steps=n) if n else ""
        return _generation(
            f"{steps}\nThe answer is {answer}.", hash_of(example.id) % 100 / 100 if unsure else 0.0
        )

    def answers_from_prefixes(
        self, questions: Sequence[Target], prefixes: Sequence[Sequence[str]], *, samples: int, **_: object
    ) -> list[list[list[Generation]]]:
        """Continue with an answer."""

        def drawn(example: Example, i: int, k: int) -> Generation:
            return _generation(f"The answer is {self._written(example, self._answer(example, i, k))}.", 0.5)

        return [
            [[drawn(one.example, i, k) for i in range(samples)] for k in range(len(begun))]
            for one, begun in zip(questions, prefixes, strict=True)
        ]

    def scores_from_prefixes(
        self, questions: Sequence[Target], prefixes: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]]
    ) -> list[list[list[tuple[float, ...]]]]:
        """Find every ending as likely as its hash says, its end mark as likely as the rest."""
        return [
            [[(-(hash_of(begin, end) % 7) / 2,) * 2 for end in endings] for begin in begun]
            for begun, endings in zip(prefixes, outputs, strict=True)
        ]

    def embed(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Lay questions where their hash says."""
        return [tuple(float(byte) for byte in hash_of(one.example.id).to_bytes(6)) for one in questions]

    def fit(self, targets: Sequence[Target], folder: Path, **_: object) -> Mapping[str, Json]:
        """Learn nothing, and be called trained."""
        self._said.fits += 1
        return {"steps": 0, "tokens": 0, "wall_s": 0.0}

    def save(self, folder: Path, *, form: Mapping[str, Json] | None = None) -> None:
        """Leave the folder empty."""


def _generation(text: str, entropy: float) -> Generation:
    words = text.split()
    ends, place = [], 0
    for word in words:
        place = text.index(word, place) + len(word)
        ends.append(place)
    n = len(words)
    return Generation(
        text=text, tokens=n, logprobs=(-entropy,) * n, entropies=(entropy,) * n, ends=tuple(ends)
    )
