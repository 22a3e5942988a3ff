"""`tuition capture`: OpenAI's client through it, what is kept, and what never is."""

import asyncio
import gzip
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from asked import CHAT, until
from upstream import COOKIE, KEY, Upstream, answer_to

from loopback import served
from tuition.cli.main import main
from tuition.core.errors import ConfigError, DataError
from tuition.core.rows import read_rows
from tuition.serving import CaptureConfig, Captured
from tuition.serving.proxy import check_upstream, proxy
from tuition.teachers.config import TeacherConfig
from tuition.teachers.recorded import RecordedTeacher

openai = pytest.importorskip("openai", reason="the package openai is absent; it comes with the extra test")


class Through:
    """An endpoint, the server before it, and clients of both."""

    def __init__(self, behind, upstream, address, captured):
        self.behind, self.upstream, self.address, self.captured = behind, upstream, address, captured
        self.http = httpx2.Client(base_url=address, timeout=30, headers={"authorization": f"Bearer {KEY}"})
        self.client = openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0)

    def ask(self, question, **more):
        return self.client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": question}], **more
        )

    def body(self, question, **more):
        return {"model": "gpt", "messages": [{"role": "user", "content": question}], **more}

    @property
    def rows(self):
        return list(read_rows(self.captured.path))


@pytest.fixture
def through(tmp_path):
    opened = []

    def start(delay_s=0.0, **config):
        behind = Upstream(delay_s)
        upstream = served(behind.app)
        opened.append(upstream)
        address = upstream.__enter__()
        captured = Captured(tmp_path / "kept" / "captured.jsonl")
        front = served(proxy(address, captured, CaptureConfig(**config)), path="", lifespan="on")
        opened.append(front)
        made = Through(behind, address, front.__enter__(), captured)
        opened.append(made)
        return made

    yield start
    for one in reversed(opened):
        if isinstance(one, Through):
            one.http.close()
            one.client.close()
            one.captured.close()
        else:
            one.__exit__(None, None, None)


def no_secret_in(folder):
    """Nothing in a folder holds the key or the cookie."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(secret.encode() in data for secret in (KEY, COOKIE, COOKIE.partition("=")[2])), (
                path
            )


def test_an_answer_is_passed_on_and_kept(through, tmp_path):
    made = through()
    answer = made.ask("one two")
    assert answer.choices[0].message.content == "Answer to one two"
    assert [model.id for model in made.client.models.list()] == ["gpt"]
    [row] = made.rows
    assert row["question"] == "one two"
    assert (row["choices"], row["answer"]) == ([], None)
    assert row["rationales"] == {
        "gpt": {
            "text": "Answer to one two",
            "answer": None,
            "model": "gpt-2026",
            "usage": {"prompt_tokens": 7, "completion_tokens": 7, "total_tokens": 14},
        }
    }
    assert stat.S_IMODE(made.captured.path.stat().st_mode) == 0o600
    sent = made.behind.requests[0]
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["host"] == made.upstream.removeprefix("http://").partition("/")[0]
    no_secret_in(tmp_path)


def test_a_stream_comes_as_it_is_written_and_is_kept_before_its_end(through):
    made = through(delay_s=0.3)
    begun = time.monotonic()
    stream = iter(made.ask("one two", stream=True, stream_options={"include_usage": True}))
    next(stream), next(stream)
    assert time.monotonic() - begun < 0.9
    assert made.rows == []
    rest = list(stream)
    assert rest[-1].usage.completion_tokens == 7
    [row] = made.rows
    assert row["rationales"]["gpt"]["text"] == "Answer to one two "
    assert row["rationales"]["gpt"]["usage"]["prompt_tokens"] == 7


def test_bodies_and_headers_are_the_upstreams(through):
    made = through()
    direct = httpx2.post(f"{made.upstream}/chat/completions", json=made.body("one"))
    given = made.http.post(
        CHAT,
        json=made.body("one"),
        headers={"cookie": COOKIE, "connection": "x-own", "x-own": "1", "x-stays": "2", "te": "trailers"},
    )
    assert given.content == direct.content
    assert given.headers["x-request-id"] == "r1"
    assert given.headers["set-cookie"] == "a=b"
    assert len(given.headers.get_list("date")) == 1
    sent = made.behind.requests[-1].headers
    assert sent["cookie"] == COOKIE
    assert sent["x-stays"] == "2"
    assert not {"x-own", "te"} & {*sent}
    assert made.http.get("/v1/models", params={"after": "x y"}).status_code == 200
    assert made.behind.requests[-1].url.query == "after=x+y"
    streamed = [
        httpx2.post(f"{base}/chat/completions", json=made.body("one", stream=True)).content
        for base in (made.upstream, f"{made.address}/v1")
    ]
    assert streamed[0] == streamed[1]


def test_what_is_packed_is_passed_on_packed_and_read(through):
    made = through()
    with made.http.stream("POST", CHAT, json=made.body("packed")) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(raw))["choices"][0]["message"]["content"] == "Answer to packed"
    assert made.rows[0]["rationales"]["gpt"]["text"] == "Answer to packed"


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_the_upstream_are_passed_on_and_not_kept(through, status, stream, tmp_path):
    made = through()
    direct = httpx2.post(
        f"{made.upstream}/chat/completions", json=made.body(f"error {status}", stream=stream)
    )
    with pytest.raises(openai.APIStatusError) as error:
        made.ask(f"error {status}", stream=stream)
    assert error.value.status_code == status
    assert error.value.response.content == direct.content
    assert error.value.response.headers["retry-after"] == "7"
    assert made.rows == []
    assert made.captured.passed_over == {"an error of the upstream": 1}
    no_secret_in(tmp_path)


def test_what_is_no_text_is_passed_on_and_counted(through):
    made = through()
    assert made.ask("tool").choices[0].message.tool_calls
    picture = [{"type": "image_url", "image_url": {"url": "data:,"}}]
    made.client.chat.completions.create(model="gpt", messages=[{"role": "user", "content": picture}])
    made.client.chat.completions.create(model="gpt", messages=[{"role": "assistant", "content": "so"}])
    with pytest.raises(openai.APIError, match="overloaded"):
        list(made.ask("breaks", stream=True))
    assert made.rows == []
    assert made.captured.passed_over == {
        "a call of a tool, or no text": 1,
        "no text in the messages": 1,
        "no question at the end of the messages": 1,
        "an error of the upstream": 1,
    }


@pytest.mark.parametrize(
    ("messages", "delta", "reason"),
    [
        (
            [{"role": "tool", "content": "4"}, {"role": "user", "content": "so"}],
            {"content": "a"},
            "a turn that is",
        ),
        ([{"role": "user", "content": "so"}], {"tool_calls": [{"index": 0}]}, "a call of a tool"),
        (
            [{"role": "user", "content": "so"}],
            {"content": "a", "tool_calls": [{"index": 0}]},
            "a call of a tool",
        ),
        ([{"role": "user", "content": "so"}], {"content": "a", "tool_calls": None}, ""),
        ([{"role": "user", "content": "so"}], {"content": "a", "refusal": "no"}, "cut off, refused"),
        ("so", {"content": "a"}, "no question"),
        ([{"role": "user", "content": "so"}], "a", "of another form"),
    ],
)
def test_chunks_of_each_kind(tmp_path, messages, delta, reason):
    captured = Captured(tmp_path / "captured.jsonl")
    chunk = {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": "stop"}]}
    asked, said = json.dumps({"model": "m", "messages": messages}), f"data: {json.dumps(chunk)}\r\n\r\n"
    captured.note(asked.encode(), said.encode(), is_streamed=True, clean=str)
    captured.close()
    assert list(captured.kept) == ([] if reason else ["m"])
    assert [said.startswith(reason) for said in captured.passed_over] == ([True] if reason else [])


def test_several_turns_samples_and_a_reply_that_was_cut(through):
    made = through()
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "one"}]},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": "cut"},
    ]
    made.client.chat.completions.create(model="gpt", messages=messages, n=2)
    [row] = made.rows
    assert row["question"] == ""
    assert row["messages"] == [{"role": "user", "content": "one"}, *messages[2:]]
    entry = row["rationales"]["gpt"]
    assert [sample["text"] for sample in entry["samples"]] == ["Answer to cut"] * 2
    assert entry["system"] == "Be brief."
    assert entry["finish"] == "length"


def test_personal_data_and_keys_are_masked_before_they_are_written(through, tmp_path):
    made = through()
    said = f"I am jo@shop.example, +49 30 1234567, 4111 1111 1111 1111, GB29NWBK60161331926819; key {KEY}"
    assert KEY in made.ask(said).choices[0].message.content
    [row] = made.rows
    masked = "I am [email], [phone], [card], [iban]; key [key]"
    assert row["question"] == masked
    assert row["rationales"]["gpt"]["text"] == answer_to(masked)
    no_secret_in(tmp_path)


def test_a_mask_that_is_not_wanted(through):
    made = through(mask=["phone"])
    made.ask("jo@shop.example, 202-555-0143")
    assert made.rows[0]["question"] == "jo@shop.example, [phone]"


def test_fifty_at_once(through):
    made = through(delay_s=0.2)
    begun = time.monotonic()
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda i: made.ask(f"question {i}", stream=i % 2 == 0), range(50)))
        texts = list(pool.map(_text_of, answers))
    assert time.monotonic() - begun < 20
    assert texts == [answer_to(f"question {i}") for i in range(50)]
    assert sorted(row["question"] for row in made.rows) == sorted(f"question {i}" for i in range(50))
    assert len({row["id"] for row in made.rows}) == 50


def _text_of(answer):
    if hasattr(answer, "choices"):
        return answer.choices[0].message.content
    return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices).strip()


def test_a_big_answer_and_one_that_is_too_big_to_keep(through):
    made = through()
    assert len(made.ask("big").choices[0].message.content) == 5_500_000
    assert len(made.rows[0]["rationales"]["gpt"]["text"]) == 5_500_000


def test_bounds_of_bodies(through):
    made = through(answer_bytes=1000, body_bytes=2000)
    assert len(made.ask("big").choices[0].message.content) == 5_500_000
    assert made.captured.passed_over == {"of more than 1000 bytes": 1}
    with pytest.raises(openai.APIStatusError, match="more than 2000 bytes") as error:
        made.ask("x" * 2000)
    assert error.value.status_code == 413
    assert made.rows == []


def test_so_many_at_once_and_no_more(through):
    made = through(concurrency=1, delay_s=0.4)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(made.ask, "first")
        until(lambda: made.behind.requests)
        with pytest.raises(openai.InternalServerError, match="1 requests are being passed on"):
            made.ask("second")
        first.result()
    assert [row["question"] for row in made.rows] == ["first"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_ends_the_call_and_nothing_is_kept(through, stream):
    made = through(delay_s=0.5)
    if stream:
        with made.ask("one two three four five", stream=True) as answer:
            next(iter(answer))
        until(lambda: made.behind.cancelled == 1)
        until(lambda: made.captured.passed_over.total() == 1)
        assert made.captured.passed_over == {"cut off, refused or filtered": 1}
    else:
        with pytest.raises(openai.APITimeoutError):
            made.ask("one", timeout=0.1)
    time.sleep(0.6)
    assert made.rows == []
    assert made.ask("again").choices[0].message.content == "Answer to again"
    assert len(made.rows) == 1


def test_only_paths_below_v1_and_no_redirects(through):
    made = through()
    for path in ("/secret", "/", "/v1", "/health", "/v2/models"):
        assert made.http.get(path).status_code == 404, path
    port = int(made.address.rpartition(":")[2])
    for path in (
        "/v1/../secret",
        "/v1/%2e%2e/secret",
        "/v1/..%2fsecret",
        "/v1/%252e%252e/secret",
        "/v1/..\\secret",
    ):
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert raw.recv(4096).startswith(b"HTTP/1.1 404"), path
    moved = made.http.get("/v1/moved")
    assert moved.status_code == 502
    assert "answers with a redirect (307), which is not followed" in moved.json()["error"]["message"]
    assert "location" not in moved.headers
    evil = made.http.get("/v1/models", headers={"host": "evil.example"})
    assert evil.status_code == 403
    assert made.behind.requests == []


def test_an_upstream_that_is_not_there_or_breaks_off(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        captured = Captured(tmp_path / "captured.jsonl")
        with served(proxy(address, captured, CaptureConfig()), path="", lifespan="on") as front:
            answer = httpx2.post(f"{front}{CHAT}", json={})
            assert answer.status_code == 502
            assert "cannot be asked" in answer.json()["error"]["message"]
        free.listen()

        def break_off():
            connection, _ = free.accept()
            connection.recv(10_000)
            connection.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
            )
            connection.close()

        thread = threading.Thread(target=break_off)
        thread.start()
        with (
            served(proxy(address, captured, CaptureConfig()), path="", lifespan="on") as front,
            pytest.raises(httpx2.RemoteProtocolError),
        ):
            httpx2.post(f"{front}{CHAT}", json={})
        thread.join()
        with served(proxy(address, captured, CaptureConfig(timeout_s=0.2)), path="", lifespan="on") as front:
            assert httpx2.post(f"{front}{CHAT}", json={}).status_code == 504
        captured.close()
    assert captured.passed_over == {"of another form": 1}
    assert captured.path.read_bytes() == b""


def test_what_is_kept_is_a_pool_and_a_recorded_teacher(through):
    from tuition.core.records import Message, Request
    from tuition.tasks.config import TaskConfig
    from tuition.tasks.load import FileSource

    made = through()
    for question in ("one", "two", "one"):
        made.ask(question)
    pool = FileSource(TaskConfig(train=str(made.captured.path), valid_share=0, drop_duplicates=True)).load()
    assert [(example.question, example.answer) for example in pool.train] == [("one", None), ("two", None)]
    table = TeacherConfig(kind="recorded", name="gpt", file=str(made.captured.path))
    asked = Request(
        endpoint="x", model="gpt", messages=(Message(role="user", content="?"),), example_id=pool.train[1].id
    )
    reply = asyncio.run(RecordedTeacher(table).complete(asked))
    assert reply.text == "Answer to two"
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.is_estimated) == (
        3,
        7,
        False,
    )


def test_half_a_line_is_cut_off_and_the_file_is_only_added_to(tmp_path):
    path = tmp_path / "captured.jsonl"
    path.write_bytes(b'{"id": 1}\n{"id": 2, "quest' + b"x" * 200_000)
    path.chmod(0o644)
    captured = Captured(path)
    assert captured.cut == 200_016
    assert path.read_bytes() == b'{"id": 1}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    captured.close()
    # A file that another program wrote may lack its last line end.
    path.write_bytes(b'{"id": 1}\n{"id": 2}')
    captured = Captured(path)
    captured.close()
    assert (captured.cut, path.read_bytes()) == (0, b'{"id": 1}\n{"id": 2}\n')
    with pytest.raises(DataError, match=r"is to hold JSON Lines; end its name in \.jsonl"):
        Captured(tmp_path / "captured.csv")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk_costs_the_answer_nothing(through):
    made = through()
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, made.captured._file)
    os.close(full)
    assert made.ask("one").choices[0].message.content == "Answer to one"
    [reason] = made.captured.passed_over
    assert "cannot be written: No space left on device" in reason


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("api.openai.com/v1", "expected the base URL of an endpoint"),
        ("ftp://x.example/v1", "expected the base URL of an endpoint"),
        ("https://jo:key@x.example/v1", "holds a user name, a password"),
        ("https://x.example/v1?key=a", "holds a user name, a password"),
    ],
)
def test_an_upstream_that_is_none_is_refused(address, said):
    with pytest.raises(ConfigError, match=said) as error:
        check_upstream(address)
    assert "jo:key" not in str(error.value)
    assert check_upstream("https://x.example/v1/") == "https://x.example/v1"


@pytest.fixture
def started(tmp_path):
    """Starts the command; gives its process and its address when it listens."""
    opened = []

    def start(upstream, *more):
        log = (tmp_path / "log").open("w+")
        words = [sys.executable, "-m", "tuition", "capture", "--upstream", upstream, "--port", "0"]
        process = subprocess.Popen([*words, *more], stdout=log, stderr=log, cwd=tmp_path)
        opened.extend((process, log))

        def said():
            assert process.poll() is None, (tmp_path / "log").read_text()
            return re.search(r"running on (http://\S+)", (tmp_path / "log").read_text())

        until(said, timeout_s=100)
        return process, said()[1]

    yield start
    for one in opened:
        if isinstance(one, subprocess.Popen):
            one.kill()
            one.wait()
        else:
            one.close()


def _ask_until_it_breaks(address, i, answered):
    with openai.OpenAI(base_url=f"{address}/v1", api_key=KEY, max_retries=0) as client:
        for k in range(1000):
            question = f"question {i} {k}"
            messages = [{"role": "user", "content": question}]
            try:
                answer = client.chat.completions.create(model="gpt", messages=messages, stream=k % 2 == 0)
                text = _text_of(answer)
            except (openai.APIError, httpx2.HTTPError):
                return
            # A stream that is killed just ends: it is answered where its end was seen.
            if text == answer_to(question):
                answered.append(question)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_that_was_answered_is_lost_when_it_ends_in_the_middle(started, end, tmp_path):
    behind = Upstream(delay_s=0.005)
    with served(behind.app) as upstream:
        process, address = started(upstream)
        answered = []
        with ThreadPoolExecutor(8) as pool:
            for i in range(8):
                pool.submit(_ask_until_it_breaks, address, i, answered)
            until(lambda: len(answered) > 60)
            process.send_signal(end)
            process.wait(timeout=60)
    text = (tmp_path / "log").read_text()
    rows = (tmp_path / "captured.jsonl").read_bytes()
    kept = {json.loads(line)["question"] for line in rows.splitlines() if line.endswith(b"}")}
    assert len(answered) > 60
    assert not set(answered) - kept
    assert "Stored in captured.jsonl, which only its owner may read" in text
    assert "iban, card, email, phone are masked" in text
    assert "Traceback" not in text
    no_secret_in(tmp_path)
    if end == signal.SIGINT:
        assert f"Stored in captured.jsonl: {len(kept)} answers." in text
        assert 'kind = "recorded"\n  name = "gpt"\n  file = "captured.jsonl"' in text


def test_an_upstream_that_is_none_ends_the_command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["tuition", "capture", "--upstream", "nowhere"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "expected the base URL of an endpoint" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
