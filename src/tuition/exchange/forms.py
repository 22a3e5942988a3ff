"""Read completions that stand in columns: Distilabel, TRL, LLaMA-Factory, Bespoke Curator, our own.

Each function knows one form, and takes a row as its tool wrote it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tuition.core.records import Json, canonical_json
from tuition.exchange.by_question import ended
from tuition.exchange.lines import read_each
from tuition.exchange.rows import (
    BadRow,
    Found,
    Row,
    carried_row,
    is_carried,
    message_of,
    object_of,
    options_of,
    refuse_teacher,
    reply_row,
    talk_of,
    terms_of,
    text_of,
)

__all__ = [
    "read_curator",
    "read_distilabel",
    "read_llama_factory",
    "read_recorded",
    "read_trl",
]

_REPLIES = ("generations", "generation", "response", "completion")
_QUESTIONS = ("instruction", "prompt", "question")
_MODELS = ("model_name", "model_names", "generation_models", "generation_model", "model")
_KEPT = ("id", "question", "context", "choices", "answer", "licence", "terms", "train_on_outputs")
_REASONS = ("reasoning", "rationale", "explanation", "text")


def read_distilabel(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read a data set of completions: one or several generations a row, or conversations.

    Args:
        paths: Files or data sets with `instruction` (or `prompt`, or `messages`), `generation` (or
            `generations`, a list) and `model_name`; `question`, `choices`, `answer` and `id` where they have
            them.
        teacher: Who replied; empty: the model that the row names.

    Yields:
        What each row came to.
    """
    yield from read_each(paths, partial(_distilabel, teacher=teacher))


def _distilabel(value: Json, *, teacher: str) -> Row:
    row = object_of(value)
    if is_carried(row):
        return carried_row(row, _optional(row, "generation"), teacher=teacher)
    talk = talk_of(row["messages"]) if row.get("messages") else None
    name = next((name for name in _REPLIES if row.get(name) is not None), "")
    given = row.get(name)
    if not name and (talk is None or talk.reply is None):
        raise BadRow(f"has no reply: none of {', '.join(_REPLIES)}, and no turn of an assistant")
    told = given if name else talk and talk.reply
    texts: Any = told if isinstance(told, list | tuple) else [told]
    asked = next((row[name] for name in _QUESTIONS if isinstance(row.get(name), str)), None)
    prompt = talk.question if asked is None and talk else text_of(asked, _QUESTIONS[0])
    extra: Row = {"reasoning": talk.reasoning} if talk and talk.reasoning and not name else {}
    system = _optional(row, "system_prompt") or (talk.system if talk else "")
    if system:
        extra["system"] = system
    samples: dict[str, list[Row]] = {}
    for model, text in zip(_models(row, len(texts), teacher=teacher), texts, strict=True):
        # A generation that failed is null, or empty: no reply, and none of the others' fault.
        sample: Row = {"text": text_of(text or "", name or "messages"), "answer": None, **extra}
        samples.setdefault(model, []).append(sample)
    rows = [_with_example(row, model, said, prompt=prompt) for model, said in samples.items()]
    if not rows:
        raise BadRow(f"has no reply: {name!r} is empty")
    return {**rows[0], "rationales": {model: entry for made in rows for model, entry in _said(made)}}


def _said(row: Row) -> Iterator[tuple[str, Json]]:
    yield from object_of(row["rationales"]).items()


def _models(row: Mapping[str, Json], n: int, *, teacher: str) -> list[str]:
    """Who wrote each reply; empty: nobody says."""
    found = next((row[name] for name in _MODELS if row.get(name)), None)
    if teacher or not isinstance(found, list | tuple):
        return [teacher or ("" if found is None else text_of(found, "model_name"))] * n
    if len(found) != n:
        raise BadRow(f"has {n} replies and names {len(found)} models; expected one each")
    return [text_of(name, "model_name") for name in found]


def _optional(row: Mapping[str, Json], name: str) -> str | None:
    value = row.get(name)
    return None if value is None else text_of(value, name)


def _with_example(row: Mapping[str, Json], teacher: str, samples: list[Row], *, prompt: str) -> Row:
    """Make the row; where a bare question stands beside the prompt, the prompt goes to the samples."""
    question = _optional(row, "question") or ""
    if question.strip() and question != prompt:
        samples = [{**sample, "prompt": prompt} for sample in samples]
        prompt = question
    terms = terms_of(row)
    choices, answer = options_of(row.get("choices"), row.get("answer"))
    id = row.get("id")
    if not isinstance(id, str | int | float | None):
        raise BadRow(f"has a {type(id).__name__} as id; expected a text")
    return reply_row(
        teacher,
        [{**sample, **terms} for sample in samples],
        question=prompt,
        context=_context(row.get("context")),
        choices=choices,
        answer=answer,
        id="" if id is None else str(id),
    )


def _context(value: Json) -> str:
    """A context may come in paragraphs."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "\n".join(text_of(part, "context") for part in value)
    return "" if value is None else text_of(value, "context")


def read_trl(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read rows of prompt and completion, as texts or as conversations, and rows of messages.

    Args:
        paths: Files or data sets with `prompt` and `completion`, or `messages`.
        teacher: Who replied; empty: the model that the row names.

    Yields:
        What each row came to.
    """
    yield from read_each(paths, partial(_trl, teacher=teacher))


def _trl(value: Json, *, teacher: str) -> Row:
    row = object_of(value)
    prompt, completion = row.get("prompt"), row.get("completion")
    if isinstance(prompt, str) and isinstance(completion, str):
        if is_carried(row):
            return carried_row(row, completion, teacher=teacher)
        return _distilabel(row, teacher=teacher)
    if isinstance(prompt, Sequence) and isinstance(completion, Sequence):
        messages: Json = [*prompt, *completion]
    else:
        messages = row.get("messages")
    talk = talk_of(messages)
    if is_carried(row):
        return carried_row(row, talk.reply, teacher=teacher)
    kept = {name: value for name, value in row.items() if name not in ("prompt", "completion")}
    return _distilabel({**kept, "messages": messages}, teacher=teacher)


def read_llama_factory(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read rows in the alpaca form.

    Args:
        paths: Files with `instruction`, `input`, `output` and `system`; one with a `history` is several
            questions, and refused.
        teacher: Who replied; empty: the model that the row names.

    Yields:
        What each row came to.
    """
    yield from read_each(paths, partial(_llama_factory, teacher=teacher))


def _llama_factory(value: Json, *, teacher: str) -> Row:
    row = object_of(value)
    output = text_of(row.get("output"), "output")
    if is_carried(row):
        return carried_row(row, output, teacher=teacher)
    if row.get("history"):
        raise BadRow("has a history; an example is one question and one reply")
    asked = [text_of(row.get("instruction"), "instruction"), _optional(row, "input") or ""]
    kept = {name: value for name, value in row.items() if name in (*_MODELS, *_KEPT)}
    made = {"instruction": "\n".join(filter(None, asked)), "generation": output}
    return _distilabel({**kept, **made, "system_prompt": row.get("system")}, teacher=teacher)


def read_curator(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read the response files of Bespoke Curator, such as `responses_0.jsonl`.

    Args:
        paths: One response a line: `generic_request` and `response_message`.
        teacher: Who replied; empty: the model of the request.

    Yields:
        What each response came to; one with errors has no reply.
    """
    yield from read_each(paths, partial(_curator, teacher=teacher))


def _curator(value: Json, *, teacher: str) -> Row:
    row = object_of(value)
    request = object_of(row.get("generic_request"), "generic_request")
    message, errors = row.get("response_message"), row.get("response_errors")
    if message is None:
        raise BadRow(f"has no reply: {_first(errors) or 'response_message is null'}")
    sample = (
        _structured(message)
        if isinstance(message, Mapping)
        else {"text": text_of(message, "response_message")}
    )
    sample |= ended(row.get("finish_reason"))
    talk = talk_of(request.get("messages"))
    if talk.system:
        sample["system"] = talk.system
    of_row = request.get("original_row")
    known = of_row if isinstance(of_row, Mapping) else {}
    model = teacher or text_of(request.get("model"), "model")
    return _with_example(known, model, [{"text": "", "answer": None, **sample}], prompt=talk.question)


def _first(errors: Json) -> str:
    return str(errors[0]) if isinstance(errors, Sequence) and errors else str(errors or "")


def _structured(message: Mapping[str, Json]) -> Row:
    """An answer that came apart from its text, where the object has both; else the object as JSON."""
    if message.get("content"):
        said, thought = message_of(message)
        return {"text": said, **({"reasoning": thought} if thought else {})}
    text = next((message[name] for name in _REASONS if isinstance(message.get(name), str)), None)
    answer = message.get("answer")
    if text is None or not isinstance(answer, str | int | float):
        return {"text": canonical_json(dict(message))}
    return {"text": text, "answer": str(answer)}


def read_recorded(paths: Sequence[Path], teacher: str = "") -> Iterator[Found]:
    """Read rows of our own form, to bring the replies of several files together.

    Args:
        paths: Files of recorded replies.
        teacher: Must be empty: the rows name their teachers.

    Yields:
        What each row came to.

    Raises:
        ConfigError: A teacher is named.
    """
    refuse_teacher(teacher, "files of the form 'recorded'")
    yield from read_each(paths, _recorded)


def _recorded(value: Json) -> Row:
    row = object_of(value)
    said = object_of(row.get("rationales"), "rationales")
    if not isinstance(row.get("id"), str | int) or row["id"] == "" or not said or "" in said:
        raise BadRow("has no id, or no teacher in 'rationales'")
    for teacher, entry in said.items():
        samples = object_of(entry, f"rationales.{teacher}").get("samples") or [entry]
        if not isinstance(samples, list):
            raise BadRow(f"has samples of {teacher!r} that are no list")
        for sample in samples:
            answer = object_of(sample, "sample").get("answer")
            text_of(object_of(sample).get("text"), f"rationales.{teacher}.text")
            if not isinstance(answer, str | int | float | None):
                raise BadRow(f"has a {type(answer).__name__} as answer of {teacher!r}; expected a text")
    return {**row, "id": str(row["id"]), "choices": row.get("choices") or [], "answer": row.get("answer")}
