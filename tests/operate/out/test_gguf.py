"""GGUF by the script of the user's llama.cpp; here a script that notes how it was called."""

import json
import os
import re
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from tuition.cli.exchange import export_replies as export
from tuition.core.errors import ConfigError, TrainingError
from tuition.operate.out.gguf import frame, modelfile

LLAMA_CPP = os.environ.get("LLAMA_CPP", "")
RECORDER = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
out = pathlib.Path(sys.argv[sys.argv.index("--outfile") + 1])
seen = {
    "python": sys.executable,
    "arguments": sys.argv[1:],
    "settings": json.loads((folder / "tokenizer_config.json").read_text()),
    "weights": (folder / "model.safetensors").stat().st_size,
    "template": (folder / "chat_template.jinja").read_text(),
}
out.write_text(json.dumps(seen))
"""


@pytest.fixture
def llama_cpp(tmp_path, monkeypatch):
    """Lays a script down where llama.cpp's own would lie."""

    def lay(text=RECORDER):
        folder = tmp_path / "llama.cpp"
        folder.mkdir()
        (folder / "convert_hf_to_gguf.py").write_text(text)
        monkeypatch.setenv("LLAMA_CPP", str(folder))

    return lay


def rendered(text, question):
    """What Ollama sends for one question: its template with the question in it."""
    [template] = re.findall(r'^TEMPLATE """(.*?)"""$', text, re.DOTALL | re.MULTILINE)
    whole = template.replace("{{ .Prompt }}", "\0")
    return whole.replace('{{ "{{" }}', "{{").replace("\0", question)


@pytest.mark.parametrize("outtype", ["f16", "q8_0"])
def test_the_script_is_called_with_the_student_and_a_template_for_ollama(run, llama_cpp, outtype):
    llama_cpp()
    export(run, form="gguf", out=Path("out"), outtype=outtype)
    seen = json.loads((Path("out") / f"run-{outtype}.gguf").read_text())
    assert seen["python"] == sys.executable
    copy, *options = seen["arguments"]
    assert options[0::2] == ["--outfile", "--outtype"] and options[3] == outtype
    assert not Path(copy).exists()
    assert seen["weights"] == (run / "student" / "model.safetensors").stat().st_size
    assert seen["template"] == (run / "student" / "chat_template.jinja").read_text()
    # the template writes all marks, and none comes twice
    assert (seen["settings"]["add_bos_token"], seen["settings"]["add_eos_token"]) == (False, False)
    text = (Path("out") / "Modelfile").read_text()
    assert text.startswith(f"FROM ./run-{outtype}.gguf\n")
    assert text.splitlines()[-3:] == [
        'PARAMETER stop "</s>"',
        "PARAMETER temperature 0",
        "PARAMETER num_predict 8",
    ]
    tokenizer = AutoTokenizer.from_pretrained(run / "student")
    question = 'Is {{ this }} "it"?\nAnswer Choices:\n(a) yes'
    asked = [{"role": "user", "content": question}]
    assert rendered(text, question) == tokenizer.apply_chat_template(
        asked, add_generation_prompt=True, tokenize=False
    )
    assert "before it was converted; this file was not examined" in Path("out/README.md").read_text()


CHATML = (
    "{%- if messages[0]['role'] != 'system' -%}<|im_start|>system\n"
    "Be {{ '{{' }}brief}}.<|im_end|>\n{%- endif -%}"
    "{%- for m in messages -%}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor -%}"
    "{%- if add_generation_prompt -%}<|im_start|>assistant\n{% endif -%}"
)


def test_any_chat_template_becomes_ollamas(run):
    tokenizer = AutoTokenizer.from_pretrained(run / "student")
    tokenizer.chat_template = CHATML
    text = modelfile("x.gguf", *frame(tokenizer), marks=["<|im_end|>", '"'], max_tokens=9)
    asked = [{"role": "user", "content": "Why?"}]
    wanted = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    assert "Be {{brief}}." in wanted
    assert rendered(text, "Why?") == wanted
    assert 'PARAMETER stop "<|im_end|>"\nPARAMETER stop "\\""\n' in text


@pytest.mark.parametrize(
    "template", ["twice {{ m }} {{ m }}", "none", 'says """{{ m }}', '{{ m }} in "quotes"']
)
def test_a_template_that_a_modelfile_cannot_hold_is_refused(run, template):
    tokenizer = AutoTokenizer.from_pretrained(run / "student")
    tokenizer.chat_template = "{%- set m = messages[0]['content'] -%}" + template
    with pytest.raises(
        TrainingError, match="the student's chat template writes a question not once, or with"
    ):
        frame(tokenizer)


def test_without_llama_cpp_it_says_what_to_set(run, tmp_path, monkeypatch):
    with pytest.raises(
        ConfigError, match=r"environment variable LLAMA_CPP is not set\. Set it to the folder of"
    ):
        export(run, form="gguf")
    monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
    with pytest.raises(ConfigError, match=r"LLAMA_CPP is '.*', which holds no convert_hf_to_gguf\.py"):
        export(run, form="gguf")
    assert list(tmp_path.iterdir()) == []


def test_a_script_that_fails_is_told_with_its_last_words(run, tmp_path, llama_cpp):
    llama_cpp("import sys; sys.exit('NotImplementedError: BPE pre-tokenizer was not recognized')")
    words = (
        r"could not convert .* \(exit 1\): NotImplementedError: BPE pre-tokenizer was not recognized\. Inst"
    )
    with pytest.raises(TrainingError, match=words):
        export(run, form="gguf", out=tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["llama.cpp"]


def test_an_encoder_decoder_and_an_unknown_outtype_are_refused(t5_run, run):
    with pytest.raises(ConfigError, match=r"is of family 'seq2seq'; llama\.cpp's servers and Ollama run"):
        export(t5_run, form="gguf")
    with pytest.raises(ConfigError, match="unknown outtype 'q4'"):
        export(run, form="gguf", outtype="q4")


@pytest.mark.timeout(900)
@pytest.mark.skipif(not LLAMA_CPP, reason="LLAMA_CPP names no checkout of llama.cpp, so nothing is converted")
def test_llama_cpp_converts_a_real_student(real_student, monkeypatch):
    from tuition.student.config import StudentConfig, TrainingConfig
    from tuition.student.load import load_student

    monkeypatch.setenv("LLAMA_CPP", LLAMA_CPP)
    student = load_student(StudentConfig(model=str(real_student)), TrainingConfig())
    student.save(
        Path("real"), form={"prefix": "predict: ", "kind": "number", "scoring": "generate", "max_tokens": 9}
    )
    export(Path("real"), form="gguf")
    with Path("real-gguf/real-f16.gguf").open("rb") as file:
        assert file.read(4) == b"GGUF"
    asked = [{"role": "user", "content": "Why?"}]
    tokenizer = AutoTokenizer.from_pretrained("real")
    text = tokenizer.apply_chat_template(asked, add_generation_prompt=True, tokenize=False)
    assert rendered(Path("real-gguf/Modelfile").read_text(), "Why?") == text
