"""`tuition serve`: a process of its own, and what it refuses before it listens."""

import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from asked import CHAT, body, content, save_student, until

from tuition.cli.main import main
from tuition.core.errors import ConfigError
from tuition.operate.serve import read_token
from tuition.serving import is_loopback

TOKEN = "a-token-of-some-length"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_student(tmp_path_factory.mktemp("runs") / "pupil" / "student")


@pytest.fixture
def started(folder, tmp_path):
    """Starts the command; gives its process and its address when it listens."""
    opened = []

    def start(*more, **environment):
        log = (tmp_path / "log").open("w+")
        process = subprocess.Popen(
            [sys.executable, "-m", "tuition", "serve", str(folder.parent), "--port", "0", *more],
            stdout=log,
            stderr=log,
            env=os.environ | environment,
        )
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


def test_a_process_serves_until_it_is_interrupted(started, tmp_path):
    process, address = started("--token-env", "PUPIL_TOKEN", "--set", "max_tokens=400", PUPIL_TOKEN=TOKEN)
    assert address.startswith("http://127.0.0.1:")
    asked = {"headers": {"Authorization": f"Bearer {TOKEN}"}, "timeout": 60}
    assert httpx2.get(f"{address}/v1/models").status_code == 401
    answer = httpx2.post(f"{address}{CHAT}", json=body(max_tokens=4), **asked)
    assert answer.json()["usage"]["completion_tokens"] == 4
    assert content(answer) is not None
    assert httpx2.post(f"{address}{CHAT}", json=body(max_tokens=401), **asked).status_code == 400
    with ThreadPoolExecutor(1) as pool:
        pool.submit(httpx2.post, f"{address}{CHAT}", json=body(max_tokens=400, temperature=2), **asked)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (0, -signal.SIGINT)
    text = (tmp_path / "log").read_text()
    assert "Serving the model 'pupil'; end with Ctrl-C." in text
    assert TOKEN not in text
    assert "Traceback" not in text


def refused(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["tuition", "serve", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "my-machine", "127.0.0.1.evil.example"])
def test_an_address_that_others_reach_needs_a_token(folder, host, monkeypatch, capsys):
    said = refused(monkeypatch, capsys, str(folder), "--host", host)
    assert f"--host {host} lets other machines ask the student; name the environment variable" in said


@pytest.mark.parametrize("value", ["", "short", "with blanks within", "größer-als-sechzehn", "a\n" * 20])
def test_a_token_that_is_none_is_refused_and_never_shown(value, monkeypatch):
    monkeypatch.setenv("PUPIL_TOKEN", value)
    with pytest.raises(ConfigError, match="must hold a token of at least 16 letters") as error:
        read_token("PUPIL_TOKEN", host="0.0.0.0")
    assert not value or value not in str(error.value)
    with pytest.raises(ConfigError, match="there are 0 in it") as error:
        read_token("sk-a-token-in-the-wrong-place", host="127.0.0.1")
    assert "sk-a-token" not in str(error.value)


def test_a_token_is_read(monkeypatch):
    monkeypatch.setenv("PUPIL_TOKEN", TOKEN)
    assert read_token("PUPIL_TOKEN", host="0.0.0.0") == TOKEN
    assert read_token(None, host="localhost") is None
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "127.8.8.8", "localhost")] == [True] * 4


def test_an_unknown_limit_and_an_absent_student_are_told(tmp_path, monkeypatch, capsys):
    assert "unknown key 'time_s'; did you mean 'timeout_s'?" in refused(
        monkeypatch, capsys, str(tmp_path), "--set", "time_s=5"
    )
    assert "holds no saved student" in refused(monkeypatch, capsys, str(tmp_path))
