"""A student that cannot be had is refused by a look at its files; nothing heavy is loaded for it."""

import json
import shutil
import subprocess
import sys

import pytest

from tuition.core.errors import ConfigError, TrainingError
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig
from tuition.student.look import describe, family_of, find_model, look_at, most_positions


@pytest.fixture
def kept(tmp_path):
    """A copy of the embedded student."""
    return shutil.copytree(BASE_FOLDER, tmp_path / "kept")


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def without(name):
    return lambda folder: [path.unlink() for path in folder.glob(name)]


def cut_short(name):
    return lambda folder: write(folder / name, (folder / name).read_bytes()[:-1000])


def holding(name, text):
    return lambda folder: write(folder / name, text)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 2\n"
INDEX = json.dumps({"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}})
BROKEN = [
    (without("config.json"), "holds no config.json, so it is no model folder"),
    (without("tokenizer*"), r"holds no tokenizer \(such as tokenizer.json\); save it there"),
    (without("*.safetensors"), "holds no weights as safetensors, the only form that is read"),
    (holding("config.json", "{"), r"config\.json' is broken: .*; fetch or save the model again"),
    (holding("config.json", "[]"), r"config\.json' is broken: it holds no object"),
    (holding("config.json", b"\xff\xfe"), r"config\.json' is broken"),
    (holding("config.json", "{}"), r"it is of type None, which transformers \S+ does not know"),
    (holding("config.json", '{"model_type": "no-such"}'), r"type 'no-such', which transformers .* a newer"),
    (holding("tokenizer.json", POINTER), r"tokenizer\.json' is broken"),
    (holding("tokenizer.json", "{}"), r"the tokenizer in '.*kept' cannot be loaded: .* no vocabulary"),
    (cut_short("tokenizer.json"), r"tokenizer\.json' is broken"),
    (holding("model.safetensors", POINTER), r"cannot be loaded: model\.safetensors is broken \("),
    (holding("model.safetensors", b""), r"cannot be loaded: model\.safetensors is broken \("),
    (cut_short("model.safetensors"), r"cannot be loaded: model\.safetensors is broken \("),
    (holding("model.safetensors.index.json", INDEX), r"it lacks model-2\.safetensors, which model.*names"),
]


@pytest.mark.parametrize(("spoil", "words"), BROKEN, ids=[str(i) for i in range(len(BROKEN))])
def test_a_broken_folder_is_refused_with_what_to_do(kept, spoil, words):
    spoil(kept)
    with pytest.raises(TrainingError, match=words):
        describe(find_model(str(kept), None))


def test_a_whole_folder_is_taken(kept):
    described = describe(find_model(str(kept), None))
    assert family_of(described) == "causal"
    assert most_positions(described) == 1024
    assert find_model("base", BASE_FOLDER) == BASE_FOLDER


@pytest.mark.parametrize("name", ["/nowhere/at-all", "./nowhere", "models/mine/t5"])
def test_a_folder_that_is_not_there(name):
    with pytest.raises(TrainingError, match=f"there is no model folder '.*{name[-2:]}'; student.model is"):
        find_model(name, None)


@pytest.mark.parametrize("is_offline", [False, True])
def test_a_hub_name_that_cannot_be_had(monkeypatch, is_offline):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", is_offline)
    with pytest.raises(TrainingError, match="'nobody/nothing' is no folder here and could not be had from"):
        find_model("nobody/nothing", None)


def test_a_name_that_lies_in_the_cache_is_not_asked_for(kept, monkeypatch):
    cached = str(kept / "config.json")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: cached)
    assert find_model("some/model", None) == kept
    (kept / "tokenizer.json").write_text("{}")
    with pytest.raises(TrainingError, match="holds no vocabulary"):
        find_model("some/model", None)


class Hub:
    """Knows one model, of which it hands out all but the weights."""

    def __init__(self, folder, *files):
        self.folder, self.siblings = folder, [type("File", (), {"rfilename": name}) for name in files]
        self.fetched = ()

    def model_info(self, name, timeout):
        return self

    def snapshot_download(self, name, allow_patterns):
        self.fetched = allow_patterns
        return str(self.folder)


def test_of_a_hub_name_all_but_the_weights_is_fetched(kept, monkeypatch):
    hub = Hub(kept, "config.json", "model.safetensors")
    for call in ("model_info", "snapshot_download"):
        monkeypatch.setattr(f"huggingface_hub.{call}", getattr(hub, call))
    assert find_model("some/model", None) == kept
    assert "config.json" in hub.fetched and not any("safetensors" in name for name in hub.fetched)
    hub.siblings = hub.siblings[:1]
    with pytest.raises(TrainingError, match="'some/model' on the hub has no weights as safetensors"):
        find_model("some/model", None)


@pytest.mark.parametrize("kind", ["gemma3_text", "xlm-roberta"])
def test_a_type_without_a_folder_of_its_name_is_known(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    assert describe(tmp_path) == {"model_type": kind}


@pytest.mark.parametrize("kind", ["no-such", None, ["t5"]])
def test_a_type_that_transformers_does_not_know_is_refused(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(TrainingError, match=r"which transformers .* does not know"):
        describe(tmp_path)


def test_without_torch_no_student_can_be_had(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else True)
    with pytest.raises(ImportError, match=r"pip install 'tuition\[train\]'"):
        find_model("base", BASE_FOLDER)


@pytest.mark.parametrize("model", [str(BASE_FOLDER), "fresh:llama-nano", "fresh:bert-nano", "fresh:t5-nano"])
def test_torch_is_not_imported_to_look(model):
    program = f"""
import sys
from tuition.student.config import StudentConfig
from tuition.student.look import look_at
config = StudentConfig(model={model!r}, max_input_tokens=8)
assert look_at(config, base_folder=None, texts=lambda: ["a b"]).longer(["one two three " * 9], 8) == [0]
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_what_cannot_be_configured_is_told():
    def look(**config):
        return look_at(StudentConfig(**config), base_folder=BASE_FOLDER, texts=lambda: ["a"])

    with pytest.raises(ConfigError, match="unknown fresh student 'lama-mini'; did you mean 'llama-mini'"):
        look(model="fresh:lama-mini")
    with pytest.raises(ConfigError, match="family is 'seq2seq', but 'base' is a model of family 'causal'"):
        look(family="seq2seq")
