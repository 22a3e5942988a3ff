"""What is Gemini's own, over a real server; what every form shares is asked by the contract."""

import asyncio
import dataclasses
import json

import pytest
from bodies.gemini import PATH, body
from endpoints import SECRET, ask, request
from starlette.responses import JSONResponse

from tuition.core.records import Message, Usage
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.probe import probe

COUNTS = {
    "promptTokenCount": 40,
    "cachedContentTokenCount": 30,
    "candidatesTokenCount": 9,
    "thoughtsTokenCount": 25,
    "totalTokenCount": 74,
}


def table(server, **changed):
    wire = {"form": "gemini", **changed.pop("wire", {})}
    return TeacherConfig(
        **{"name": "g", "model": "m", "base_url": server.url, "timeout_s": 5, "wire": wire, **changed}
    )


@pytest.fixture
def teacher(server):
    server.answer = JSONResponse(body("Because."))
    return make_teacher(table(server))


def test_one_call_there_and_back(server, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.answer = JSONResponse(body("Because."))
    turns = [
        ("system", "Be brief."),
        ("user", "Why?"),
        ("assistant", "So."),
        ("system", "In English."),
        ("user", "Why?"),
    ]
    messages = tuple(Message(role=role, content=text) for role, text in turns)
    teacher = make_teacher(table(server, api_key_env="TEACHER_KEY"))
    reply = asyncio.run(
        teacher.complete(request(teacher, messages=messages, tag="t1", temperature=0.5, seed=3))
    )
    [(sent, headers)] = server.asked
    assert sent == {
        "systemInstruction": {"parts": [{"text": "Be brief."}, {"text": "In English."}]},
        "contents": [
            {"role": "user", "parts": [{"text": "Why?"}]},
            {"role": "model", "parts": [{"text": "So."}]},
            {"role": "user", "parts": [{"text": "Why?"}]},
        ],
        "generationConfig": {"maxOutputTokens": 50, "temperature": 0.5, "seed": 3},
    }
    assert (headers["x-goog-api-key"], "authorization" in headers) == (SECRET, False)
    assert (reply.text, reply.finish, reply.model, reply.failure) == ("Because.", "stop", "m-2026", None)


@pytest.mark.parametrize(
    ("model", "path"),
    [("m", PATH), ("models/m", PATH), ("a/b?c#d", "/v1/models/a/b?c#d:generateContent")],
)
def test_the_model_stands_in_the_address(server, model, path):
    server.answer = JSONResponse(body("Because."))
    assert ask(make_teacher(table(server, model=model))).text == "Because."
    assert server.paths == [path]


def test_thoughts_are_kept_apart_counted_and_charged(server, teacher):
    server.answer = JSONResponse({**body("So 4.", thought="2 and 2"), "usageMetadata": COUNTS})
    reply = ask(teacher)
    assert (reply.text, reply.reasoning) == ("So 4.", "2 and 2")
    counted = Usage(prompt_tokens=40, cached_tokens=30, completion_tokens=34, reasoning_tokens=25)
    assert reply.usage == counted
    uncounted = {name: value for name, value in COUNTS.items() if name != "thoughtsTokenCount"}
    server.answer = JSONResponse({**body("So 4."), "usageMetadata": uncounted})
    assert ask(teacher).usage == counted, "the total tells of them too"
    tools = {**COUNTS, "toolUsePromptTokenCount": 30, "totalTokenCount": COUNTS["totalTokenCount"] + 30}
    server.answer = JSONResponse({**body("So 4."), "usageMetadata": tools})
    assert ask(teacher).usage == dataclasses.replace(counted, prompt_tokens=counted.prompt_tokens + 30)


@pytest.mark.parametrize(
    ("word", "kind", "is_retryable"),
    [
        ("MAX_TOKENS", "truncated", False),
        ("SAFETY", "filtered", False),
        ("RECITATION", "filtered", False),
        ("BLOCKLIST", "filtered", False),
        ("PROHIBITED_CONTENT", "filtered", False),
        ("SPII", "filtered", False),
        ("LANGUAGE", "server", True),
        ("OTHER", "server", True),
        ("MALFORMED_RESPONSE", "server", True),
        ("FINISH_REASON_UNSPECIFIED", "server", True),
        ("STOP", "empty", True),
    ],
)
def test_a_candidate_without_content_says_why(server, teacher, word, kind, is_retryable):
    candidate = {"finishReason": word, "index": 0}
    server.answer = JSONResponse({"candidates": [candidate], "usageMetadata": {"promptTokenCount": 5}})
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == (kind, is_retryable, True)


def test_a_blocked_prompt_brings_no_candidate(server, teacher):
    server.answer = JSONResponse({"promptFeedback": {"blockReason": "SAFETY"}})
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("filtered", False, None)
    assert "'blocked: SAFETY'" in failure.message


def google(message, status, word, *details):
    error = {"code": status, "message": message, "status": word, "details": details}
    return JSONResponse({"error": error}, status)


@pytest.mark.parametrize(
    ("answer", "kind", "is_retryable"),
    [
        (google("API key not valid. Please pass a valid API key.", 400, "INVALID_ARGUMENT"), "auth", True),
        (
            google("User location is not supported for the API use.", 400, "FAILED_PRECONDITION"),
            "bad_request",
            False,
        ),
        (google("models/m is not found for API version v1beta", 404, "NOT_FOUND"), "not_found", False),
        (google("Permission denied", 403, "PERMISSION_DENIED"), "refused", False),
        (google("You exceeded your current quota", 429, "RESOURCE_EXHAUSTED"), "rate_limit", True),
        (google("The model is overloaded.", 503, "UNAVAILABLE"), "server", True),
        (google("An internal error has occurred.", 500, "INTERNAL"), "server", True),
    ],
)
def test_refusals_by_kind(server, teacher, answer, kind, is_retryable):
    server.answer = answer
    failure = ask(teacher).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == (kind, is_retryable, False)


def test_the_delay_of_a_refusal_is_read(server, teacher):
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
    server.answer = google("You exceeded your current quota", 429, "RESOURCE_EXHAUSTED", delay)
    assert ask(teacher).failure.retry_after_s == 34.5


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("temperature", 0.5, "Unknown name \"temperature\" at 'generation_config': Cannot find field."),
        ("seed", 3, "Unknown name \"seed\" at 'generation_config': Cannot find field."),
        (
            *("response_format", {"type": "json_schema", "json_schema": {"schema": {}}}),
            "Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.",
        ),
    ],
)
def test_a_field_that_is_refused_is_left_out_from_then_on(server, teacher, name, value, said):
    whole = server.answer
    server.answer = google(said, 400, "INVALID_ARGUMENT")
    assert ask(teacher, **{name: value}).failure.is_retryable
    server.answer = whole
    assert ask(teacher, **{name: value}).text == "Because."
    assert server.bodies[1]["generationConfig"] == {"maxOutputTokens": 50}
    assert teacher.lacks == (name,)


def test_further_fields_stand_where_they_belong(server, teacher):
    extra = {
        "thinkingConfig": {"thinkingBudget": 0},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }
    config = table(server, wire={"extra": extra})
    ask(make_teacher(config), **config.parameters())
    assert server.bodies[0]["generationConfig"]["thinkingConfig"] == {"thinkingBudget": 0}
    assert server.bodies[0]["safetySettings"] == extra["safetySettings"]


def test_a_probe_finds_what_there_is(server):
    def able(sent):
        config = sent["generationConfig"]
        if config.get("candidateCount", 1) > 1:
            return google("Multiple candidates is not enabled for this model", 400, "INVALID_ARGUMENT")
        text = '{"answer": "yes"}' if "responseJsonSchema" in config else "Yes."
        return JSONResponse(body(text, thought="hm"))

    server.answer = able
    server.models = JSONResponse({"models": [{"name": "models/m", "version": "1"}]})
    found = asyncio.run(probe(table(server)))
    assert found["found"] == {
        "max_tokens_name": "max_tokens",
        "has_temperature": True,
        "has_n": False,
        "has_logprobs": False,
        "has_json": True,
    }
    assert (found["models"], found["reasoning_in"]) == (["models/m"], "thought")
    assert json.loads(json.dumps(found["faults"])).keys() == {"has_n"}
