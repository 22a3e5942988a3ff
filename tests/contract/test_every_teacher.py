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

from tuition.core.errors import ConfigError
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Usage
from tuition.playground.teachers import PlaygroundTeacher
from tuition.teachers import TEACHERS, TeacherConfig, make_teacher
from tuition.teachers.http.forms import FORMS
from tuition.testing import check_teacher
from tuition.testing.teachers import QUESTIONS

PLUGGED = [entry.name for entry in entry_points(group="tuition.teachers")]
KINDS = [(kind, form) for kind in TEACHERS for form in (FORMS if kind == "chat" else [""])]
KINDS += [(kind, "") for kind in PLUGGED]
COUNT = len(QUESTIONS)


def question(i):
    return QUESTIONS[i]


@pytest.fixture(scope="module")
def endpoint():
    """A real server that answers every call in the form that the test sets."""
    script = Script()
    with serving(script) as script.url:
        yield script


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny random language model, for the teacher that runs its own."""
    from tuition.student.load import make_model

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


def test_it_keeps_the_contract(teacher):
    assert teacher.name == "ada"
    check_teacher(lambda: teacher, QUESTIONS)


class Careless(PlaygroundTeacher):
    """A teacher that keeps a clause of the contract no longer."""

    def __init__(self, spoil):
        super().__init__("ada", name="ada")
        self.spoil = spoil

    async def complete(self, request):
        return self.spoil(request, await super().complete(request))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda request, reply: dataclasses.replace(reply, text="so"), "all got one and the same reply"),
        (lambda request, reply: dataclasses.replace(reply, usage=Usage()), "tokens must be counted"),
        (lambda request, reply: dataclasses.replace(reply, text=""), "e0: no text, failure"),
        (
            lambda request, reply: dataclasses.replace(
                reply, usage=dataclasses.replace(reply.usage, completion_tokens=10**6)
            ),
            "a call used .* tokens, over its bound",
        ),
    ],
)
def test_what_is_careless_is_told(spoil, words):
    with pytest.raises(AssertionError, match=words):
        check_teacher(lambda: Careless(spoil))


def test_what_is_missing_is_told():
    class Mute:
        name = endpoint = model = "m"
        price, abilities = None, TeacherAbilities()

    with pytest.raises(ConfigError, match="class Mute lacks complete; docs/extend/teacher"):
        check_teacher(Mute)
    Mute.complete, Mute.endpoint = None, ""
    with pytest.raises(AssertionError, match="endpoint is empty; replies are kept under it"):
        check_teacher(Mute)
