"""The forms whose files hold one reply a row, each as a map of its columns: from ours, and back to ours.

Knows where Distilabel, TRL, LLaMA-Factory, Bespoke Curator and OpenAI keep what was asked and replied.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tuition.core.records import Json, canonical_json
from tuition.core.texts.thoughts import finish_of
from tuition.exchange.rows import (
    BadRow,
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

__all__ = ["READS", "UNUSABLE", "WRITES", "completion_row", "written"]

WRITES: dict[str, Mapping[str, str]] = {
    "datasets": {"instruction": "prompt", "generation": "completion", "model_name": "model"},
    "llama-factory": {"instruction": "prompt", "input": "", "output": "completion", "system": ""},
    "openai": {"messages": "turns"},
    "trl": {"prompt": "user turn", "completion": "assistant turn"},
    "trl-text": {"prompt": "prompt line", "completion": "completion"},
}
"""By form, each column that is written, and what stands in it."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "prompt": ("instruction", "prompt", "question"),
    "completion": ("generations", "generation", "response", "completion"),
    "model": ("model_name", "model_names", "generation_models", "generation_model", "model"),
}
"""What is read, and the columns where the forms have it; the first that holds something counts."""
_EXPLANATIONS = ("reasoning", "rationale", "explanation", "text")
"""Fields of a structured answer that hold its text."""

UNUSABLE = "unusable"
"""In a sample that is to be set aside: why."""


def written(row: Row, form: str) -> Row:
    """Write the columns of a form."""
    user: Row = {"role": "user", "content": row["prompt"]}
    assistant: Row = {"role": "assistant", "content": row["completion"]}
    ours = {
        **{name: row[name] for name in ("prompt", "completion", "model")},
        **{"": "", "user turn": [user], "assistant turn": [assistant], "turns": [user, assistant]},
        # the trainer puts the two texts together as they are
        "prompt line": f"{row['prompt']}\n",
    }
    return {theirs: ours[name] for theirs, name in WRITES[form].items()}


def _distilabel(row: Mapping[str, Json], teacher: str) -> Row:
    """One or several generations a row, or a conversation."""
    talk = talk_of(_turns(row)) if _turns(row) else None
    name = next((name for name in _COLUMNS["completion"] if row.get(name) is not None), "")
    told: Any = row[name] if name else talk and talk.reply
    if is_carried(row):
        return carried_row(row, None if told is None else text_of(told, name), teacher=teacher)
    if told is None:
        among = ", ".join(_COLUMNS["completion"])
        raise BadRow(f"has no reply: none of {among}, and no turn of an assistant")
    texts = told if isinstance(told, list | tuple) else [told]
    if not texts:
        raise BadRow(f"has no reply: {name!r} is empty")
    asked = next((row[name] for name in _COLUMNS["prompt"] if isinstance(row.get(name), str)), None)
    prompt = talk.question if asked is None and talk else text_of(asked, _COLUMNS["prompt"][0])
    more: Row = {"reasoning": talk.reasoning} if talk and talk.reasoning and not name else {}
    system = _optional(row, "system_prompt") or (talk.system if talk else "")
    if system:
        more["system"] = system
    named: Any = teacher or next((row[name] for name in _COLUMNS["model"] if row.get(name)), "")
    # empty: the row does not say who wrote a reply
    models = list(named) if isinstance(named, list | tuple) else [named] * len(texts)
    if len(models) != len(texts):
        raise BadRow(f"has {len(texts)} replies and names {len(models)} models; expected one each")
    samples: dict[str, list[Row]] = {}
    for model, text in zip(models, texts, strict=True):
        # a generation that failed is null or empty: no reply, and the others still count
        sample: Row = {"text": text_of(text or "", name or "messages"), "answer": None, **more}
        samples.setdefault(text_of(model, "model_name"), []).append(sample)
    return _with_example(row, samples, prompt=prompt)


def _turns(row: Mapping[str, Json]) -> Json:
    return row.get("conversations") if row.get("messages") is None else row["messages"]


def _optional(row: Mapping[str, Json], name: str) -> str | None:
    value = row.get(name)
    return None if value is None else text_of(value, name)


def _with_example(known: Mapping[str, Json], samples: Mapping[str, list[Row]], *, prompt: str) -> Row:
    """Make the row; where a bare question stands beside the prompt, the prompt goes to the samples."""
    question = _optional(known, "question") or ""
    more = terms_of(known)
    if question.strip() and question != prompt:
        more["prompt"] = prompt
        prompt = question
    choices, answer = options_of(known.get("choices"), known.get("answer"))
    id, context = known.get("id"), known.get("context")
    if not isinstance(id, str | int | float | None):
        raise BadRow(f"has a {type(id).__name__} as id; expected a text")
    paragraphs = context if isinstance(context, list | tuple) else [context or ""]
    return reply_row(
        {teacher: [{**sample, **more} for sample in given] for teacher, given in samples.items()},
        question=prompt,
        context="\n".join(text_of(part, "context") for part in paragraphs),
        choices=choices,
        answer=answer,
        id="" if id is None else str(id),
    )


def _trl(row: Mapping[str, Json], teacher: str) -> Row:
    """A prompt and a completion, both as texts or both as turns, or `messages`."""
    prompt, completion = row.get("prompt"), row.get("completion")
    if not (isinstance(prompt, str) and isinstance(completion, str)):
        if isinstance(prompt, list | tuple) and isinstance(completion, list | tuple):
            row = {**row, "messages": [*prompt, *completion]}
        if not _turns(row):
            raise BadRow("has no reply: it has a prompt, and neither a completion nor messages")
        row = {name: value for name, value in row.items() if name not in ("prompt", "completion")}
    return _distilabel(row, teacher)


def _llama_factory(row: Mapping[str, Json], teacher: str) -> Row:
    """An instruction that may go on in `input`, and an output; a `history` is several questions."""
    if row.get("output") is None and _turns(row):
        return _distilabel({**row, "system_prompt": row.get("system")}, teacher)
    output = text_of(row.get("output"), "output")
    if row.get("history"):
        raise BadRow("has a history; an example is one question and one reply")
    asked = [text_of(row.get("instruction"), "instruction"), _optional(row, "input")]
    made = {"instruction": "\n".join(filter(None, asked)), "generations": output}
    return _distilabel(
        {**row, **made, "system_prompt": row.get("system"), "messages": None, "conversations": None}, teacher
    )


def _curator(row: Mapping[str, Json], teacher: str) -> Row:
    """A request and its response, which may be an object; one with errors has no reply."""
    request = object_of(row.get("generic_request"), "generic_request")
    message, errors = row.get("response_message"), row.get("response_errors")
    if message is None:
        first = errors[0] if isinstance(errors, list | tuple) and errors else errors
        raise BadRow(f"has no reply: {first or 'response_message is null'}")
    sample: Row = {"text": "", "answer": None}
    if not isinstance(message, Mapping):
        sample["text"] = text_of(message, "response_message")
    elif message.get("content"):
        sample["text"], thought = message_of(message)
        sample |= {"reasoning": thought} if thought else {}
    else:
        text = next((message[name] for name in _EXPLANATIONS if isinstance(message.get(name), str)), None)
        answer = message.get("answer")
        if text is not None and isinstance(answer, str | int | float):
            sample |= {"text": text, "answer": str(answer)}
        else:
            sample["text"] = canonical_json(dict(message))
    sample |= _ended(row.get("finish_reason"), sample["text"])
    talk = talk_of(request.get("messages"))
    if talk.system:
        sample["system"] = talk.system
    known = request.get("original_row")
    model = teacher or text_of(request.get("model"), "model")
    return _with_example(known if isinstance(known, Mapping) else {}, {model: [sample]}, prompt=talk.question)


def _ended(finish: Json, text: Json) -> Row:
    """What a finish reason adds to a sample: a reply that a filter or a fault cut is set aside."""
    if finish_of(finish, str(text)) in ("error", "content_filter", "refusal"):
        return {UNUSABLE: f"has a reply that is not whole, finish reason {finish!r}"}
    return {} if finish in (None, "stop") else {"finish": finish}


def _messages(row: Mapping[str, Json], teacher: str) -> Row:
    """A row of a fine-tuning file; one of our export has the columns of its provenance too."""
    if talk_of(_turns(row)).reply is None:
        raise BadRow("has no turn of an assistant")
    model = row.get("model")
    made = {"messages": _turns(row), "model": model if isinstance(model, str) else None}
    return _distilabel(row if is_carried(row) else made, teacher)


def _stored(row: Mapping[str, Json], teacher: str) -> Row:
    """A completion with the messages that it answers, which the endpoint gives apart."""
    asked = next((row[name] for name in ("messages", "input", "request") if row.get(name)), None)
    if isinstance(asked, Mapping):
        asked = asked.get("messages") or asked.get("data")
    if not asked:
        raise BadRow(
            "has no messages; the endpoint gives them apart, at /chat/completions/ID/messages: put them "
            "beside the choices as 'messages'"
        )
    noted = row.get("metadata")
    id = noted.get("example_id") if isinstance(noted, Mapping) else None
    return completion_row(row, asked, teacher=teacher, id=id if isinstance(id, str) else "")


def completion_row(body: Mapping[str, Json], asked: Json, *, teacher: str, id: str) -> Row:
    """Read a completion and what it answers; the messages may have the reply as their last turn."""
    if isinstance(asked, list) and asked and object_of(asked[-1], "turn").get("role") == "assistant":
        asked = asked[:-1]
    talk = talk_of(asked)
    choices = body.get("choices")
    if not isinstance(choices, list | tuple) or not choices:
        raise BadRow("has no choices")
    samples: list[Row] = []
    for choice in (object_of(one, "choice") for one in choices):
        message, finish = object_of(choice.get("message"), "message"), choice.get("finish_reason")
        sample: Row = {"text": "", "answer": None, **({"system": talk.system} if talk.system else {})}
        if message.get("content") in (None, []):
            why = message.get("refusal") or finish or "no content"
            sample[UNUSABLE] = f"has a choice without text: {why}"
        else:
            text, reasoning = message_of(message)
            sample |= {
                "text": text,
                **({"reasoning": reasoning} if reasoning else {}),
                **_ended(finish, text),
            }
        samples.append(sample)
    model = teacher or text_of(body.get("model"), "model")
    return reply_row({model: samples}, question=talk.question, id=id)


def _recorded(row: Mapping[str, Json], teacher: str) -> Row:
    """Our own form, to bring the replies of several files together."""
    refuse_teacher(teacher, "files of the form 'recorded'")
    said = object_of(row.get("rationales"), "rationales")
    if not isinstance(row.get("id"), str | int) or row["id"] == "" or not said or "" in said:
        raise BadRow("has no id, or no teacher in 'rationales'")
    for name, entry in said.items():
        samples = object_of(entry, f"rationales.{name}").get("samples") or [entry]
        if not isinstance(samples, list):
            raise BadRow(f"has samples of {name!r} that are no list")
        for sample in samples:
            answer = object_of(sample, "sample").get("answer")
            text_of(object_of(sample).get("text"), f"rationales.{name}.text")
            if not isinstance(answer, str | int | float | None):
                raise BadRow(f"has a {type(answer).__name__} as answer of {name!r}; expected a text")
    return {**row, "id": str(row["id"]), "choices": row.get("choices") or [], "answer": row.get("answer")}


READS: dict[str, Callable[[Mapping[str, Json], str], Row]] = {
    "curator": _curator,
    "distilabel": _distilabel,
    "llama-factory": _llama_factory,
    "openai-messages": _messages,
    "openai-stored": _stored,
    "recorded": _recorded,
    "trl": _trl,
}
"""By form, what makes a row of the recorded form from one of its rows and the teacher who replied.

An empty teacher: the model that the row names.
"""
