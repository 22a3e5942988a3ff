"""Google's native Gemini API, `models/MODEL:generateContent`: the model stands in the address."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from tuition.core.records import Json, Request, Usage
from tuition.teachers.http.forms.form import Form, Table, Written, schema_of
from tuition.teachers.usage import count_of, read_usage

__all__ = ["GEMINI"]

_RENAMED = {"max_tokens": "maxOutputTokens", "max_completion_tokens": "maxOutputTokens"}
_ROLES = {"assistant": "model"}
_BESIDE = ("safetySettings", "tools", "toolConfig", "cachedContent")
"""Fields of the body itself; every other one belongs to its `generationConfig`."""


def _body(request: Request, sent: Mapping[str, Json], n: int) -> dict[str, object]:
    said = [turn for turn in request.messages if turn.role == "system"]
    turns = [turn for turn in request.messages if turn.role != "system"]
    schema = schema_of(sent)
    own: dict[str, Json] = {} if n == 1 else {"candidateCount": n}
    if schema is not None:
        own |= {"responseMimeType": "application/json", "responseJsonSchema": schema}
    config = {_RENAMED.get(name, name): value for name, value in sent.items() if name not in _BESIDE}
    config.pop("response_format", None)
    return {
        **({"systemInstruction": {"parts": [{"text": turn.content} for turn in said]}} if said else {}),
        "contents": [
            {"role": _ROLES.get(turn.role, turn.role), "parts": [{"text": turn.content}]} for turn in turns
        ],
        "generationConfig": config | own,
        **{name: value for name, value in sent.items() if name in _BESIDE},
    }


def _answers(table: Table) -> list[Written | None]:
    candidates, written = table.get("candidates"), []
    for candidate in candidates if isinstance(candidates, list) else ():
        # One without any content says only why there is none: it ran out while thinking, or was withheld.
        if isinstance(candidate, dict) and candidate.keys() & {"content", "finishReason"}:
            content = candidate.get("content")
            parts = content.get("parts") if isinstance(content, dict) else None
            written.append(Written(content=parts, source=candidate))
        else:
            written.append(None)
    return written


def _counted(table: Table) -> Usage | None:
    counts = table.get("usageMetadata")
    # Thoughts are counted apart from the answers, and charged as they are.
    thoughts = count_of(counts, "thoughtsTokenCount")
    prompt = count_of(counts, "promptTokenCount") + count_of(counts, "toolUsePromptTokenCount")
    return read_usage(
        {
            "prompt_tokens": prompt,
            "completion_tokens": count_of(counts, "candidatesTokenCount") + thoughts,
            "total_tokens": count_of(counts, "totalTokenCount"),
            "prompt_tokens_details": {"cached_tokens": count_of(counts, "cachedContentTokenCount")},
            "completion_tokens_details": {"reasoning_tokens": thoughts},
        }
    )


GEMINI = Form(
    path=lambda model: f"/models/{quote(model.removeprefix('models/'), safe='')}:generateContent",
    headers=lambda key: {"x-goog-api-key": key} if key else {},
    body=_body,
    answers=_answers,
    counted=_counted,
    model_field="modelVersion",
    whole="a response of generateContent",
    # In both spellings that the API takes.
    reserved=frozenset(
        {"contents", "systemInstruction", "system_instruction", "generationConfig", "generation_config"}
        | {"model", "maxOutputTokens", "max_output_tokens", "candidateCount", "candidate_count"}
    ),
    absent=frozenset({"logprobs", "top_logprobs"}),
    spelled={
        "n": ("candidateCount", "candidate_count", "candidates"),
        "response_format": (
            *("responseMimeType", "response_mime_type", "responseJsonSchema", "response_json_schema"),
            *("JSON mode",),
        ),
    },
)
