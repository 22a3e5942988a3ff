"""What a server, a file or a name says never commands the terminal, nor stands raw in a page."""

import json
import os
import pty
import re
import subprocess
import sys

import pytest
import tomli_w
from tiny import tables

from loopback import served
from tuition.playground.serving import app

HOSTILE = "\x1b]0;PWNED\x07\x1b[2J\x1b[31m \x9b2J \u202efdp.exe\u2066 \r100 %"
SHOWN = r"\x1b]0;PWNED\x07\x1b[2J\x1b[31m"
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class Hostile:
    """The playground's server, which says what commands a terminal: in errors, or behind each answer."""

    def __init__(self):
        self.inner, self.refuses = app(), False

    async def __call__(self, scope, receive, send):
        if self.refuses:
            body = json.dumps({"error": {"message": f"no {HOSTILE}", "code": HOSTILE}}, ensure_ascii=False)
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})
            return

        async def adding(message):
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": kept}
            elif body := message.get("body"):
                read = json.loads(body)
                read["choices"][0]["message"]["content"] += f" {HOSTILE}"
                read["model"] = HOSTILE
                message = {**message, "body": json.dumps(read).encode()}
            await send(message)

        await self.inner(scope, receive, adding)


@pytest.fixture
def server():
    one = Hostile()
    with served(one) as one.url:
        yield one


@pytest.fixture
def config(tmp_path, server):
    table = {"kind": "chat", "name": "far", "model": "program-ada-1", "base_url": server.url}
    table |= {"price_prompt": 1.0, "price_completion": 1.0, "max_tokens": 64}
    asking = {"examples": 0, "max_attempts": 1, "backoff_s": 0.01}
    told = tables(tmp_path, out=f"run {HOSTILE}", store="tuition.db", teacher=[table], annotation=asking)
    told["evaluation"] = {**told["evaluation"], "baselines": ["teachers"], "jobs": 1}
    (tmp_path / "far.toml").write_text(tomli_w.dumps(told), encoding="utf-8")
    return "far.toml"


def on_terminal(folder, *command, term="dumb"):
    """Run a command in a terminal of its own; a dumb one is sent no command by bars and tables either."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tuition", *command],
        **{"cwd": folder, "stdin": theirs, "stdout": theirs, "stderr": theirs},
        env={**os.environ, "TERM": term, "OMP_NUM_THREADS": "1"},
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # so Linux tells that the other end is closed
        pass
    finally:
        os.close(ours)
    process.wait(timeout=60)
    return b"".join(parts).decode("utf-8").replace("\r\n", "\n")


@pytest.mark.parametrize("command", [("probe",), ("run", "--yes")])
def test_an_error_of_an_endpoint_commands_no_terminal(tmp_path, server, config, command):
    server.refuses = True
    said = on_terminal(tmp_path, *command, config)
    assert SHOWN in said
    assert CONTROLS.findall(said) == []


def test_a_terminal_that_takes_commands_gets_none_of_an_endpoint(tmp_path, server, config):
    server.refuses = True
    said = on_terminal(tmp_path, "probe", config, term="xterm-256color")
    assert SHOWN in said
    assert not re.search("\x1b\\]|\x07|\x1b\\[2J|\u202e|\x9b", said)


def test_a_run_of_hostile_texts_commands_nothing(tmp_path, tuition, config):
    run = f"run {HOSTILE}"
    every = [("run", config, "--yes"), ("show", run), ("show", run, "--unreadable"), ("list", ".")]
    every += [("show", run, "--unreadable", "--json"), ("pilot", config, "--yes"), ("report", run)]
    for command in every:
        said = tuition(*command)
        assert said.code == 0, said.err
        assert SHOWN in said.out or "--json" in command
        assert CONTROLS.findall(said.out + said.err) == []
    for page in ("report.html", "MODEL_CARD.md"):
        text = (tmp_path / run / page).read_text(encoding="utf-8")
        assert CONTROLS.findall(text) == []
        assert SHOWN in text
    assert "\u202e" in (tmp_path / run / "annotations.jsonl").read_text(encoding="utf-8"), (
        "data stay as they came"
    )


def test_a_fault_of_ours_shows_its_trace_without_commands(tmp_path):
    program = (
        "import sys, tuition.operate.demo as demo, tuition.cli.main as main\n"
        f"def fail(*a, **k): raise KeyError({HOSTILE!r}) from RuntimeError({HOSTILE!r})\n"
        "demo.demo_configs = fail\nsys.argv = ['tuition', 'demo']\nmain.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, timeout=60)
    said = done.stderr.decode()
    assert done.returncode == 1
    assert "Traceback" in said and "RuntimeError: " + SHOWN in said
    assert CONTROLS.findall(said) == []
