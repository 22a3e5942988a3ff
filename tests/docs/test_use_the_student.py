"""What the page on using a student shows is typed and run, block by block, on the embedded student."""

import json
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

import tuition
from loopback import served
from tuition.operate.serve import Limits, load_writer
from tuition.serving import app

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "use-the-student.md"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8000"
TABLES = {
    "recipe": "label_only",
    "out": "runs/mine",
    "task": {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["tracking"]},
    "student": {"model": "base", "max_output_tokens": 6},
    "training": {"steps": 2, "batch_examples": 12},
}


@pytest.mark.timeout(300)
def test_its_blocks_run_in_order_and_answer_alike(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tuition.run(tuition.load_config(TABLES))
    namespace, ran, address = {"__name__": "a_notebook"}, [], None
    with ExitStack() as opened:
        for language, text in _BLOCK.findall(PAGE.read_text(encoding="utf-8")):
            match language:
                case "json":
                    Path("questions.jsonl").write_text(text)
                case "python":
                    if ADDRESS in text:
                        text = text.replace(ADDRESS, address)
                    # what transformers writes is bounded by the student's own length, here 6
                    exec(compile(text.replace("=256", "=6"), str(PAGE), "exec"), namespace)
                case "console":
                    for line in text.splitlines():
                        if line.startswith("tuition predict"):
                            subprocess.run([sys.executable, "-m", *line.split()], check=True)
                        elif line == "tuition serve runs/mine":
                            writer = load_writer(Path("runs/mine"))
                            address = opened.enter_context(served(app(writer, Limits()), path=""))
            ran.append(language)
        namespace["client"].close()
    assert ran.count("python") == 3 and ran.count("console") == 3
    rows = [json.loads(line) for line in Path("questions.answers.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [1, 2]
    assert {"answer", "answer_text", "confidence", "unreadable"} < rows[0].keys()
    # the same question, by every way
    texts = {rows[0]["answer_text"], namespace["found"].text, namespace["text"]}
    texts.add(namespace["answer"].choices[0].message.content)
    assert len(texts) == 1 and texts != {""}
