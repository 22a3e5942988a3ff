"""A newcomer's journey: docs/tutorial.md, command by command, and what each of them prints."""

import csv
import json
import re
import shlex
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tuition.cli.main import main

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = _FENCE.findall(PAGE.read_text(encoding="utf-8"))
TRANSCRIPT = [
    (shlex.split(lines[0])[1:], lines[1:])
    for language, text in BLOCKS
    if language == "console"
    for lines in (part.splitlines() for part in text.split("$ ")[1:])
]
"""The arguments of each command, and what the page has of its output."""
EDITED = [line for language, text in BLOCKS if language == "toml" for line in text.splitlines()]
MAKES, ASKS = (text for language, text in BLOCKS if language == "python")


def compare(said, shown):
    """Find what the page shows in what was printed, in order; `…` stands for anything."""
    # tables are as wide as their contents: blanks are not compared
    lines = [" ".join(line.split()) for line in said.splitlines()]
    place = 0
    for line in (" ".join(one.split()) for one in shown if one.strip() not in ("", "…")):
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        found = [i for i, one in enumerate(lines[place:], place) if pattern.fullmatch(one)]
        assert found, f"the page shows {line!r}; printed was:\n{said}"
        place = found[0] + 1


def test_the_page_is_short():
    commands = [arguments[0] for arguments, _ in TRANSCRIPT]
    assert commands == ["init", "check", "pilot", "run", "report", "predict", "serve"]
    assert len(EDITED) <= 3


def edit(path):
    """Edit a configuration as the page says: each line in the place of the one with its key."""
    text = path.read_text(encoding="utf-8")
    for line in EDITED:
        key = line.partition(" =")[0]
        text, n = re.subn(rf"(?m)^{key} = .*$", line.replace("\\", r"\\"), text)
        assert n == 1, key
    path.write_text(text, encoding="utf-8")


def serve_and_ask(arguments, shown, folder):
    """Serve the student in a process of its own, ask it as the page does, and end it."""
    log = folder / "serve.log"
    with log.open("w+") as output:
        command = [sys.executable, "-u", "-m", "tuition", *arguments, "--port", "0"]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            while not (found := re.search(r"running on (http://\S+)", log.read_text())):
                assert process.poll() is None, log.read_text()
                time.sleep(0.1)
            address = f"{found[1]}/v1"
            said = {}
            asks = ASKS.replace("http://127.0.0.1:8000/v1", address)
            page = {"print": lambda text: said.update(answer=text)}
            exec(compile(asks, str(PAGE), "exec"), page)
            client = page["client"]
            with (folder / "new.csv").open(encoding="utf-8") as file:
                texts = [row["text"] for row in csv.DictReader(file)][:10]
            answers = [
                client.chat.completions.create(model="tickets", messages=[{"role": "user", "content": text}])
                for text in texts
            ]
            client.close()
        finally:
            process.terminate()
            process.wait(30)
    # the port is another one here
    compare(log.read_text(), [line.replace(" at http://127.0.0.1:8000/v1", "") for line in shown])
    return said["answer"], [answer.choices[0].message.content for answer in answers]


@pytest.mark.timeout(900)
def test_a_newcomers_journey(tmp_path, monkeypatch, capsys):
    pytest.importorskip("openai", reason="the page asks the student with the openai client")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    exec(compile(MAKES, str(PAGE), "exec"), {})
    *commands, last = TRANSCRIPT
    for arguments, shown in commands:
        monkeypatch.setattr(sys, "argv", ["tuition", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert not ended.value.code, said.err
        compare(said.out, shown)
        if arguments[0] == "init":
            edit(tmp_path / "tuition.toml")
    test = json.loads((tmp_path / "runs/tickets/metrics.json").read_text())["test"]
    assert test["accuracy"] >= test["blind"]["frequent_answer"]["accuracy"] + 0.2
    assert test["classical"]["linear"]["n"] == test["n"] == 120
    labels = tomllib.loads((tmp_path / "tuition.toml").read_text())["task"]["labels"]
    with (tmp_path / "new.answers.csv").open(encoding="utf-8") as file:
        predicted = [row["answer"] for row in csv.DictReader(file)]
    assert {*predicted} <= {*labels}
    answer, served = serve_and_ask(*last, tmp_path)
    assert answer in labels and served == predicted[:10]
