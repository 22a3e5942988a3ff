import shutil

import pytest
import torch
import transformers

from tuition.core.errors import ConfigError, TrainingError
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

TEXTS = ["predict: 1 + 2\nred", "explain: the sum is three"]


def load(model, **config):
    return load_student(
        StudentConfig(model=str(model), device=config.pop("device", "cpu"), **config),
        TrainingConfig(),
        texts=TEXTS,
    )


@pytest.fixture
def kept(tmp_path):
    """A saved encoder-decoder."""
    load("fresh:t5-nano").save(tmp_path / "kept")
    return tmp_path / "kept"


def test_fresh_students_of_one_seed_are_equal():
    def weights(seed):
        student = load_student(
            StudentConfig(model="fresh:llama-nano"), TrainingConfig(seed=seed), texts=TEXTS
        )
        return student.model.lm_head.weight

    torch.manual_seed(5)
    one = weights(0)
    torch.manual_seed(6)
    assert torch.equal(one, weights(0)) and not torch.equal(one, weights(1))


def test_loading_leaves_the_stream_of_random_numbers_alone(kept):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    load(kept)
    load("fresh:bert-nano")
    assert torch.rand(1) == expected


@pytest.mark.parametrize(
    ("name", "family"), [("t5-nano", "seq2seq"), ("llama-nano", "causal"), ("bert-nano", "options")]
)
def test_the_family_is_read_from_the_model(name, family, tmp_path):
    load(f"fresh:{name}").save(tmp_path)
    student = load(tmp_path)
    assert student.family == family
    assert student.abilities.generates == (family != "options")


def test_the_base_student_is_the_folder_it_is_given(kept):
    student = load_student(StudentConfig(), TrainingConfig(), base_folder=kept)
    assert student.family == "seq2seq"
    with pytest.raises(ConfigError, match="'base', the embedded student, but its folder was not given"):
        load_student(StudentConfig(), TrainingConfig())


def test_a_head_the_model_does_not_bring_is_the_same_each_time(tmp_path):
    load("fresh:bert-nano").save(tmp_path / "whole")
    bare = transformers.BertModel.from_pretrained(tmp_path / "whole", add_pooling_layer=True)
    shutil.copytree(tmp_path / "whole", tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    bare.save_pretrained(tmp_path / "bare")
    one, other = (load(tmp_path / "bare").model.classifier.weight for _ in range(2))
    assert torch.equal(one, other) and one.abs().sum() > 0


def test_weights_take_the_type_that_is_asked(kept):
    assert load(kept, dtype="bfloat16").model.dtype == torch.bfloat16
    assert load(kept).model.dtype == torch.float32


def test_the_process_gets_its_threads():
    load("fresh:t5-nano", threads=2)
    assert torch.get_num_threads() == 2
    load("fresh:t5-nano")
    assert torch.get_num_threads() == 1


def test_an_unknown_fresh_name_is_met_with_the_nearest():
    with pytest.raises(ConfigError, match="unknown fresh student 'lama-mini'; did you mean 'llama-mini'"):
        load("fresh:lama-mini")


def test_a_fresh_student_needs_texts():
    with pytest.raises(
        ConfigError, match="'fresh:t5-nano' learns its tokenizer from training texts, but none"
    ):
        load_student(StudentConfig(model="fresh:t5-nano"), TrainingConfig())
    with pytest.raises(
        TrainingError, match="learns its tokenizer from the training texts, but there are none"
    ):
        load_student(StudentConfig(model="fresh:t5-nano"), TrainingConfig(), texts=[" "])


def test_a_missing_folder(tmp_path):
    with pytest.raises(
        TrainingError, match=r"there is no model folder '.*nowhere'; student.model is a folder"
    ):
        load(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match=r"there is no model folder 'models/mine/t5'"):
        load("models/mine/t5")


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("config.json", "holds no config.json, so it is no model folder"),
        ("tokenizer*", r"holds no tokenizer \(such as tokenizer.json\); save it there"),
        ("*.safetensors", "holds no weights as safetensors, the only form that is read"),
    ],
)
def test_a_folder_that_lacks_a_part(gone, words, kept):
    for path in kept.glob(gone):
        path.unlink()
    with pytest.raises(TrainingError, match=words):
        load(kept)


def test_a_broken_tokenizer(kept):
    (kept / "tokenizer.json").write_text("{}")
    with pytest.raises(TrainingError, match=r"the tokenizer in '.*kept' cannot be loaded: "):
        load(kept)


def test_broken_weights(kept):
    (kept / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(TrainingError, match=r"the model in '.*kept' cannot be loaded: "):
        load(kept)


def test_a_tokenizer_of_another_model(kept, tmp_path):
    other = load_student(
        StudentConfig(model="fresh:t5-nano"),
        TrainingConfig(),
        texts=[chr(i) * 5 + chr(i + 1) * 3 for i in range(97, 120)],
    )
    other.tokenizer.save_pretrained(kept)
    with pytest.raises(TrainingError, match=r"knows \d+ tokens, its model \d+; they do not belong together"):
        load(kept)


def test_a_hub_name_that_cannot_be_had():
    with pytest.raises(
        TrainingError, match="'nobody/nothing' is no folder here and could not be had from the hub"
    ):
        load("nobody/nothing")


def test_a_family_the_model_has_not(kept):
    with pytest.raises(
        ConfigError, match=r"student\.family is 'causal', but '.*' is a model of family 'seq2seq'"
    ):
        load(kept, family="causal")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there():
    with pytest.raises(ConfigError, match=r"student\.device is 'cuda', but there is no GPU here"):
        load("fresh:t5-nano", device="cuda")
