"""Read the rationales that the authors of TinyLLM published: `datasets/*/llm/{split}_CoT_{n}.json`.

Knows how those files are written, and no other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from tuition.core.errors import DataError
from tuition.core.records import Json, option_letter
from tuition.exchange.lines import found, numbered
from tuition.exchange.rows import BadRow, Found, Row, refuse_teacher, reply_row

__all__ = ["read_tinyllm"]

_FIRST, _SECOND = "flan-t5-xl", "llama-2"
"""The teachers of these files, as the paper names them."""
_IN_A_FILE = 500
"""Items of a file; the position of an item within its split counts on from file to file."""
_NAME = re.compile(r"(train|valid|test)_CoT_(\d+)\.json")
_ITEM = re.compile(
    r"(?P<text>.*?)\s*Thus, the answer is \((?P<letter>[a-z])\)(?P<answer>.*?)"
    r"\n\nQ: (?P<question>.*?)\nAnswer Choices:\n(?P<choices>\(a\) .*?)"
    r"(?:\nA:Let's think step by step\.)?(?: llama rationale: ?(?P<more>.*))?",
    re.DOTALL,
)
_PARTS = " \n "
"""Between the paragraphs of an abstract, and between the last one and the question."""


def read_tinyllm(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read files of one data set, named as in the repository; ids are such as `train-512`.

    An item is one text: the first teacher's rationale and the answer it was shown, the question with its
    choices, and, where there is one, the second teacher's rationale.

    Source: the authors' repository (YikunHan42/TinyLLM) and its loader.

    Differs: the loader cuts at the first `Q:` anywhere, and keeps an absent second rationale as an empty
    text. Abstracts become contexts.
    """
    refuse_teacher(teacher, "TinyLLM's files")
    for path in paths:
        named = _NAME.fullmatch(path.name.removesuffix(".gz"))
        if named is None:
            raise DataError(
                f"{str(path)!r} is not named as TinyLLM's files are, such as train_CoT_0.json; the name "
                "gives its items their ids"
            )
        for n, (place, value) in enumerate(numbered(path)):
            yield found(place, value, partial(_row, n=n, split=named[1], file=int(named[2])))


def _row(value: Json, *, n: int, split: str, file: int) -> Row:
    item = _ITEM.fullmatch(value) if isinstance(value, str) else None
    if item is None:
        raise BadRow(
            "is not of the form 'RATIONALE Thus, the answer is (a) …\\n\\nQ: …\\nAnswer Choices:\\n(a) …'"
        )
    if n >= _IN_A_FILE:
        raise BadRow(f"is more than the {_IN_A_FILE} items of a file; its id would be another item's")
    choices = _choices(item["choices"])
    letters = [option_letter(i) for i in range(len(choices))]
    answer = choices[letters.index(item["letter"])] if item["letter"] in letters else None
    if answer is None or answer.strip() != item["answer"].strip():
        raise BadRow(f"answers ({item['letter']}){item['answer']}, which is none of its choices")
    context, _, question = item["question"].rpartition(_PARTS)
    samples: dict[str, list[Row]] = {_FIRST: [{"text": item["text"].strip(), "answer": answer}]}
    if second := (item["more"] or "").strip():
        samples[_SECOND] = [{"text": second, "answer": None}]
    return reply_row(
        samples,
        question=question,
        context=context,
        choices=choices,
        answer=answer,
        id=f"{split}-{_IN_A_FILE * file + n}",
    )


def _choices(text: str) -> list[str]:
    """Cut at the letters in their order; a line that begins with another one belongs to its choice."""
    choices: list[str] = []
    rest = text
    while rest:
        rest = rest.removeprefix(f"({option_letter(len(choices))}) ")
        choice, mark, rest = rest.partition(f"\n({option_letter(len(choices) + 1)}) ")
        choices.append(choice)
        rest = mark.removeprefix("\n") + rest
    return choices
