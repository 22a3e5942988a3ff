"""The batch form over HTTP: what is sent, how every kind of line is read, which faults may pass."""

import asyncio
import dataclasses
import json

import pytest
from endpoints import SECRET, USAGE, completion
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from loopback import served
from tuition.core.budget import Price
from tuition.core.errors import TeacherError
from tuition.core.protocols import BatchTeacher, Teacher
from tuition.core.records import Message, Request, Usage
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http import batch
from tuition.teachers.http.batch import read_line, rows_of


class Provider:
    """Batches as a test puts them; keeps what came."""

    def __init__(self):
        self.uploads, self.created, self.headers = [], [], []
        self.file = JSONResponse({"id": "file-1"})
        self.answer = JSONResponse({"id": "batch-1", "status": "validating"})
        self.batch = {"id": "batch-1", "status": "completed", "output_file_id": "out"}
        self.look = None
        self.pages = [{"data": [], "has_more": False}]
        self.content = {}

    async def upload(self, http):
        self.headers.append(dict(http.headers))
        self.uploads.append((http.headers["content-type"], await http.body()))
        return self.file

    async def create(self, http):
        self.created.append(await http.json())
        return self.answer

    async def listed(self, http):
        after = http.query_params.get("after")
        ids = [page["data"][-1]["id"] if page["data"] else None for page in self.pages]
        return JSONResponse(self.pages[ids.index(after) + 1 if after else 0])

    async def show(self, http):
        batch = self.look() if self.look else self.batch
        return batch if isinstance(batch, Response) else JSONResponse(batch)

    async def fetch(self, http):
        found = self.content[http.path_params["id"]]
        return found if isinstance(found, Response) else Response(found)


ROUTES = (
    ("/v1/files", "upload", "POST"),
    ("/v1/files/{id}/content", "fetch", "GET"),
    ("/v1/batches", "create", "POST"),
    ("/v1/batches", "listed", "GET"),
    ("/v1/batches/{id}", "show", "GET"),
)


@pytest.fixture(scope="module")
def running():
    provider = Provider()
    routes = [Route(path, getattr(provider, name), methods=[method]) for path, name, method in ROUTES]
    with served(Starlette(routes=routes)) as url:
        provider.url = url
        yield provider


@pytest.fixture
def provider(running):
    running.__init__()
    return running


@pytest.fixture
def teacher(provider, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    return made(provider.url, api_key_env="TEACHER_KEY")


def made(url, **more):
    wire = {"in_batches": True, "batch_poll_s": 0.01, **more.pop("wire", {})}
    table = {"name": "a", "model": "m", "base_url": url, "wire": wire, "timeout_s": 5, "price_prompt": 1}
    return make_teacher(TeacherConfig(**table, price_completion=2, **more))


def requests(teacher, n=3):
    return [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=f"Why {i}?\u2028"),),
            parameters={"max_tokens": 50},
            tag=f"b-{i}",
        )
        for i in range(n)
    ]


def line(tag, body=None, status=200, error=None):
    response = None if body is None else {"status_code": status, "request_id": "r", "body": body}
    return json.dumps({"id": "x", "custom_id": tag, "response": response, "error": error}) + "\n"


def submit(teacher, n=3):
    return asyncio.run(teacher.submit("ours", requests(teacher, n)))


def collect(teacher, n=3):
    return asyncio.run(teacher.collect("batch-1", requests(teacher, n)))


def test_a_table_that_wants_batches_makes_a_teacher_of_batches(teacher):
    assert isinstance(teacher, BatchTeacher)
    made_teacher: Teacher = teacher
    assert made_teacher.abilities.in_batches
    assert teacher.price == Price(prompt=500_000_000, completion=1_000_000_000)
    assert teacher.poll_s == 0.01


def test_a_single_call_is_refused(teacher):
    failure = asyncio.run(teacher.complete(requests(teacher)[0])).failure
    assert (failure.kind, failure.is_paid) == ("unusable", False)
    assert "asked in batches alone" in failure.message


def test_a_line_has_the_system_message_and_the_turns(teacher):
    turns = [("system", "Be brief."), ("user", "Why?"), ("assistant", "So."), ("user", "How?")]
    [request] = requests(teacher, 1)
    messages = tuple(Message(role=role, content=content) for role, content in turns)
    line = teacher.line(dataclasses.replace(request, messages=messages))
    assert [(turn["role"], turn["content"]) for turn in line["body"]["messages"]] == turns


def test_what_is_sent(provider, teacher):
    assert submit(teacher) == "batch-1"
    [(form, content)] = provider.uploads
    assert form.startswith("multipart/form-data")
    assert b'name="purpose"\r\n\r\nbatch\r\n' in content
    body = content.split(b"\r\n\r\n")
    [lines] = [part for part in body if part.lstrip().startswith(b"{")]
    rows = [json.loads(text) for text in lines.split(b"\r\n--")[0].split(b"\n") if text]
    assert [row["custom_id"] for row in rows] == ["b-0", "b-1", "b-2"]
    assert rows[0] == {
        "custom_id": "b-0",
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "Why 0?\u2028"}], "max_tokens": 50},
    }
    assert provider.created == [
        {
            "input_file_id": "file-1",
            "endpoint": "/v1/chat/completions",
            "completion_window": "24h",
            "metadata": {"tuition": "ours"},
        }
    ]
    assert provider.headers[0]["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("what", "answer", "error", "said"),
    [
        (
            "file",
            JSONResponse({"error": {"message": "down"}}, 500),
            ConnectionError,
            "/files: HTTP 500: down",
        ),
        (
            "file",
            JSONResponse({"error": {"message": "slow"}}, 429),
            ConnectionError,
            "/files: HTTP 429: slow",
        ),
        ("file", JSONResponse({}, 200), ConnectionError, "what came back has no id"),
        ("answer", Response("<html>", 502), ConnectionError, "/batches: HTTP 502"),
        ("answer", Response("<html>", 200), ConnectionError, "the body is no JSON object"),
        ("answer", JSONResponse([], 200), ConnectionError, "the body is no JSON object"),
        ("file", JSONResponse({"detail": "Not Found"}, 404), TeacherError, "seems to have no batches"),
        ("answer", JSONResponse({"error": {"message": "bad"}}, 400), TeacherError, "HTTP 400: bad. Mend its"),
        ("answer", JSONResponse({"error": {"message": SECRET}}, 401), TeacherError, r"HTTP 401: \*\*\*"),
        ("answer", JSONResponse({"error": SECRET}, 500), ConnectionError, r"HTTP 500: \*\*\*"),
    ],
)
def test_what_is_not_taken(provider, teacher, what, answer, error, said):
    setattr(provider, what, answer)
    with pytest.raises(error, match=said) as caught:
        submit(teacher)
    assert SECRET not in str(caught.value)


def test_nobody_listening_may_pass():
    silent = made("http://127.0.0.1:9/v1")
    with pytest.raises(ConnectionError, match="before the request was sent"):
        submit(silent)


def test_a_file_beyond_the_limit_is_refused_unsent(provider, teacher, monkeypatch):
    monkeypatch.setattr(batch, "_MOST_BYTES", 100)
    with pytest.raises(TeacherError, match="more than the 100 that are taken"):
        submit(teacher)
    assert provider.uploads == []


def test_a_batch_is_found_on_a_later_page_by_its_name(provider, teacher):
    def page(*names, more=True):
        rows = [{"id": f"b-{name}", "metadata": {"tuition": name}} for name in names]
        return {"data": rows, "has_more": more}

    provider.pages = [page("x", "y"), {"data": [{"id": "b-3", "metadata": None}, "junk"], "has_more": True}]
    provider.pages[1]["data"].pop()
    provider.pages.append(page("ours", "z", more=False))
    assert asyncio.run(teacher.find("ours")) == "b-ours"
    assert asyncio.run(teacher.find("other")) is None
    provider.pages = [page("x"), page("x")]
    assert asyncio.run(teacher.find("ours")) is None, "a list that goes round in a ring ends"


@pytest.mark.parametrize(
    ("status", "is_over"),
    [
        ("validating", False),
        ("in_progress", False),
        ("finalizing", False),
        ("cancelling", False),
        ("completed", True),
        ("failed", True),
        ("expired", True),
        ("cancelled", True),
    ],
)
def test_how_far_it_is(provider, teacher, status, is_over):
    counts = {"total": 9, "completed": 4, "failed": 1}
    provider.batch = {"id": "batch-1", "status": status, "request_counts": counts}
    state = asyncio.run(teacher.poll("batch-1"))
    assert (state.is_over, state.said, state.done, state.total) == (is_over, status, 5, 9)
    provider.batch = JSONResponse({"error": {"message": "No such batch"}}, 404)
    with pytest.raises(TeacherError, match="No such batch"):
        asyncio.run(teacher.poll("batch-1"))
    provider.batch = Response("", 503)
    with pytest.raises(ConnectionError):
        asyncio.run(teacher.poll("batch-1"))


def test_both_files_are_read_in_any_order_and_each_line_is_its_own(provider, teacher):
    provider.batch |= {"error_file_id": "err"}
    provider.content = {
        "out": line("b-2", completion("Two. ")) + "\n" + line("b-0", completion(f"Zero {SECRET}")) + "junk\n",
        "err": line("b-1", {"error": {"message": "too long"}}, 400) + line("b-2", {}, 500) + line("?", {}),
    }
    replies = collect(teacher)
    assert [reply.text for reply in replies] == ["Zero ***", "", "Two. "]
    assert replies[2].usage == Usage(
        prompt_tokens=12, cached_tokens=4, completion_tokens=7, reasoning_tokens=5
    )
    assert json.loads(replies[2].raw)["custom_id"] == "b-2"
    failure = replies[1].failure
    assert (failure.kind, failure.message, failure.is_paid) == ("bad_request", "HTTP 400: too long", False)
    assert SECRET not in json.dumps([reply.to_json() for reply in replies])


def test_what_an_endpoint_does_not_take_is_left_out_next_time(provider, teacher):
    said = {
        "error": {"message": "Unsupported parameter: 'max_tokens' is not supported", "param": "max_tokens"}
    }
    provider.content = {"out": line("b-0", said, 400)}
    [reply] = collect(teacher, 1)
    assert (reply.failure.kind, reply.failure.is_retryable) == ("bad_request", True)
    assert teacher.line(requests(teacher)[0])["body"]["max_completion_tokens"] == 50


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_was_not_got_to_costs_nothing_and_is_asked_again(provider, teacher, status):
    provider.batch = {"status": status, "output_file_id": "out", "error_file_id": None}
    lost = line("b-1", None, error={"code": f"batch_{status}", "message": "too late"})
    provider.content = {"out": line("b-0", completion()) + lost}
    replies = collect(teacher)
    assert replies[0].failure is None
    for reply in replies[1:]:
        assert (reply.failure.kind, reply.failure.is_retryable, reply.failure.is_paid) == (
            "expired",
            True,
            False,
        )


def test_a_line_that_is_missing_may_have_been_charged(provider, teacher):
    provider.content = {"out": line("b-0", completion())}
    failure = collect(teacher)[1].failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("unknown_outcome", True, None)


@pytest.mark.parametrize("late", ["output_file_id", "error_file_id"])
def test_a_file_that_is_not_named_yet_is_waited_for(provider, teacher, late):
    whole = {"id": "batch-1", "status": "completed", "output_file_id": "out", "error_file_id": "err"}
    provider.content = {
        "out": line("b-0", completion()) + line("b-1", completion()),
        "err": line("b-2", {"error": {"message": "too long"}}, 400),
    }
    looks = iter([{**whole, late: None}, {**whole, late: None}, whole])
    provider.look = lambda: next(looks)
    kinds = [reply.failure and reply.failure.kind for reply in collect(teacher)]
    assert (kinds, next(looks, None)) == ([None, None, "bad_request"], None)


def test_a_file_that_is_never_named_is_not_waited_for_without_end(provider, teacher):
    looks = []
    provider.look = lambda: looks.append(1) or {"status": "completed", "output_file_id": None}
    assert [reply.failure.kind for reply in collect(teacher)] == ["unknown_outcome"] * 3
    assert len(looks) == 4


def test_no_part_of_the_key_is_in_an_error(provider, teacher):
    provider.file = JSONResponse({"object": "x" * 90 + SECRET})
    with pytest.raises(ConnectionError, match="what came back has no id") as caught:
        submit(teacher)
    provider.batch = JSONResponse("x" * 110 + SECRET)
    with pytest.raises(ConnectionError, match="the body is no JSON object") as polled:
        asyncio.run(teacher.poll("batch-1"))
    assert SECRET[:6] not in f"{caught.value} {polled.value}"
    provider.batch = {"status": "completed", "output_file_id": "out", "error_file_id": None}
    provider.content = {"out": line("b-0", None, error={"message": "x" * 290 + SECRET})}
    message = collect(teacher, 1)[0].failure.message
    assert (message[:3], SECRET[:6] in message) == ("xxx", False)


def test_a_file_that_is_not_there_yet_may_come(provider, teacher):
    provider.content = {"out": JSONResponse({"error": {"message": "No such file"}}, 404)}
    with pytest.raises(ConnectionError, match="No such file"):
        collect(teacher)


@pytest.mark.parametrize(
    ("errors", "kinds"),
    [
        ([{"code": "x", "message": "bad", "line": 2}], ["server", "bad_request", "server"]),
        ([{"code": "model_not_found", "message": "none", "line": None}], ["not_found"] * 3),
        ([{"code": "token_limit_exceeded", "message": "queue", "line": None}], ["rate_limit"] * 3),
        ([{"code": "billing_hard_limit_reached", "message": "empty"}], ["quota"] * 3),
        ([], ["bad_request"] * 3),
        (None, ["bad_request"] * 3),
    ],
)
def test_a_batch_refused_whole_costs_nothing(provider, teacher, errors, kinds):
    provider.batch = {"status": "failed", "errors": None if errors is None else {"data": errors}}
    failures = [reply.failure for reply in collect(teacher)]
    assert [failure.kind for failure in failures] == kinds
    assert not any(failure.is_paid for failure in failures)
    assert [failure.is_retryable for failure in failures] == [
        kind in ("server", "rate_limit") for kind in kinds
    ]


@pytest.mark.parametrize(
    ("row", "kind", "is_paid"),
    [
        ({"response": {"status_code": 200, "body": completion()}}, None, None),
        ({"response": completion()}, None, None),
        ({"response": {"status_code": 200, "body": {"choices": [], "usage": USAGE}}}, "malformed", True),
        ({"response": {"status_code": 200, "body": "junk"}}, "malformed", None),
        ({"response": {"status_code": 200, "body": [1]}}, "malformed", None),
        ({"response": {"status_code": 200, "body": {"error": {"message": "up"}}}}, "server", False),
        ({"response": {"status_code": 429, "body": {}}}, "rate_limit", False),
        ({"response": {"status_code": 504, "body": None}}, "server", None),
        ({"response": {"status_code": 400, "body": None}, "error": {"message": "x"}}, "bad_request", False),
        ({"response": {"status_code": 200, "body": None}, "error": None}, "malformed", None),
        ({"response": {"status_code": "x", "body": {}}}, "malformed", None),
        ({"response": None, "error": "engine died"}, "server", False),
        ({"response": None, "error": {"code": 7, "message": None}}, "malformed", None),
        ({"response": 3}, "malformed", None),
        ({}, "malformed", None),
    ],
)
def test_lines_of_every_kind(teacher, row, kind, is_paid):
    reply = read_line(row, json.dumps(row), requests(teacher)[0])
    assert (reply.failure and reply.failure.kind) == kind
    if kind is not None:
        assert reply.failure.is_paid is is_paid
    assert reply.raw == json.dumps(row)


def test_rows_of_a_file():
    text = '{"custom_id": "a", "n": 1}\n\n{"custom_id": "a", "n": 2}\n{"custom_id": "b", "resp\n[1]\n'
    rows = rows_of(text)
    assert set(rows) == {"a", "b"}
    assert rows["a"][0]["n"] == 1
    assert rows["b"] == ({}, '{"custom_id": "b", "resp')
