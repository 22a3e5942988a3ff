"""Asked of every provider form in the list, over a real server and through the store."""

import json

import bodies
import pytest
from endpoints import SECRET, Script, fault, serving
from starlette.responses import JSONResponse, Response

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.config import parse
from tuition.core.errors import ConfigError, TeacherError
from tuition.core.records import Message, Request, Usage
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.forms import FORMS

FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.002, max_attempts=2)
SYSTEM, WHY, HOW = Message(role="system", content="Be brief."), "Why?", "How, then?"
TURNS = (SYSTEM, Message(role="user", content=WHY), Message(role="assistant", content="So."))
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string"}}}
JSON = {"type": "json_schema", "json_schema": {"name": "reply", "schema": SCHEMA}}


@pytest.fixture(scope="module")
def script():
    script = Script()
    with serving(script) as script.url:
        yield script


class Endpoint:
    """A server that speaks one form, a teacher's table for it, and a store to pay from."""

    def __init__(self, name, script, store):
        self.name, self.form, self.words = name, FORMS[name], bodies.of(name)
        self.script, self.store = script, store
        script.__init__()

    def answers(self, *responses):
        """Answer so, one call after the other; the last one again and again."""
        left = [
            response if isinstance(response, Response) else JSONResponse(response) for response in responses
        ]
        self.script.answer = lambda body: left.pop(0) if len(left) > 1 else left[0]

    def teacher(self, **wire):
        table = {"name": "t", "model": "m", "base_url": self.script.url, "api_key_env": "TEACHER_KEY"}
        price = {"price_prompt": 3, "price_completion": 15}
        return make_teacher(TeacherConfig(**table, **price, timeout_s=5, wire={"form": self.name, **wire}))

    def ask(self, teacher=None, *, messages=TURNS, samples=1, **parameters):
        return self.ask_each([messages], teacher, samples=samples, **parameters)

    def ask_each(self, turns, teacher=None, *, samples=1, **parameters):
        teacher = teacher or self.teacher()
        requests = [
            Request(
                endpoint=teacher.endpoint,
                model=teacher.model,
                messages=(*messages, Message(role="user", content=HOW)),
                parameters={"max_tokens": 50, **parameters},
                teacher="t",
                role="rationale",
                example_id="e",
                sample=sample,
            )
            for messages in turns
            for sample in range(samples)
        ]
        account = Account(store=self.store, place=Place(run="r"))
        return list(ask_all(requests, teacher, account=account, config=FAST).replies)

    def attempts(self):
        with self.store.read() as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY id")]


@pytest.fixture(params=FORMS)
def endpoint(request, script, tmp_path, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    with Store(tmp_path / "tuition.db") as store:
        found = Endpoint(request.param, script, store)
        found.answers(found.words.body("Because."))
        yield found


def test_a_call_holds_what_was_asked(endpoint):
    endpoint.ask(endpoint.teacher(has_temperature=True), temperature=0.5)
    [(body, headers)] = endpoint.script.asked
    asked = endpoint.words.asked(body)
    roles = ["system", "user", "assistant", "user"]
    assert asked["messages"] == list(zip(roles, ["Be brief.", WHY, "So.", HOW], strict=True))
    assert (asked["bound"], asked["temperature"], asked["n"], asked["schema"]) == (50, 0.5, 1, None)
    assert endpoint.script.paths == [endpoint.words.PATH]
    assert (endpoint.words.key_of(headers), SECRET in json.dumps(body)) == (SECRET, False)
    assert headers["x-client-request-id"] == endpoint.attempts()[0]["tag"]


def test_no_key_is_needed(endpoint):
    teacher = make_teacher(
        TeacherConfig(name="t", base_url=endpoint.script.url, wire={"form": endpoint.name})
    )
    assert endpoint.ask(teacher)[0].text == "Because."


def test_an_answer_is_read(endpoint):
    endpoint.answers(endpoint.words.body("So 4.", thought="2 and 2"))
    [reply] = endpoint.ask()
    assert (reply.text, reply.reasoning, reply.finish, reply.failure) == ("So 4.", "2 and 2", "stop", None)
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (12, 7)
    assert (reply.model, reply.usage.is_estimated) == ("m-2026", False)
    [row] = endpoint.attempts()
    assert (row["state"], row["cost_nano"]) == ("kept", 12 * 3000 + 7 * 15000)


def test_a_passing_fault_is_asked_again(endpoint):
    endpoint.answers(fault("busy", 503), endpoint.words.body("Because."))
    [reply] = endpoint.ask()
    assert (reply.text, [row["state"] for row in endpoint.attempts()]) == ("Because.", ["failed", "kept"])


@pytest.mark.parametrize(
    ("status", "kind", "is_paid"),
    [
        (400, "bad_request", False),
        (403, "refused", False),
        (404, "not_found", False),
        (429, "rate_limit", False),
        (500, "server", False),
        (504, "server", None),
    ],
)
def test_a_refusal_has_its_kind(endpoint, status, kind, is_paid):
    endpoint.answers(fault("no such thing", status))
    [reply] = endpoint.ask()
    assert (reply.failure.kind, reply.failure.is_paid, reply.text) == (kind, is_paid, "")
    assert f"HTTP {status}: no such thing" in reply.failure.message


def test_a_refused_key_ends_the_asking(endpoint):
    endpoint.answers(fault(f"the key {SECRET} is not known", 401))
    with pytest.raises(TeacherError, match=r"accepts no call: HTTP 401: the key \*\*\* is not known"):
        endpoint.ask()


def test_a_reply_that_was_cut_off_is_known_as_cut(endpoint):
    for word in ("length", "MAX_TOKENS", "max_tokens"):
        endpoint.answers(endpoint.words.body("Because it", finish=word))
        [reply] = endpoint.ask(messages=(Message(role="user", content=word),))
        assert (reply.text, reply.finish, reply.failure) == ("Because it", "length", None)


def test_a_thought_that_was_cut_off_is_no_answer(endpoint):
    endpoint.answers(endpoint.words.body("", finish="max_tokens", thought="2 and"))
    [reply] = endpoint.ask()
    assert (reply.text, reply.failure.kind, reply.failure.is_paid) == ("", "truncated", True)
    assert "raise the teacher's max_tokens" in reply.failure.message


@pytest.mark.parametrize("text", ["Start with 33.", ""])
@pytest.mark.parametrize(("word", "kind"), [("content_filter", "filtered"), ("refusal", "refused")])
def test_what_is_withheld_is_paid_and_is_no_answer(endpoint, word, kind, text):
    endpoint.answers(endpoint.words.body(text, finish=word))
    [reply] = endpoint.ask()
    assert (reply.text, reply.failure.kind, reply.failure.is_paid) == ("", kind, True)
    assert (len(endpoint.attempts()), endpoint.attempts()[0]["cost_nano"] > 0) == (1, True)


def test_a_prompt_that_was_blocked_is_filtered(endpoint):
    if endpoint.words.BLOCKED is None:
        pytest.skip("the form blocks no prompt")
    endpoint.answers(endpoint.words.BLOCKED)
    [reply] = endpoint.ask()
    assert (reply.failure.kind, reply.failure.is_paid, len(endpoint.attempts())) == ("filtered", True, 1)


def test_tokens_that_nobody_counted_are_estimated(endpoint):
    endpoint.answers(endpoint.words.body("x" * 41, usage=None))
    [reply] = endpoint.ask(messages=())
    assert reply.usage == Usage(prompt_tokens=3, completion_tokens=11, is_estimated=True)


@pytest.mark.parametrize("body", ["x", [], {}, {"usage": 3}, [{"x": 1}, 2], 5])
def test_a_body_that_is_no_answer_may_have_been_charged(endpoint, body):
    endpoint.answers(JSONResponse(body))
    [reply] = endpoint.ask()
    assert (reply.failure.kind, reply.failure.is_paid) == ("malformed", None)
    assert f"the body is not {endpoint.form.whole}" in reply.failure.message
    assert {row["state"] for row in endpoint.attempts()} == {"unknown"}


def test_every_place_of_a_body_may_hold_anything(endpoint):
    whole, texts = endpoint.words.body("So 4.", thought="2 and 2"), []
    for place in places(whole):
        for value in [None, [], {}, "x", -1, 1e400, True, [None], {"x": []}]:
            body = json.loads(json.dumps(whole))
            put(body, place, value)
            texts.append(json.dumps(body))

    def spoiled(body):
        n = int(endpoint.words.asked(body)["messages"][-2][1])
        return Response(texts[n], media_type="application/json")

    endpoint.script.answer = spoiled
    turns = [(Message(role="user", content=str(n)),) for n in range(len(texts))]
    for reply in endpoint.ask_each(turns):
        assert bool(reply.text.strip()) != (reply.failure is not None)
        assert reply.failure is None or reply.failure.kind != "exception"
        assert reply.usage.prompt_tokens >= 0 <= reply.usage.completion_tokens


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def put(body, place, value):
    for key in place[:-1]:
        body = body[key]
    body[place[-1]] = value


def test_the_key_is_kept_nowhere(endpoint):
    body = endpoint.words.body(f"your key is {SECRET}", thought=SECRET)
    endpoint.answers(JSONResponse(body, headers={"x-echo": SECRET, "x-any-api-key": "k"}))
    [reply] = endpoint.ask()
    assert (reply.text, reply.reasoning) == ("your key is ***", "***")
    assert json.loads(endpoint.attempts()[0]["headers"])["x-any-api-key"] == "***"
    endpoint.answers(fault(f"no such thing as {SECRET}", 400))
    assert endpoint.ask(messages=())[0].failure.message.startswith("HTTP 400: no such thing as ***")
    assert SECRET.encode() not in endpoint.store.path.read_bytes()


def test_a_schema_goes_where_the_form_has_it(endpoint):
    endpoint.ask(endpoint.teacher(has_json=True), response_format=JSON)
    assert endpoint.words.asked(endpoint.script.bodies[0])["schema"] == SCHEMA


def test_what_the_form_has_no_field_for_is_left_out_with_a_warning(endpoint, caplog):
    teacher = endpoint.teacher()
    endpoint.ask(teacher, **dict.fromkeys(endpoint.form.absent - {"n"}, 1))
    assert set(teacher.lacks) == endpoint.form.absent - {"n"}
    endpoint.ask(endpoint.teacher(), messages=())
    with_absent, plain = (endpoint.words.asked(body) for body in endpoint.script.bodies)
    assert {**with_absent, "messages": 0} == {**plain, "messages": 0}
    assert not endpoint.form.absent - {"n"} or "its form has none" in caplog.text


@pytest.mark.parametrize("name", ["temperature", "response_format"])
def test_what_is_refused_is_left_out_from_then_on(endpoint, name, caplog):
    refused = (name, *endpoint.form.spelled.get(name, ()))[-1]
    endpoint.answers(fault(f"Unknown name '{refused}': cannot find field"), endpoint.words.body("Because."))
    teacher = endpoint.teacher(has_temperature=True, has_json=True)
    value = {"temperature": 0.5, "response_format": JSON}[name]
    assert endpoint.ask(teacher, **{name: value})[0].text == "Because."
    assert (teacher.lacks, f"takes no {name}" in caplog.text) == ((name,), True)
    asked = endpoint.words.asked(endpoint.script.bodies[1])
    assert (asked["temperature"], asked["schema"]) == (None, None)


def test_several_samples_come_in_one_call_where_the_form_has_them(endpoint):
    if "n" in endpoint.form.absent:
        with pytest.raises(ConfigError, match=r"brings one sample a call; leave wire.has_n out"):
            parse(
                TeacherConfig, {"name": "t", "wire": {"form": endpoint.name, "has_n": True}}, where="x.toml"
            )
        return
    endpoint.answers(endpoint.words.body("x" * 10, "y" * 20, "z" * 5))
    replies = endpoint.ask(endpoint.teacher(has_n=True), samples=3, temperature=1.0)
    assert [reply.text for reply in replies] == ["x" * 10, "y" * 20, "z" * 5]
    assert [endpoint.words.asked(body)["n"] for body in endpoint.script.bodies] == [3]
    assert [reply.usage.prompt_tokens for reply in replies] == [12, 0, 0]
    assert sum(reply.usage.completion_tokens for reply in replies) == 7
    assert json.loads(endpoint.attempts()[0]["raw"]) == endpoint.words.body("x" * 10, "y" * 20, "z" * 5)


def test_further_fields_go_along_but_for_those_that_are_ours(endpoint):
    endpoint.ask(endpoint.teacher(extra={"topK": 20}), topK=20)
    assert '"topK": 20' in json.dumps(endpoint.script.bodies[0])
    for name in endpoint.form.reserved | {"max_tokens", "temperature"}:
        table = {"name": "t", "wire": {"form": endpoint.name, "extra": {name: 1}}}
        with pytest.raises(ConfigError, match=f"'{name}' cannot stand in extra"):
            parse(TeacherConfig, table, where="x.toml")


def test_no_further_field_can_say_another_thing_than_the_table(endpoint):
    n = 1 if "n" in endpoint.form.absent else 2
    request = Request(endpoint="e", model="m", messages=(SYSTEM, *TURNS))
    body = endpoint.form.body(request, {"max_tokens": 50}, n)
    tables = [body, *(value for value in body.values() if isinstance(value, dict))]
    for name in {name for table in tables for name in table} - {"parts"}:
        with pytest.raises(ConfigError, match=f"'{name}' cannot stand in extra"):
            parse(
                TeacherConfig, {"name": "t", "wire": {"form": endpoint.name, "extra": {name: 1}}}, where="x"
            )


def test_batches_are_for_the_forms_that_have_them(endpoint):
    table = {"name": "t", "wire": {"form": endpoint.name, "in_batches": True}}
    if endpoint.form.has_batches:
        assert parse(TeacherConfig, table, where="x.toml").wire.in_batches
        return
    with pytest.raises(ConfigError, match=r"batches have the OpenAI form; leave wire.in_batches out"):
        parse(TeacherConfig, table, where="x.toml")


def test_an_unknown_form_is_told_with_its_neighbour():
    with pytest.raises(ConfigError, match="unknown form 'opnai'; did you mean 'openai'"):
        parse(TeacherConfig, {"name": "t", "wire": {"form": "opnai"}}, where="x.toml")
