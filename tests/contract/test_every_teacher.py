"""Asked of every teacher in the list, of endpoints in every form.

Order is kept, a failure is a record, a cost is counted once, a retry is counted.
"""

import dataclasses
import json
from importlib.metadata import entry_points

import bodies
import pytest
from endpoints import Script, serving
from starlette.responses import JSONResponse

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.budget import Cost, Price
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Message, Reply, Request
from tuition.core.store import Place, Store
from tuition.teachers import TEACHERS, TeacherConfig, make_teacher
from tuition.teachers.http.forms import FORMS

PLUGGED = [entry.name for entry in entry_points(group="tuition.teachers")]
KINDS = [(kind, form) for kind in TEACHERS for form in (FORMS if kind == "chat" else [""])]
KINDS += [(kind, "") for kind in PLUGGED]
COUNT = 12
PLACE = Place(run="r1")
FAST = AnnotationConfig(backoff_s=0.001)


def question(i):
    return f"Question: Today is March {i + 1}. Which date is 10 days from now?\nExplanation:"


@pytest.fixture(scope="module")
def endpoint():
    """A real server that answers every call in the form that the test sets."""
    script = Script()
    with serving(script) as script.url:
        yield script


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny random language model, for the teacher that runs its own."""
    from tuition.student.fresh import make_model

    folder = tmp_path_factory.mktemp("model")
    model, tokenizer = make_model("llama-nano", [question(i) for i in range(COUNT)], seed=0)
    for parameter in model.parameters():
        parameter.data.mul_(4)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def chat(request, form):
    words, script = bodies.of(form), request.getfixturevalue("endpoint")
    script.answer = lambda body: JSONResponse(words.body(f"Reply to {words.asked(body)['messages'][-1][1]}"))
    return {"base_url": script.url, "wire": {"form": form}}


def local(request, form):
    return {"model": str(request.getfixturevalue("model"))}


def recorded(request, form):
    said = [{"text": f"Reply to {question(i)}", "answer": None} for i in range(COUNT)]
    rows = [{"id": f"e{i}", "question": "", "rationales": {"ada": said[i]}} for i in range(COUNT)]
    path = request.getfixturevalue("tmp_path") / "replies.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return {"file": str(path)}


NEEDS = {"chat": chat, "local": local, "recorded": recorded}
"""What the table of a kind needs beside a name and a price, where it needs anything."""


@pytest.fixture(params=KINDS, ids=" ".join)
def teacher(request):
    kind, form = request.param
    needed = NEEDS[kind](request, form) if kind in NEEDS else {}
    table = {"kind": kind, "name": "ada", "price_prompt": 1.0, "price_completion": 2.0, **needed}
    return make_teacher(TeacherConfig(**table))


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "tuition.db") as opened:
        yield opened


def requests(teacher, n=COUNT):
    return [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=question(i)),),
            parameters={"max_tokens": 200} | ({} if teacher.abilities.reads_prompt else {"example": f"e{i}"}),
            teacher=teacher.name,
            role="rationale",
            example_id=f"e{i}",
        )
        for i in range(n)
    ]


class Flaky:
    """Another teacher, whose first attempt at every call meets a passing fault."""

    def __init__(self, inner):
        self.inner, self.tried = inner, set()
        self.name, self.endpoint, self.model = inner.name, inner.endpoint, inner.model
        self.price, self.abilities = inner.price, inner.abilities

    async def complete(self, request):
        if request.key not in self.tried:
            self.tried.add(request.key)
            return Reply(failure=Failure(kind="server", message="busy", is_retryable=True))
        return await self.inner.complete(request)


def attempts(store):
    with store.read() as connection:
        return connection.execute("SELECT * FROM attempts ORDER BY id").fetchall()


def test_it_says_who_it_is(teacher):
    assert teacher.name == "ada"
    assert teacher.endpoint
    assert teacher.model
    assert isinstance(teacher.abilities, TeacherAbilities)
    assert teacher.abilities.concurrency >= 1
    assert isinstance(teacher.price, Price)


def test_order_is_kept(teacher, store):
    asked = ask_all(requests(teacher), teacher, account=Account(store=store, place=PLACE), config=FAST)
    one_by_one = [
        ask_all([request], teacher, account=Account(store=store, place=PLACE), config=FAST).replies[0].text
        for request in requests(teacher)
    ]
    assert [reply.text for reply in asked.replies] == one_by_one
    assert all(reply.failure is None and reply.text for reply in asked.replies)
    assert len(set(one_by_one)) > 1


def test_failure_is_a_record(teacher, store):
    class Broken(Flaky):
        async def complete(self, request):
            if request.example_id == "e1":
                raise OSError("gone")
            return await self.inner.complete(request)

    asked = ask_all(
        requests(teacher, 3), Broken(teacher), account=Account(store=store, place=PLACE), config=FAST
    )
    kinds = [reply.failure and reply.failure.kind for reply in asked.replies]
    assert kinds == [None, "exception", None]


def test_cost_is_counted_once(teacher, store):
    first = ask_all(requests(teacher), teacher, account=Account(store=store, place=PLACE), config=FAST)
    again = ask_all(requests(teacher), teacher, account=Account(store=store, place=PLACE), config=FAST)
    bare = [dataclasses.replace(reply, raw="", headers="") for reply in first.replies]
    assert list(again.replies) == bare
    rows = attempts(store)
    assert len(rows) == COUNT
    nano = sum(Cost.of(reply.usage, teacher.price).nano or 0 for reply in first.replies)
    assert sum(row["cost_nano"] for row in rows) == nano > 0
    spend = store.spend("r1")
    assert spend.usd == pytest.approx(nano / 1e9)
    assert spend.paid_usd == pytest.approx(nano / 1e9 if teacher.abilities.is_paid else 0.0)


def test_real_cost_stays_within_what_was_set_aside(teacher, store):
    ask_all(requests(teacher), teacher, account=Account(store=store, place=PLACE), config=FAST)
    for row in attempts(store):
        assert row["tokens"] <= row["worst_tokens"]
        assert row["paid_nano"] <= row["worst_nano"]


def test_retry_is_counted(teacher, store):
    asked = ask_all(
        requests(teacher, 4), Flaky(teacher), account=Account(store=store, place=PLACE), config=FAST
    )
    assert all(reply.failure is None for reply in asked.replies)
    assert sorted(row["state"] for row in attempts(store)) == ["failed"] * 4 + ["kept"] * 4
    assert store.spend("r1").calls == 8


def test_usage_is_said(teacher, store):
    [reply] = ask_all(
        requests(teacher, 1), teacher, account=Account(store=store, place=PLACE), config=FAST
    ).replies
    assert reply.usage.prompt_tokens > 0
    assert reply.usage.completion_tokens > 0
