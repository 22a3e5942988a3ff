"""What a student reads is counted as its encoder counts it."""

import random
import time

import pytest

from tuition.core.records import Example, Target
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.fresh import SHAPES, learn_tokens
from tuition.student.load import load_student
from tuition.student.look import look_at

TEXTS = ["predict: how many hens has the farmer", "twelve hens, 3 more", "Ωμέγα 42 🙂"]


def look(model, **config):
    return look_at(StudentConfig(model=model, **config), base_folder=BASE_FOLDER, texts=lambda: TEXTS)


@pytest.mark.parametrize(
    ("model", "config", "cut_at", "reads"),
    [
        ("base", {}, 768, 768),
        ("base", {"max_input_tokens": 100}, 100, 768),
        ("base", {"max_output_tokens": 24}, 1000, 1000),
        ("base", {"max_output_tokens": 2000}, 1, 1),
        ("fresh:t5-nano", {}, 1024, None),
        ("fresh:bert-nano", {"max_input_tokens": 5000}, 2048, 2048),
        ("fresh:llama-nano", {}, 1024, 1792),
    ],
)
def test_the_limits_of_a_student(model, config, cut_at, reads):
    found = look(model, **config)
    assert (found.cut_at, found.reads) == (cut_at, reads)


@pytest.mark.parametrize("model", ["base", "fresh:t5-nano", "fresh:llama-nano"])
def test_it_counts_what_the_encoder_encodes(model):
    student = load_student(
        StudentConfig(model=model, device="cpu"), TrainingConfig(), base_folder=BASE_FOLDER, texts=TEXTS
    )
    inputs = [" ".join(random.Random(i).choices(" ".join(TEXTS).split(), k=i)) for i in range(1, 40)]
    targets = [
        Target(example=Example(id="q", question="q"), prefix="predict: ", input=text, output="?")
        for text in inputs
    ]
    lengths = [len(ids) for ids in student._encoder.prompts(targets)]
    end = "\n" if student.family == "causal" else ""
    for limit in (10, 40):
        found = look(model).longer([f"predict: {text}{end}" for text in inputs], limit)
        assert found == [i for i, length in enumerate(lengths) if length > limit]


def test_short_texts_need_no_tokenizer():
    found = look("fresh:t5-nano")
    assert found.longer(["a" * 90] * 1000, 100) == []


@pytest.mark.parametrize("word", ["x", "abcdefgh", " ", "é"])
def test_a_word_without_end_is_read_and_learnt_from_in_a_moment(word):
    text = "".join(random.Random(1).choices(word, k=1_000_000))
    begun = time.process_time()
    for shape in ("t5-nano", "llama-midi"):
        assert learn_tokens(SHAPES[shape], [*TEXTS, text]).get_vocab_size() <= SHAPES[shape].vocabulary
    assert look("base").longer(["a", text, "b"], 768) == [1]
    assert time.process_time() - begun < 20


def test_long_words_alone_change_no_other_tokenizer():
    long = "y" * 1000
    shape = SHAPES["llama-nano"]
    assert (
        learn_tokens(shape, [*TEXTS, long]).to_str() == learn_tokens(shape, [*TEXTS, long + "z" * 9]).to_str()
    )
