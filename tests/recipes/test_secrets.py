"""A key goes into the header of a request and nowhere else, whatever an endpoint does with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import tomli_w
from tiny import tables

from loopback import served
from tuition.playground.serving import app

KEY = "sk-tuition-7f3a9c0d1e2b4856"


class Parrot:
    """The playground's server, which says the key that it is sent: in a header, in every text, in errors."""

    def __init__(self):
        self.inner, self.calls, self.refuses = app(), 0, False

    async def __call__(self, scope, receive, send):
        sent = dict(scope.get("headers", ()))
        said = sent.get(b"authorization") or sent.get(b"x-api-key", b"")
        self.calls += 1
        if self.refuses or self.calls % 6 == 0:
            status = 401 if self.refuses else 400
            body = json.dumps({"error": {"message": f"I was sent {said.decode()}", "code": said.decode()}})
            headers = [(b"content-type", b"application/json"), (b"x-echo", said)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})
            return

        async def parroting(message):
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": [*kept, (b"x-echo", said)]}
            elif body := message.get("body"):
                read = json.loads(body)
                read["choices"][0]["message"]["content"] += f" ({said.decode()})"
                read["choices"][0]["message"]["reasoning"] = said.decode()
                message = {**message, "body": json.dumps(read).encode()}
            await send(message)

        await self.inner(scope, receive, parroting)


@pytest.fixture
def parrot():
    one = Parrot()
    with served(one) as one.url:
        yield one


def tuition(folder, parrot, *command):
    """Run a command with the key in the environment, as a user does."""
    table = {"kind": "chat", "name": "far", "model": "program-ada-1", "base_url": parrot.url}
    table |= {"api_key_env": "FAR_KEY", "price_prompt": 1.0, "price_completion": 1.0, "max_tokens": 64}
    told = tables(folder, teacher=[table], annotation={"examples": 0, "max_attempts": 2, "backoff_s": 0.01})
    path = folder / "far.toml"
    path.write_text(tomli_w.dumps(told), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tuition", *command, str(path)],
        env={**os.environ, "FAR_KEY": KEY, "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        timeout=300,
        check=False,
    )


def spilled(folder, *outputs):
    """Where the key is found."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    found = [str(path) for path in files if KEY.encode() in path.read_bytes()]
    return found + [output for output in outputs if KEY.encode() in output]


def test_nothing_that_a_run_leaves_behind_holds_the_key(tmp_path, parrot):
    done = tuition(tmp_path, parrot, "run", "--yes")
    assert done.returncode == 0, done.stderr.decode()
    assert parrot.calls >= 12
    for name in ("annotations.jsonl", "events.jsonl", "report.html", "MODEL_CARD.md", "student"):
        assert (tmp_path / "run" / name).exists()
    assert spilled(tmp_path, done.stdout, done.stderr) == []
    assert b"***" in (tmp_path / "run" / "annotations.jsonl").read_bytes(), "what was said was masked"


def test_a_run_that_fails_does_not_show_the_key(tmp_path, parrot):
    parrot.refuses = True
    failed = tuition(tmp_path, parrot, "run", "--yes")
    assert failed.returncode == 2
    assert b"FAR_KEY" in failed.stderr or b"key" in failed.stderr
    assert b"***" in failed.stderr
    assert spilled(tmp_path, failed.stdout, failed.stderr) == []
