import asyncio
import tomllib

import pytest
from endpoints import SECRET, ask, ask_all, choice, completion, fault, request
from starlette.responses import JSONResponse, Response

from tuition.annotation import Account
from tuition.annotation import ask_all as asked_of
from tuition.annotation.config import AnnotationConfig
from tuition.core.config import parse
from tuition.core.records import Message
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.probe import probe

OPENAI_TEMPERATURE = fault(
    "Unsupported value: 'temperature' does not support 0.7 with this model. "
    "Only the default (1) value is supported.",
    param="temperature",
    code="unsupported_value",
)
FASTAPI = JSONResponse(
    {"detail": [{"loc": ["body", "temperature"], "msg": "Extra inputs are not permitted", "input": 0.5}]}, 422
)
MISTRAL = JSONResponse({"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "no"}]}}, 422)
RENAMED = fault(
    "Unsupported parameter: 'max_tokens' is not supported with this model. "
    "Use 'max_completion_tokens' instead.",
    param="max_tokens",
    code="unsupported_parameter",
)


def taking(**refused):
    """An endpoint that refuses some parameters, each with its own answer."""

    def answer(body):
        found = next((name for name in refused if name in body), None)
        return JSONResponse(completion("Because.")) if found is None else refused[found]

    return answer


def teacher_at(server, **wire):
    return make_teacher(TeacherConfig(name="a", model="m", base_url=server.url, timeout_s=5, wire=wire))


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("temperature", 0.7, OPENAI_TEMPERATURE),
        ("temperature", 0.7, FASTAPI),
        ("temperature", 0.7, fault("`temperature` is deprecated for this model.")),
        ("seed", 3, fault("Unrecognized request argument supplied: seed")),
        ("logprobs", True, fault("This model does not support logprobs", param="logprobs")),
        ("response_format", {"type": "json_schema"}, fault("This response_format type is unavailable now")),
    ],
)
def test_what_is_refused_is_left_out_from_then_on_with_a_warning(server, caplog, name, value, answer):
    server.answer = taking(**{name: answer})
    teacher = teacher_at(server)
    first = ask(teacher, **{name: value}).failure
    assert (first.kind, first.is_retryable, first.is_paid) == ("bad_request", True, False)
    assert ask(teacher, **{name: value}).text == "Because."
    assert ask(teacher, **{name: value}).text == "Because."
    assert [name in body for body in server.bodies] == [True, False, False]
    assert teacher.lacks == (name,)
    [record] = caplog.records
    assert f"teacher 'a' (model 'm') takes no {name}, and said: " in record.getMessage()


def test_a_key_that_an_endpoint_repeats_does_not_reach_the_log(server, monkeypatch, caplog):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.answer = fault(f"no temperature with {SECRET}", param="temperature")
    config = TeacherConfig(name="a", base_url=server.url, api_key_env="TEACHER_KEY")
    ask(make_teacher(config), temperature=0.7)
    assert "takes no temperature, and said: 'no temperature with ***'" in caplog.text
    assert SECRET not in caplog.text


def test_nor_does_a_part_of_it(server, monkeypatch, caplog):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.answer = taking(seed=fault("no 'seed' " + "x" * 184 + SECRET))
    config = TeacherConfig(name="a", base_url=server.url, api_key_env="TEACHER_KEY")
    ask(make_teacher(config), seed=3)
    assert "takes no seed" in caplog.text
    assert SECRET[:5] not in caplog.text


def test_nothing_is_lacked_before_it_is_refused(server):
    teacher = teacher_at(server)
    ask(teacher, temperature=0.7, seed=1)
    assert (teacher.lacks, server.bodies[0]["temperature"]) == ((), 0.7)


def test_the_abilities_that_keys_depend_on_do_not_change_by_a_refusal(server):
    server.answer = taking(temperature=OPENAI_TEMPERATURE)
    teacher = teacher_at(server, has_json=True)
    before = teacher.abilities
    ask(teacher, temperature=0.7)
    assert teacher.lacks == ("temperature",)
    assert teacher.abilities == before


@pytest.mark.parametrize(
    "answer",
    [
        fault("temperature must be between 0 and 2", param="temperature"),
        fault("Invalid 'temperature': expected a value <= 2", param="temperature"),
        fault("Invalid temperature value, the valid range of temperature is [0, 2]"),
        fault("no such model", 404),
        fault("the prompt is too long"),
        Response("temperature", 400),
    ],
)
def test_a_value_out_of_range_is_its_givers_to_mend(server, answer):
    server.answer = answer
    teacher = teacher_at(server)
    failure = ask(teacher, temperature=7.0).failure
    assert failure.kind in ("bad_request", "not_found")
    assert (failure.is_retryable, teacher.lacks) == (False, ())


def test_a_further_field_is_never_left_out(server):
    server.answer = fault("Unrecognized request argument supplied: seed", param="seed")
    teacher = teacher_at(server, extra={"seed": 3})
    assert ask(teacher, seed=3).failure.is_retryable is False
    ask(teacher, seed=3)
    assert ["seed" in body for body in server.bodies] == [True, True]


def test_what_is_declared_absent_is_never_sent(server, caplog):
    teacher = teacher_at(server, has_temperature=False, has_logprobs=False, has_json=False)
    ask(teacher, temperature=0.5, logprobs=True, response_format={"type": "json_object"})
    assert server.bodies[0].keys() == {"model", "messages", "max_tokens"}
    assert teacher.lacks == ("temperature", "logprobs", "response_format")
    assert len(caplog.records) == 3


def test_the_name_of_the_bound_is_learned_once(server):
    server.answer = taking(max_tokens=RENAMED)
    teacher = teacher_at(server)
    assert ask(teacher).failure.is_retryable
    assert ask(teacher).text == "Because."
    assert [body.get("max_completion_tokens") for body in server.bodies] == [None, 50]
    assert teacher.lacks == (), "another name is nothing that is lacking"
    server.answer = taking(max_completion_tokens=fault("use max_tokens, not max_completion_tokens"))
    assert ask(teacher).failure.is_retryable is False


def test_a_declared_name_stays_and_a_large_bound_is_no_name(server):
    server.answer = taking(max_tokens=RENAMED)
    assert ask(teacher_at(server, max_tokens_name="max_tokens")).failure.is_retryable is False
    server.answer = fault("max_tokens is too large: 50. This model supports at most 16.", param="max_tokens")
    teacher = teacher_at(server)
    assert [ask(teacher).failure.is_retryable for _ in range(2)] == [False, False]
    assert all("max_tokens" in body for body in server.bodies)


def test_calls_in_flight_when_it_is_learned_may_be_tried_again(server):
    server.answer, server.wait_s = taking(max_tokens=RENAMED, temperature=OPENAI_TEMPERATURE), 0.2
    teacher = teacher_at(server, has_n=True)

    async def at_once():
        async with teacher:
            asked = [request(teacher, temperature=0.7, sample=i) for i in range(3)]
            return await asyncio.gather(*(teacher.complete(one) for one in asked))

    assert [reply.failure.is_retryable for reply in asyncio.run(at_once())] == [True] * 3
    assert [reply.failure.is_retryable for reply in asyncio.run(at_once())] == [True] * 3
    assert [reply.failure for reply in asyncio.run(at_once())] == [None] * 3


@pytest.mark.parametrize("answer", [MISTRAL, fault("Invalid 'n': must be at most 1"), fault("n must be 1")])
def test_several_samples_that_are_refused_are_asked_one_by_one(server, answer):
    server.answer = taking(n=answer)
    teacher = teacher_at(server, has_n=True)
    first = ask_all(teacher, 2)
    assert [(reply.failure.kind, reply.failure.is_retryable) for reply in first] == [
        ("bad_request", True)
    ] * 2
    assert teacher.abilities.samples_per_call == 1
    assert [reply.text for reply in ask_all(teacher, 2)] == ["Because.", ""], (
        "the second is to be asked alone"
    )


LOGPROBS = {"content": [{"token": "yes", "logprob": -0.1}]}


def able(body):
    """An endpoint that can do everything, and names its bound in the newer way."""
    if "max_tokens" in body:
        return RENAMED
    text = '{"answer": "yes"}' if "response_format" in body else "Yes."
    one = choice(text, reasoning_content="hm") | ({"logprobs": LOGPROBS} if body.get("logprobs") else {})
    return JSONResponse({**completion(), "choices": [one] * body.get("n", 1)})


def probed(server, **wire):
    return asyncio.run(probe(TeacherConfig(name="a", model="m", base_url=server.url, timeout_s=5, wire=wire)))


def test_a_probe_finds_what_there_is_and_writes_the_lines(server):
    server.answer = able
    server.models = JSONResponse({"data": [{"id": "m"}, {"id": "m2"}, {"x": 1}, "y"]})
    found = probed(server)
    assert found["found"] == {
        "max_tokens_name": "max_completion_tokens",
        "has_temperature": True,
        "has_n": True,
        "has_logprobs": True,
        "has_json": True,
    }
    assert (found["models"], found["reasoning_in"], found["faults"]) == (["m", "m2"], "reasoning_content", {})
    assert (found["calls"], found["prompt_tokens"], found["completion_tokens"]) == (6, 60, 35)
    table = tomllib.loads("\n".join(found["lines"]))["teacher"]["wire"]
    assert parse(TeacherConfig, {"name": "a", "wire": table}, where="probe").wire.has_n is True
    assert all(body.get("max_completion_tokens", 64) <= 64 for body in server.bodies)


def test_a_probe_of_an_endpoint_that_ignores_what_it_does_not_know(server):
    found = probed(server)["found"]
    assert found == {
        "max_tokens_name": "max_tokens",
        "has_temperature": True,
        "has_n": False,
        "has_logprobs": False,
        "has_json": False,
    }


def test_a_probe_that_is_refused_tells_why(server, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    server.answer = fault(f"no such key {SECRET}", 401)
    config = TeacherConfig(name="a", base_url=server.url, api_key_env="TEACHER_KEY")
    found = asyncio.run(probe(config))
    assert set(found["found"].values()) == {None}
    assert found["faults"] == {"plain": "HTTP 401: no such key ***"}
    assert (found["lines"], found["models"]) == (["[teacher.wire]"], None)


def test_a_probe_leaves_open_what_a_passing_fault_hid(server):
    server.answer = taking(temperature=Response("", 503), n=fault("n must be 1"))
    found = probed(server)["found"]
    assert (found["has_temperature"], found["has_n"]) == (None, False)


def test_a_probe_of_nobody():
    config = TeacherConfig(name="a", base_url="http://127.0.0.1:9/v1", timeout_s=2)
    found = asyncio.run(probe(config))
    assert "before the request was sent" in found["faults"]["plain"]
    assert found["calls"] == 2


def test_a_probe_in_the_native_form(server):
    def native(body):
        if "temperature" in body:
            return fault("temperature: Extra inputs are not permitted")
        text = '{"answer": "yes"}' if "output_config" in body else "Yes."
        parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": text}]
        return JSONResponse({"content": parts, "usage": {"input_tokens": 5, "output_tokens": 2}})

    server.answer = native
    found = probed(server, form="anthropic")
    assert found["found"] == {
        "max_tokens_name": "max_tokens",
        "has_temperature": False,
        "has_n": False,
        "has_logprobs": False,
        "has_json": True,
    }
    assert found["reasoning_in"] == "thinking"


def test_a_run_goes_on_without_what_was_refused_and_its_keys_stay(server, tmp_path, caplog):
    server.answer = taking(max_tokens=RENAMED, temperature=OPENAI_TEMPERATURE)
    teacher, config = teacher_at(server), AnnotationConfig(backoff_s=0.001)
    turns = [(Message(role="user", content=f"Why {i}?"),) for i in range(6)]
    wanted = [request(teacher, messages=turn, temperature=0.7) for turn in turns]
    with Store(tmp_path / "tuition.db") as store:
        account = Account(store=store, place=Place(run="r1"))
        first = asked_of(wanted, teacher, account=account, config=config)
        sent = len(server.asked)
        again = asked_of(wanted, teacher_at(server), account=account, config=config)
    assert [reply.text for reply in first.replies] == ["Because."] * 6
    assert [reply.text for reply in again.replies] == ["Because."] * 6
    assert len(server.asked) == sent, "what was answered without it is kept under the request as it was meant"
    assert teacher.lacks == ("temperature",)
    assert caplog.text.count("takes no temperature") == 1


def test_samples_that_are_asked_one_by_one_keep_to_the_calls_in_flight(server, tmp_path):
    server.answer, server.wait_s = taking(n=fault("n must be 1")), 0.02
    wire = {"has_n": True}
    teacher = make_teacher(
        TeacherConfig(name="a", base_url=server.url, timeout_s=5, wire=wire, concurrency=2)
    )
    turns = [(Message(role="user", content=f"Why {i}?"),) for i in range(4)]
    wanted = [request(teacher, messages=turn, sample=sample) for turn in turns for sample in range(4)]
    with Store(tmp_path / "tuition.db") as store:
        account = Account(store=store, place=Place(run="r1"))
        asked = asked_of(wanted, teacher, account=account, config=AnnotationConfig(backoff_s=0.001))
    assert [reply.text for reply in asked.replies] == ["Because."] * 16
    assert server.most_under_way == 2
    assert sum("n" in body for body in server.bodies) <= 2, "the two that were under way when it was learned"
    assert len(server.bodies) <= 18
