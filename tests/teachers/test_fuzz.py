"""Whatever a body holds, it is read as a reply: with a text or a failure, its usage never negative."""

import copy
import json
from random import Random

import bodies
import pytest
from endpoints import SECRET, USAGE, choice, request
from hypothesis import given, settings
from hypothesis import strategies as st

from tuition.core.budget import Cost, Price
from tuition.teachers import TeacherConfig
from tuition.teachers.http.chat import ChatTeacher
from tuition.teachers.http.connections import Answer
from tuition.teachers.http.forms import FORMS

HOW = ("replace", "replace", "remove")
GOOD = {
    **{form: bodies.of(form).body("So 4.", thought="2 and 2") for form in FORMS},
    "openai": {
        "id": "x",
        "model": "m",
        "choices": [
            choice("<think>hm</think>So 4.", reasoning="2 and 2"),
            choice([{"type": "text", "text": "So"}, {"type": "thinking", "thinking": [{"text": "hm"}]}]),
        ],
        "usage": {**USAGE, "total_tokens": 19},
        "error": None,
    },
    "error": {
        "error": {
            "message": "temperature",
            "code": 429,
            "type": "x",
            "param": "n",
            "details": [{"retryDelay": "3s"}],
        },
        "detail": [{"loc": ["body", "n"], "msg": "no"}],
    },
}
NUMBERS = [0, -1, 1.5, -2.5, 10**9, 10**18, 10**400, 1e308, float("inf"), float("-inf"), float("nan"), True]
TEXTS = [
    "",
    " ",
    "x",
    "\ud800",
    "\x00",
    "<think>",
    "</think>",
    SECRET,
    "length",
    "\u202e",
    "1e999",
    "9" * 5000,
]
ODD = [[], {}, [[]], [{}], [None], {"text": 1}, [{"text": "x"}], {"message": {}}, [{"message": {}}]]
DEEP = ["[" * 5000, '{"choices":' * 3000, "[" * 900 + "]" * 900, "[" * 3000 + "]" * 3000]


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


PLACES = {name: list(places(body))[1:] for name, body in GOOD.items()}


def wrong(random, depth=0):
    """A value that should not be there: of any type, empty, huge, or nested."""
    kind = random.randrange(5 if depth < 3 else 3)
    if kind == 3:
        return [wrong(random, depth + 1) for _ in range(random.randrange(4))]
    if kind == 4:
        names = ["text", "message", "content", "thinking", "error", "code", "detail", "loc", "x"]
        return {random.choice(names): wrong(random, depth + 1) for _ in range(random.randrange(4))}
    return copy.deepcopy(random.choice([NUMBERS, TEXTS, ODD][kind]))


def spoiled(seed):
    """A good body with some places replaced or removed, now and then cut, or something else altogether."""
    random = Random(seed)
    name = random.choice(list(GOOD))
    body = copy.deepcopy(GOOD[name])
    for _ in range(random.randrange(4)):
        spoil(body, random.choice(PLACES[name]), how=random.choice(HOW), value=wrong(random))
    text = json.dumps(body, ensure_ascii=random.random() < 0.5)
    match random.randrange(20):
        case 0 | 1:
            return text[: random.randrange(len(text))]
        case 2:
            return random.choice(DEEP)
        case 3:
            return json.dumps(wrong(random))
    return text


def spoil(body, path, *, how, value):
    for key in path[:-1]:
        try:
            body = body[key]
        except (KeyError, IndexError, TypeError):
            return
    try:
        if how == "remove":
            del body[path[-1]]
        else:
            body[path[-1]] = value
    except (KeyError, IndexError, TypeError):
        return


@pytest.fixture(scope="module")
def teachers():
    patch = pytest.MonkeyPatch()
    patch.setenv("TEACHER_KEY", SECRET)
    table = {"name": "a", "base_url": "http://127.0.0.1:9/v1", "api_key_env": "TEACHER_KEY"}
    price = {"price_prompt": 0.15, "price_completion": 0.6, "price_cached": 0.075}
    made = {form: ChatTeacher(TeacherConfig(**table, **price, wire={"form": form})) for form in FORMS}
    patch.undo()
    return made


@settings(max_examples=1250)
@given(seed=st.integers(0, 2**40))
def test_ten_thousand_bodies(teachers, seed):
    for i in range(4):
        read_one(teachers, f"{seed}/{i}")


def read_one(teachers, seed):
    text, random = spoiled(seed), Random(seed)
    status = random.choice([200, 200, 200, 200, 400, 422, 429, 500, 302])
    for form, teacher in teachers.items():
        n = 1 if "n" in FORMS[form].absent else random.randrange(1, 4)
        requests = [request(teacher, sample=i, temperature=1.0) for i in range(n)]
        answer = Answer(status=status, text=text, headers={})
        sent = {*requests[0].parameters, *(["n"] if n > 1 else [])}
        for reply in teacher.read(answer, requests, sent=sent):
            check(reply, teacher.price)


def check(reply, price: Price):
    assert bool(reply.text.strip()) != (reply.failure is not None)
    usage = reply.usage
    assert 0 <= usage.cached_tokens <= usage.prompt_tokens
    assert 0 <= usage.reasoning_tokens <= usage.completion_tokens
    cost = Cost.of(usage, price)
    assert cost.nano is not None
    assert (cost.nano >= 0, cost.tokens >= 0, cost.tokens < 2**40) == (True, True, True)
    assert SECRET not in reply.text + reply.reasoning + reply.raw + reply.finish + reply.model
    assert reply.failure is None or SECRET not in reply.failure.message
    json.dumps(reply.to_json())
