"""Where endpoints and routers put what they say beside the usual place; one table a kind."""

import json

import pytest
from endpoints import USAGE, ask, completion
from starlette.responses import JSONResponse, Response

from tuition.teachers import TeacherConfig, make_teacher


def answered(server, body, **headers):
    server.answer = Response(body, headers=headers) if isinstance(body, bytes) else JSONResponse(body)
    return ask(make_teacher(TeacherConfig(name="t", model="m", base_url=server.url, timeout_s=5)))


def body_of(text, finish="stop", *, choice=(), **more):
    body = {**completion(text, finish), **more}
    body["choices"][0].update(choice)
    return body


FOUND = {"hate": {"filtered": False}, "violence": {"filtered": True, "severity": "high"}}
FAULT = {"code": 502, "message": "Upstream idle"}
WITHHELD = {
    "native": body_of("", choice={"native_finish_reason": "SAFETY"}),
    "native, half a text": body_of("It", choice={"native_finish_reason": "content_filter"}),
    "no reason": body_of(None, None, choice={"native_finish_reason": "PROHIBITED_CONTENT"}),
    "google": {"choices": [], "prompt_feedback": {"block_reason": "OTHER"}, "usage": USAGE},
    "google, native": {"choices": None, "promptFeedback": {"blockReason": "SAFETY"}, "usage": USAGE},
    "google, beside a choice": body_of("", None, prompt_feedback={"block_reason": "OTHER"}),
    "azure": body_of("", choice={"content_filter_results": FOUND}),
    "azure, prompt": {
        "choices": [],
        "usage": USAGE,
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": FOUND}],
    },
}
BROKEN = {
    "native": body_of("It", choice={"native_finish_reason": "error"}),
    "in the choice": body_of("It", choice={"error": FAULT}),
    "in the choice, no reason": body_of("It", None, choice={"error": FAULT}),
}
CUT = {
    "native": body_of("It", choice={"native_finish_reason": "MAX_TOKENS"}),
    "no reason": body_of("It", None, choice={"native_finish_reason": "length"}),
    "details": body_of("It", None, choice={"finish_details": {"type": "max_tokens"}}),
    "of the body": body_of("It", None, incomplete_details={"reason": "max_output_tokens"}),
}
WHOLE = {
    "native": body_of("It is 5.", choice={"native_finish_reason": "completed", "error": None}),
    "vllm": body_of("It is 5.", choice={"stop_reason": "a timeout"}),
    "azure": body_of("It is 5.", choice={"content_filter_results": {"hate": {"filtered": False}}}),
    "an empty error": body_of("It is 5.", error={"code": None, "message": None}),
    "one object": body_of({"type": "text", "text": "It is 5."}),
    "a value": body_of([{"type": "text", "text": {"value": "It is 5."}}]),
}


@pytest.mark.parametrize("name", WITHHELD)
def test_a_filter_is_known_at_every_place(server, name):
    reply = answered(server, WITHHELD[name])
    assert (reply.text, reply.failure.kind, reply.failure.is_paid) == ("", "filtered", True)


@pytest.mark.parametrize("name", BROKEN)
def test_a_fault_is_known_at_every_place(server, name):
    reply = answered(server, BROKEN[name])
    assert (reply.text, reply.failure.kind, reply.failure.is_paid) == ("", "server", True)


@pytest.mark.parametrize("name", CUT)
def test_a_cut_is_known_at_every_place(server, name):
    reply = answered(server, CUT[name])
    assert (reply.text, reply.finish, reply.failure) == ("It", "length", None)


@pytest.mark.parametrize("name", WHOLE)
def test_what_tells_of_nothing_wrong_is_whole(server, name):
    reply = answered(server, WHOLE[name])
    assert (reply.text, reply.finish, reply.failure) == ("It is 5.", "stop", None)


THOUGHT = [{"type": "reasoning.text", "text": "It is 4."}]
APART = [
    {"thinking": "It is 4."},
    {"reasoning_details": THOUGHT},
    {"thinking_blocks": [{"type": "thinking", "thinking": "It is 4."}]},
    {"content": [{"type": "reasoning", "text": "It is 4."}, {"type": "text", "text": "It is 5."}]},
    {"content": [{"type": "reasoning", "reasoning": "It is 4."}, {"type": "text", "text": "It is 5."}]},
    {"content": [{"text": "It is 4.", "thought": True}, {"text": "It is 5."}]},
    {
        "content": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "It is 4."}]},
            {"type": "output_text", "text": "It is 5."},
        ]
    },
]


@pytest.mark.parametrize("message", APART)
def test_a_thought_is_kept_apart_at_every_place(server, message):
    body = body_of("It is 5.")
    body["choices"][0]["message"].update(message)
    reply = answered(server, body)
    assert (reply.text, reply.reasoning, reply.failure) == ("It is 5.", "It is 4.", None)


WRITTEN = json.dumps(completion("Die Lösung: 7 · 6"), ensure_ascii=False)


@pytest.mark.parametrize("code", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
@pytest.mark.parametrize("charset", ["", "; charset=utf-8", "; charset=nonsense"])
def test_the_first_bytes_tell_the_letters(server, code, charset):
    headers = {"content-type": f"application/json{charset}"}
    assert answered(server, WRITTEN.encode(code), **headers).text == "Die Lösung: 7 · 6"


def test_the_counts_of_a_gateway_are_read_under_the_names_of_anthropic(server):
    usage = answered(server, body_of("It is 5.", usage={"input_tokens": 12, "output_tokens": 7})).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.is_estimated) == (12, 7, False)


def test_a_total_without_a_completion_is_no_thought(server):
    usage = answered(server, body_of("It is 5.", usage={"prompt_tokens": 12, "total_tokens": 19})).usage
    assert (usage.completion_tokens, usage.reasoning_tokens) == (7, 0)
