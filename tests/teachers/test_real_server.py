"""A server that is not ours: `transformers serve` with a tiny random model, asked by the client as any other.

It needs what the test extra leaves out, so it is run in a virtual environment of its own:

    python -m venv serve-venv
    serve-venv/bin/pip install torch==2.13.0
    serve-venv/bin/pip install "transformers[serving]" -e ".[serve]" "pytest>=9" "pytest-timeout>=2.4"
    serve-venv/bin/pytest --slow tests/teachers/test_real_server.py

What is known of that server and held here: it writes one sample whatever `n` says, gives no
log-probabilities, heeds no `response_format`, refuses fields it does not know, and serves one model.
"""

import asyncio
import dataclasses
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time

import httpx2
import pytest

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.records import Message, Request
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.probe import probe

MISSING = [
    name
    for name in ("torch", "transformers", "fastapi", "uvicorn", "openai")
    if importlib.util.find_spec(name) is None
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"transformers[serving] is not installed (no {', '.join(MISSING)}); this file says how to",
    ),
]

TEXTS = [f"Question: how many is {i} and {2 * i}? It is {3 * i}." for i in range(40)]
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
BOUND = 24
"""Tokens; more than an answer that ends by itself has."""
ONCE = AnnotationConfig(backoff_s=0.001, longer=1)


class Model:
    """A tiny model in a folder, and what it writes by itself, greedily: what any server of it must say."""

    def __init__(self, folder):
        import torch

        from tuition.student.load import make_model

        self.folder, self._no_grad = folder, torch.no_grad
        model, self.tokenizer = make_model("llama-nano", TEXTS, seed=0)
        # A fresh model is nearly even-handed; sharper weights make greedy choices clear of rounding.
        for parameter in model.parameters():
            parameter.data.mul_(4)
        self.tokenizer.chat_template = TEMPLATE
        self.model = model.eval()
        # A random model seldom ends by itself: the fourth token it writes to one question ends every text.
        ids, _, _ = self.writes(TEXTS[0], BOUND)
        self.model.generation_config.eos_token_id = [self.tokenizer.eos_token_id, ids[3]]
        model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def writes(self, question, bound):
        """The ids of the answer, its text, and how many tokens the prompt has."""
        read = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with self._no_grad():
            out = self.model.generate(**read, max_new_tokens=bound, do_sample=False)
        n = read["input_ids"].shape[1]
        ids = out[0, n:].tolist()
        return ids, self.tokenizer.decode(ids, skip_special_tokens=True), n


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def url(model, tmp_path_factory):
    """The address of the server, started for this module and ended after it."""
    home = tmp_path_factory.mktemp("serve")
    # Its list of models is an error where the folder of downloaded ones is absent.
    (home / "hub").mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    log = home / "log"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model.folder)]
    command += ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    settings = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    with log.open("w") as file, subprocess.Popen(command, env=settings, stdout=file, stderr=file) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def wait_for(address, process, log):
    with httpx2.Client(trust_env=False) as client:
        for _ in range(1200):
            try:
                if client.get(address).status_code == 200:
                    return
            except httpx2.TransportError:
                pass
            if process.poll() is not None:
                break
            time.sleep(0.1)
    pytest.fail(f"transformers serve did not start; the end of its log: {log.read_text()[-2000:]}")


def table(model, url, *, named=None, **settings):
    return TeacherConfig(name="tiny", base_url=url, model=named or str(model.folder), **settings)


def requests_to(teacher, questions, **parameters):
    return [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=question),),
            parameters={"max_tokens": BOUND, **parameters},
            teacher=teacher.name,
            role="solve",
            example_id=question,
        )
        for question in questions
    ]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "tuition.db") as store:
        yield store


def asked(store, teacher, requests, *, run="r1", config=ONCE):
    return ask_all(
        requests, teacher, account=Account(store=store, place=Place(run=run)), config=config
    ).replies


def attempts(store):
    with store.read() as connection:
        rows = connection.execute("SELECT * FROM attempts ORDER BY id").fetchall()
    return [dict(row) for row in rows]


def test_replies_counts_and_finish_reasons_are_the_servers(model, url, store):
    teacher = make_teacher(table(model, url, concurrency=4))
    questions = TEXTS[:6]
    replies = asked(store, teacher, requests_to(teacher, questions))
    for question, reply in zip(questions, replies, strict=True):
        ids, text, prompt_tokens = model.writes(question, BOUND)
        body = json.loads(reply.raw)
        assert reply.failure is None
        assert reply.text == body["choices"][0]["message"]["content"] == text
        assert reply.finish == body["choices"][0]["finish_reason"]
        assert reply.finish == ("length" if len(ids) == BOUND else "stop")
        assert reply.model == body["model"]
        counts = (reply.usage.prompt_tokens, reply.usage.completion_tokens)
        assert counts == (body["usage"]["prompt_tokens"], body["usage"]["completion_tokens"])
        assert counts == (prompt_tokens, len(ids))
        assert not reply.usage.is_estimated
    assert "stop" in {reply.finish for reply in replies}
    assert [row["state"] for row in attempts(store)] == ["kept"] * 6
    assert sum(row["completion_tokens"] for row in attempts(store)) == sum(
        len(model.writes(question, BOUND)[0]) for question in questions
    )


def test_what_is_kept_is_not_asked_again(model, url, store):
    teacher = make_teacher(table(model, url))
    first = asked(store, teacher, requests_to(teacher, TEXTS[:3]))
    again = asked(store, teacher, requests_to(teacher, TEXTS[:3]), run="r2")
    assert [reply.text for reply in again] == [reply.text for reply in first]
    assert len(attempts(store)) == 3


def test_a_text_that_is_cut_off_says_so_and_is_asked_for_once_more(model, url, store):
    teacher = make_teacher(table(model, url))
    requests = requests_to(teacher, TEXTS[:1], max_tokens=2)
    [short] = asked(store, teacher, requests)
    assert (short.finish, short.usage.completion_tokens) == ("length", 2)
    assert short.text == model.writes(TEXTS[0], 2)[1]
    [long] = asked(store, teacher, requests, run="r2", config=AnnotationConfig(longer=4))
    assert (long.finish, long.usage.completion_tokens) == ("stop", 4)
    assert long.text == model.writes(TEXTS[0], 8)[1]


def test_an_unknown_model_is_a_plain_failure(model, url, store):
    teacher = make_teacher(table(model, url, named="another"))
    [reply] = asked(store, teacher, requests_to(teacher, TEXTS[:1]))
    found = (reply.failure.kind, reply.failure.is_retryable, reply.failure.is_paid)
    assert found == ("bad_request", False, False)
    assert "requested 'another'" in reply.failure.message
    assert [row["state"] for row in attempts(store)] == ["failed"]


def test_an_unknown_field_is_a_plain_failure_and_the_next_call_is_well(model, url, store):
    teacher = make_teacher(table(model, url, wire={"extra": {"top_k": 5}}))
    requests = requests_to(teacher, TEXTS[:1], top_k=5) + requests_to(teacher, TEXTS[1:2])
    refused, answered = asked(store, teacher, requests)
    assert (refused.failure.kind, refused.failure.is_retryable) == ("bad_request", False)
    assert "HTTP 422" in refused.failure.message
    assert "top_k" in refused.failure.message
    assert answered.failure is None


def test_it_ignores_log_probabilities_and_json_which_does_no_harm(model, url, store):
    teacher = make_teacher(table(model, url))
    wanted = {"logprobs": True, "response_format": {"type": "json_object"}}
    [reply] = asked(store, teacher, requests_to(teacher, TEXTS[:1], **wanted))
    assert reply.failure is None
    assert reply.text == model.writes(TEXTS[0], BOUND)[1]
    assert json.loads(reply.raw)["choices"][0].get("logprobs") is None


def test_it_brings_one_sample_a_call_and_the_client_finds_the_others(model, url, store):
    teacher = make_teacher(table(model, url, wire={"has_n": True}))
    [request] = requests_to(teacher, TEXTS[:1])
    replies = asked(store, teacher, [dataclasses.replace(request, sample=i) for i in range(3)])
    assert [reply.failure for reply in replies] == [None] * 3
    assert {reply.text for reply in replies} == {model.writes(TEXTS[0], BOUND)[1]}
    assert "n" in teacher.lacks


def test_the_probe_finds_its_limits(model, url):
    told = asyncio.run(probe(table(model, url)))
    assert told["found"]["max_tokens_name"] == "max_tokens"
    assert told["found"]["has_temperature"] is True
    assert told["found"]["has_n"] is False
    assert told["found"]["has_logprobs"] is False
    assert told["prompt_tokens"] > 0


def test_a_server_that_is_gone_is_a_failure_that_cost_nothing(model, store):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    teacher = make_teacher(table(model, address))
    config = AnnotationConfig(max_attempts=2, backoff_s=0.001, longer=1)
    [reply] = asked(store, teacher, requests_to(teacher, TEXTS[:1]), config=config)
    assert (reply.failure.kind, reply.failure.is_paid) == ("connection", False)
