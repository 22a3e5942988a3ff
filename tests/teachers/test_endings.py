"""What endpoints say of a text they sent: how it ended, what it cost, in which letters; one table a kind."""

import asyncio
import functools
import json

import bodies
import pytest
from endpoints import USAGE, ask, ask_all, completion, fault, request
from starlette.responses import JSONResponse, Response

from tuition.core.records import Usage
from tuition.core.texts.thoughts import finish_of
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.batch import read_line
from tuition.teachers.http.forms import FORMS

WITHHELD = [
    "content_filter",
    "PROHIBITED_CONTENT",
    "BLOCKLIST",
    "SPII",
    "RECITATION",
    "SAFETY",
    "safety",
    "IMAGE_SAFETY",
    "sensitive",
    "content-filter",
    "content_filtered",
    "ERROR_TOXIC",
    "guardrail_intervened",
    "blocked",
    "MODEL_ARMOR",
    "content_filter:",
    "unsafe",
    "CONTENT_VIOLATION",
    "harmful",
    "censored",
    "withheld",
    "risk_control",
    "flagged",
    "dangerous",
    "malicious_content",
    "ip_infringement",
    "jailbreak",
    "pii_detected",
    "redacted",
    "forbidden_content",
    "inappropriate",
    "copyright",
    "nsfw",
]
BROKEN = [
    "error",
    "network_error",
    "insufficient_system_resource",
    "aborted",
    "abort",
    "cancelled",
    "canceled",
    "MALFORMED_FUNCTION_CALL",
    "unknown",
    "FINISH_REASON_UNSPECIFIED",
    "OTHER",
    "timeout",
    "internal_error",
    "failed",
    "incomplete",
    "interrupted",
    "server_overloaded",
    "UNEXPECTED_TOOL_CALL",
    "LANGUAGE",
    "pause_turn",
    "disconnected",
    "connection_reset",
    "internal",
    "broken",
    "oom",
    "shutdown",
    "halted",
    "deadline_exceeded",
    "stop_by_user",
    "worker_died",
    "unfinished",
    "bad_response",
    "no_capacity",
]
CUT = [
    "length",
    "max_tokens",
    "MAX_TOKENS",
    "model_length",
    "max_output_tokens",
    "max-new-tokens",
    "MaxTokens",
    "ERROR_LIMIT",
    "model_context_window_exceeded",
    "context_length_exceeded",
    "token_limit",
    "truncated",
    "max_completion_tokens",
    "output_limit",
    "limit",
    "cutoff",
    "budget_exhausted",
    "num_predict",
    "token_cap",
]
WHOLE = [*["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "done"], None, "", 3]
OWN = ["tool_calls", "function_call", "hit_stop_token"]


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


def teacher_of(server, form="openai"):
    return _teacher(server.url, form)


@functools.cache
def _teacher(url, form):
    """Shared: to read the certificates takes longer than a call."""
    return make_teacher(TeacherConfig(name="t", model="m", base_url=url, timeout_s=5, wire={"form": form}))


def answered(server, form, text, *, finish="stop", usage=USAGE):
    server.answer = JSONResponse(bodies.of(form).body(text, finish=finish, usage=usage))
    return ask(teacher_of(server, form))


@pytest.mark.parametrize("text", ["Start with 33.", ""])
@pytest.mark.parametrize("word", [*WITHHELD, "content_filter: SPII"])
def test_what_is_withheld_is_filtered_and_not_asked_again(server, form, word, text):
    reply = answered(server, form, text, finish=word)
    assert (reply.text, reply.failure.kind, reply.failure.is_retryable) == ("", "filtered", False)
    assert reply.failure.is_paid and repr(word) in reply.failure.message


@pytest.mark.parametrize("text", ["Start with 33.", ""])
@pytest.mark.parametrize("word", BROKEN)
def test_what_broke_off_is_no_answer_and_is_asked_again(server, form, word, text):
    reply = answered(server, form, text, finish=word)
    assert (reply.text, reply.failure.kind, reply.failure.is_retryable) == ("", "server", True)
    where = "in the middle of the text" if text else "before any text"
    assert reply.failure.message == f"the endpoint broke off {where}, finish reason {word!r}"


@pytest.mark.parametrize("word", CUT)
def test_what_max_tokens_cut_off_is_kept_and_known_as_cut(server, form, word):
    reply = answered(server, form, "Start with 33.", finish=word)
    assert (reply.text, reply.finish, reply.failure) == ("Start with 33.", "length", None)
    assert answered(server, form, "", finish=word).failure.kind == "truncated"


@pytest.mark.parametrize("word", [*WHOLE, *OWN])
def test_what_ended_by_itself_is_whole(server, form, word):
    reply = answered(server, form, "Start with 33.", finish=word)
    assert (reply.text, reply.failure) == ("Start with 33.", None)
    assert reply.finish == (word if word in OWN else "stop")
    assert answered(server, form, "", finish=word).failure.kind == "empty"


@pytest.mark.parametrize(
    "word", ["sigterm", "socket_hang_up", "too_slow", "tool_calls", "hit_stop_token", "zzz"]
)
def test_an_unknown_word_is_read_by_the_end_of_the_text(server, form, word):
    is_end = word in OWN
    assert (answered(server, form, "Start with 33. Double:", finish=word).failure is None) == is_end
    assert answered(server, form, "Double 33 to get 66.", finish=word).failure is None


def test_a_refusal_with_half_a_text_is_none(server, form):
    reply = answered(server, form, "I ca", finish="refusal")
    assert (reply.text, reply.failure.kind, reply.finish) == ("", "refused", "refusal")


def test_a_word_is_read_in_any_spelling():
    assert finish_of("  Content-Filter ") == "content_filter"
    assert finish_of("stop reason") == "stop reason"


LITELLM = (
    "litellm.BadRequestError: litellm.ContentPolicyViolationError: AzureException - The response was cut"
)
REFUSED = {
    "azure": fault("The prompt triggered it.", code="content_filter"),
    "azure, within": fault("Blocked.", innererror={"code": "ResponsibleAIPolicyViolation"}),
    "litellm": fault(LITELLM, code="400", type=None),
    "litellm, fields": fault(
        "Bad.", code="400", provider_specific_fields={"innererror": {"code": "ResponsibleAIPolicyViolation"}}
    ),
    "litellm, under 200": fault(LITELLM, 200, code="400"),
    "openai": fault("Your prompt was flagged as violating our policy.", code="invalid_prompt"),
    "anthropic": fault("Output blocked by content filtering policy", type="invalid_request_error"),
    "alibaba": fault("Input data may contain inappropriate content.", code="DataInspectionFailed"),
    "openrouter": fault("m requires moderation. Your input was flagged for 'x'.", 403, code=403),
    "zhipu": fault("may contain sensitive content", code="1301"),
    "zhipu, in its own words": fault("输入内容可能包含不安全或敏感内容", code="1301"),
    "stepfun": fault("What you provided is withheld.", 451, type="censorship_blocked"),
    "vertex": fault("The response was blocked."),
    "ark": fault("It failed.", code="SensitiveContentDetected"),
    "a code": fault("No.", code="harmful_content"),
    "a type": fault("No.", type="unsafe_content"),
    "deepseek": fault("Content Exists Risk", type="invalid_request_error"),
    "bedrock": fault("The model response was blocked by the guardrail", type="guardrail_intervened"),
    "under 200": fault("Withheld.", 200, code="content_filter"),
    "under 201": fault("Withheld.", 201, code="content_policy_violation"),
    "gemini": fault("Blocked: PROHIBITED_CONTENT", 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_by_a_filter_is_filtered_in_whatever_words(server, form, name):
    server.answer = REFUSED[name]
    failure = ask(teacher_of(server, form)).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("filtered", False, False)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (fault("the prompt is too long"), "bad_request"),
        (fault("not your model", 403), "refused"),
        (fault("no such model as content-filter-7b", 404), "not_found"),
        (fault("slow down: the moderation queue is full", 429), "rate_limit"),
        (fault("content filter crashed", 500), "server"),
        (fault("upstream", 200, code="502"), "server"),
        (fault("bad key", 201, code=401), "auth"),
        (fault("slow down", 200, type="rate_limit_error", code="rate_limit_exceeded"), "rate_limit"),
        (fault("too long", 200, type="BadRequestError"), "bad_request"),
        (fault("who?", 200, code="invalid_api_key"), "auth"),
        (fault("busy", 200, type="overloaded_error"), "server"),
        (fault("empty", 200, code="insufficient_quota"), "quota"),
        (JSONResponse({"object": "error", "message": "too long", "code": 400}), "bad_request"),
        (JSONResponse({"success": False, "errors": [{"code": 429, "message": "slow"}]}), "rate_limit"),
        (JSONResponse({"status": "error", "msg": "what?"}), "server"),
    ],
)
def test_other_refusals_are_not_filtered(server, answer, kind):
    server.answer = answer
    assert ask(teacher_of(server)).failure.kind == kind


@pytest.mark.parametrize("status", [200, 201, 202, 206, 299])
def test_any_status_of_success_brings_an_answer(server, form, status):
    server.answer = JSONResponse(bodies.of(form).body("It is 5."), status)
    reply = ask(teacher_of(server, form))
    assert (reply.text, reply.failure, reply.usage.is_estimated) == ("It is 5.", None, False)


@pytest.mark.parametrize("answer", [Response("", 204), Response("", 202), JSONResponse([], 201)])
def test_a_success_without_a_body_may_have_been_charged(server, answer):
    server.answer = answer
    failure = ask(teacher_of(server)).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("malformed", True, None)


@pytest.mark.parametrize("status", [300, 304, 307])
def test_other_statuses_are_none(server, status):
    server.answer = JSONResponse(completion("It is 5."), status)
    assert ask(teacher_of(server)).failure.kind == "bad_request"


TEXT = "Die Lösung: 7 · 6 − 0 = 42"
CHARSETS = [
    "",
    "; charset=utf-8",
    "; charset=iso-8859-1",
    "; charset=windows-1252",
    "; charset=ascii",
    "; charset=?",
]


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("charset", CHARSETS)
def test_json_is_utf8_whatever_the_header_says(server, charset, mark):
    content = mark + json.dumps(completion(TEXT), ensure_ascii=False).encode()
    server.answer = Response(content, headers={"content-type": f"application/json{charset}"})
    assert ask(teacher_of(server)).text == TEXT


def test_a_body_that_is_no_utf8_is_read_as_its_header_says(server):
    content = json.dumps(completion("Lösung"), ensure_ascii=False).encode("latin-1")
    server.answer = Response(content, headers={"content-type": "application/json; charset=iso-8859-1"})
    assert ask(teacher_of(server)).text == "Lösung"


WORDS = "word " * 20
COUNTED = {
    "both": ({"prompt_tokens": 12, "completion_tokens": 7}, (12, 7, False)),
    "no completion": ({"prompt_tokens": 12}, (12, 25, True)),
    "no completion beside a total of the prompt": ({"prompt_tokens": 12, "total_tokens": 12}, (12, 25, True)),
    "completion 0": ({"prompt_tokens": 12, "completion_tokens": 0}, (12, 25, True)),
    "completion -1": ({"prompt_tokens": 12, "completion_tokens": -1, "total_tokens": 11}, (12, 25, True)),
    "completion null": ({"prompt_tokens": 12, "completion_tokens": None}, (12, 25, True)),
    "completion a text": ({"prompt_tokens": 12, "completion_tokens": "7"}, (12, 7, False)),
    "no prompt": ({"completion_tokens": 7}, (1, 7, True)),
    "prompt 0": ({"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 7}, (1, 7, True)),
    "prompt 0 beside a total": (
        {"prompt_tokens": 0, "completion_tokens": 7, "total_tokens": 50},
        (1, 7, True),
    ),
    "nothing": ({}, (1, 25, True)),
    "zeros": ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, (1, 25, True)),
    "no object": ([3], (1, 25, True)),
    "null": (None, (1, 25, True)),
}


def of(usage):
    return usage.prompt_tokens, usage.completion_tokens, usage.is_estimated


@pytest.mark.parametrize("name", COUNTED)
def test_usage_with_a_side_missing_beside_text_is_an_estimate(server, name):
    usage, wanted = COUNTED[name]
    server.answer = JSONResponse(completion(WORDS, usage=usage))
    assert of(ask(teacher_of(server)).usage) == wanted


@pytest.mark.parametrize(
    "name", [name for name in COUNTED if name not in ("no object", "prompt 0 beside a total")]
)
def test_every_form_estimates_the_same(server, form, name):
    usage, wanted = COUNTED[name]
    assert of(answered(server, form, WORDS, usage=usage).usage) == wanted


@pytest.mark.parametrize("name", COUNTED)
def test_a_line_of_a_batch_estimates_the_same(name):
    usage, wanted = COUNTED[name]
    row = {"response": {"status_code": 201, "body": completion(WORDS, usage=usage)}}
    assert of(read_line(row, json.dumps(row), request()).usage) == wanted


@pytest.mark.parametrize("text", ["<|im_end|>", "</s>\n", "\u200b \n"])
def test_marks_of_a_template_alone_are_no_text(server, form, text):
    assert answered(server, form, text).failure.kind == "empty"


@pytest.mark.parametrize("mark", ["<|im_end|>", "</s>\n<|endoftext|>", "<turn|>", "<｜end▁of▁sentence｜>"])
def test_what_a_template_left_around_a_text_goes(server, form, mark):
    assert (
        answered(server, form, f"<|im_start|>assistant\nIt is <s>4</s> 5.{mark}").text == "It is <s>4</s> 5."
    )
    assert answered(server, form, "It ends.\n\n---").text == "It ends.\n\n---"


@pytest.mark.parametrize("finish", ["PROHIBITED_CONTENT", "stop"])
def test_no_text_costs_no_completion(server, form, finish):
    reply = answered(server, form, "", finish=finish, usage={"prompt_tokens": 12, "completion_tokens": 0})
    assert of(reply.usage) == (12, 0, False)


def test_a_total_counts_a_completion_that_is_not_named(server):
    server.answer = JSONResponse(completion(WORDS, usage={"prompt_tokens": 12, "total_tokens": 62}))
    assert of(ask(teacher_of(server)).usage) == (12, 50, False)


def test_several_answers_are_estimated_each_within_what_was_set_aside(server):
    choices = [choice["choices"][0] for choice in (completion("x" * 2000), completion("x" * 8))]
    server.answer = JSONResponse({"model": "m", "choices": choices, "usage": {"prompt_tokens": 12}})
    teacher = make_teacher(TeacherConfig(name="t", base_url=server.url, wire={"has_n": True}))
    replies = ask_all(teacher, 2)
    assert [of(reply.usage) for reply in replies] == [(12, 50, True), (0, 2, True)]


def test_a_broken_body_without_a_count_of_what_was_written_is_charged_at_worst(server):
    server.answer = JSONResponse({"choices": [], "usage": {"prompt_tokens": 12}})
    reply = ask(teacher_of(server))
    assert (reply.failure.kind, reply.usage) == ("malformed", Usage(prompt_tokens=12, is_estimated=True))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("written", "text", "thought"),
    [
        ("<thinking>It is 4.</thinking>\n\nIt is 5.", "It is 5.", "It is 4."),
        ("[THINK]It is 4.[/THINK]It is 5.", "It is 5.", "It is 4."),
        ("analysisIt is 4.assistantfinalIt is 5.", "It is 5.", "It is 4."),
    ],
)
def test_a_thought_is_kept_apart_from_the_text(server, form, written, text, thought):
    reply = answered(server, form, written)
    assert (reply.text, reply.reasoning) == (text, thought)
    row = {"response": {"status_code": 200, "body": completion(written)}}
    assert read_line(row, "", request()).text == text


def test_a_thought_in_the_text_joins_what_was_kept_apart(server):
    server.answer = JSONResponse(completion("<think>Not 4.</think>5", reasoning_content="It is 4?"))
    assert asyncio.run(teacher_of(server).complete(request())).reasoning == "It is 4?\n\nNot 4."


def test_a_thought_that_was_cut_off_is_no_answer(server, form):
    reply = answered(server, form, "<thought>It is 4.", finish="length")
    assert (reply.text, reply.reasoning, reply.failure.kind) == ("", "It is 4.", "truncated")
