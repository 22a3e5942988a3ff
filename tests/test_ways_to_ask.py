"""A real student, trained for a few steps, answers ten questions alike however it is asked."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx2
import pytest

from tuition.core.records import Example
from tuition.experiment.config import resolve
from tuition.experiment.form import asked_text
from tuition.operate.execute import execute
from tuition.operate.student import Student

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MOST = 12
"""Tokens of an answer."""
OPPOSITES = {
    **{"hot": "cold", "big": "small", "up": "down", "wet": "dry", "old": "young", "fast": "slow"},
    **{"light": "dark", "full": "empty", "hard": "soft", "long": "short", "early": "late", "rich": "poor"},
    **{"high": "low", "loud": "quiet", "thick": "thin", "open": "closed", "near": "far", "first": "last"},
    **{"happy": "sad", "clean": "dirty", "left": "right", "day": "night"},
}
SERVING = ("fastapi", "uvicorn", "openai", "pydantic")
"""What `transformers serve` wants."""


@pytest.fixture(scope="module")
def run(real_student, tmp_path_factory):
    """The folder of a run with the student: ten words to examine it on, the others to learn from."""
    folder = tmp_path_factory.mktemp("opposites")
    rows = [
        {"question": f"What is the opposite of {word}?", "answer": answer}
        for word, answer in OPPOSITES.items()
    ]
    for name, part in (("valid", rows[:10]), ("train", rows[10:])):
        (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, part)), encoding="utf-8")
    tables = {
        "recipe": "label_only",
        "out": str(folder / "run"),
        "store": str(folder / "tuition.db"),
        "task": {"train": str(folder / "train.jsonl"), "valid": str(folder / "valid.jsonl")},
        "student": {"model": str(real_student), "max_output_tokens": MOST, "max_input_tokens": 200},
        "training": {"steps": 3, "batch_examples": 4, "lr": 2e-5},
    }
    execute(resolve(tables, where="opposites"))
    return folder / "run"


@pytest.fixture(scope="module")
def in_memory(run):
    """What the student wrote in the process that trained it, by question."""
    rows = [json.loads(line) for line in (run / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]
    asked = [json.loads(line) for line in (run.parent / "valid.jsonl").read_text().splitlines()]
    assert len(rows) == len(asked) == 10
    texts = {row["question"]: answer["text"] for row, answer in zip(asked, rows, strict=True)}
    assert all(texts.values()) and len(set(texts.values())) > 5, "it writes, and not always the same"
    return texts


def messages(question):
    return [{"role": "user", "content": asked_text(Example(id="asked", question=question, choices=()))}]


@contextmanager
def listening(log, command, *, port):
    """Start a server as a process of its own; give its address once it listens."""
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("w+") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env=os.environ | quiet)
        try:
            until = time.monotonic() + 300
            while time.monotonic() < until:
                assert process.poll() is None, log.read_text()
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()
            process.wait()


def served_texts(address, model, questions):
    with httpx2.Client(base_url=address, timeout=300) as client:
        answers = {}
        for question in questions:
            body = {"model": model, "messages": messages(question), "max_tokens": MOST, "temperature": 0}
            reply = client.post("/chat/completions", json=body)
            assert reply.status_code == 200, reply.text
            answers[question] = reply.json()["choices"][0]["message"]["content"].strip()
        return answers


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_from_its_folder(run, in_memory):
    student = Student.load(run / "student")
    assert {question: student.answer(question).text for question in in_memory} == in_memory
    examples = [Example(id=str(i), question=question) for i, question in enumerate(in_memory)]
    assert [answer.text for answer in student.answer_all(examples)] == list(in_memory.values())


def test_with_plain_transformers(run, in_memory):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(run / "student")
    # its configuration names the precision that the run computed in, which is not that of the file
    model = AutoModelForCausalLM.from_pretrained(run / "student")
    assert model.dtype == torch.float32
    for question, text in in_memory.items():
        asked = messages(question)
        ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")
        written = model.generate(**ids, max_new_tokens=MOST, do_sample=False)[0, ids["input_ids"].shape[1] :]
        assert tokenizer.decode(written, skip_special_tokens=True).strip() == text


def test_by_tuition_serve(run, in_memory, port, tmp_path):
    command = [sys.executable, "-m", "tuition", "serve", str(run), "--port", str(port)]
    with listening(tmp_path / "log", command, port=port) as address:
        assert served_texts(address, "run", in_memory) == in_memory


def test_by_transformers_serve(run, in_memory, port, tmp_path):
    missing = [package for package in SERVING if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"`transformers serve` needs {', '.join(missing)}: pip install 'transformers[serving]'")
    student = str(run / "student")
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", student]
    command += ["--port", str(port), "--dtype", "float32", "--device", "cpu"]
    with listening(tmp_path / "log", command, port=port) as address:
        assert served_texts(address, student, in_memory) == in_memory


def test_it_left_little_more_than_its_weights(run, real_student):
    def size(folder):
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

    assert size(run) <= 1.2 * size(real_student)
    assert not re.search(r"checkpoint", " ".join(str(file) for file in run.rglob("*")))
