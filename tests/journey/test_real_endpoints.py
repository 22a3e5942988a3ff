"""The same journey with two endpoints that are not ours: `transformers serve` with a real small model, twice.

It needs what the test extra leaves out. TUITION_STUDENT names the model's folder (`make real-student`), and
TUITION_SERVE the Python of an environment with `transformers[serving]`, as tests/teachers/test_real_server.py
sets one up.
"""

import csv
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tuition.cli.main import main
from tuition.playground.world import playground_splits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def python():
    """The Python that serves; the test is skipped where there is none."""
    found = os.environ.get("TUITION_SERVE", sys.executable)
    needs = "import fastapi, openai, torch, transformers, uvicorn"
    tried = subprocess.run([found, "-c", needs], capture_output=True, text=True, check=False)
    if tried.returncode:
        reason = tried.stderr.strip().splitlines()[-1]
        pytest.skip(f"no environment serves models ({reason}); set TUITION_SERVE to the Python of one")
    return found


@contextmanager
def serving(python, model, home):
    """Serve a model on a free port; give the address."""
    (home / "hub").mkdir(parents=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [python, "-m", "transformers.cli.transformers", "serve", str(model)]
    command += ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    settings = os.environ | {"HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1"}
    log = home / "log"
    with log.open("w") as file, subprocess.Popen(command, env=settings, stdout=file, stderr=file) as process:
        try:
            for _ in range(1800):
                assert process.poll() is None, log.read_text()[-2000:]
                try:
                    if httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200:
                        break
                except httpx2.TransportError:
                    pass
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()


def tickets(path):
    made = playground_splits(seed=0, train=60, valid=0, test=0, kind="label").train
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "category"])
        rows.writerows((one.question, one.answer) for one in made)


def test_two_real_endpoints(real_student, python, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tickets(tmp_path / "tickets.csv")

    def tuition(*arguments):
        monkeypatch.setattr(sys, "argv", ["tuition", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        return said.out

    tuition("init", "tickets.csv")
    with (
        serving(python, real_student, tmp_path / "first") as first,
        serving(python, real_student, tmp_path / "second") as second,
    ):
        path = Path("tuition.toml")
        text = path.read_text()
        [table] = re.findall(r"(?ms)^\[\[teacher\]\]\n.*?\n\n", text)
        tables = [re.sub(r"(?m)^name = .*$", f'name = "{name}"', table) for name in ("first", "second")]
        for i, address in enumerate((first, second)):
            tables[i] = re.sub(r"(?m)^model = .*$", f'model = "{real_student}"', tables[i])
            tables[i] = re.sub(r"(?m)^base_url = .*$", f'base_url = "{address}"', tables[i])
            tables[i] = re.sub(r"(?m)^max_tokens = .*$", "max_tokens = 32", tables[i])
        path.write_text(text.replace(table, "".join(tables)))
        assert "Nothing was spent." in tuition("check", path)
        assert "pilot: 4 of" in tuition("pilot", path, "--examples", 4)
        few = ("task.limit_train=8", "task.limit_valid=6", "task.limit_test=6", "training.steps=4")
        assert "test split" in tuition("run", path, *few)
    assert "report.html" in tuition("report", "runs/tickets")
    assert "60 answers" in tuition("predict", "runs/tickets", "tickets.csv")
    metrics = json.loads((tmp_path / "runs/tickets/metrics.json").read_text())
    assert metrics["test"]["classical"]["nearest"]["n"] == metrics["test"]["n"] == 6
    assert metrics["spend"]["calls"] > 0
