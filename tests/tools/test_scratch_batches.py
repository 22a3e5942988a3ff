from random import Random

import pytest
import torch

from base_student.batches import copy_batches, text_batches
from base_student.tokens import learn_tokenizer


def test_the_second_half_says_the_first_again():
    for i, batch in enumerate(copy_batches(50, n=20, seed=1)):
        ids, labels = batch["input_ids"], batch["labels"]
        half = ids.shape[1] // 2
        learnt = labels != -100
        assert ids.min() >= 2
        assert ids.max() < 50
        assert torch.equal(labels[learnt], ids[learnt])
        assert not learnt[:, : half + 1].any()
        if i > 14 and i % 2:
            told = ids[:, :half].reshape(16, -1, 2)
            said = ids[:, half:].reshape(16, -1, 2)
            assert sorted(told[0].tolist()) == sorted(said[0].tolist())
            assert learnt.sum() == 16 * half // 2
        else:
            assert torch.equal(ids[:, :half], ids[:, half:])
            assert learnt[:, half + 1 :].all()


def test_equal_seeds_give_equal_batches():
    first, second = (list(copy_batches(50, n=3, seed=4)) for _ in range(2))
    assert all(torch.equal(a["input_ids"], b["input_ids"]) for a, b in zip(first, second, strict=True))


@pytest.fixture(scope="module")
def tokenizer():
    return learn_tokenizer(["a short text", "How many? 7"], vocabulary=300, longest=128)


def test_answers_are_learnt_and_questions_read(tokenizer):
    (batch,) = text_batches([("How many?", "7")], tokenizer, tokens=100, rng=Random(1))
    ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    assert tokenizer.decode([i for i in labels if i != -100]) == "7</s>"
    assert tokenizer.decode(ids) == "How many?\n7</s>"
    assert batch["attention_mask"].all()


def test_no_batch_is_wider_than_its_tokens_and_none_is_lost(tokenizer):
    texts = [("?" * i, "7") for i in range(1, 40)]
    batches = text_batches(texts, tokenizer, tokens=90, rng=Random(1))
    assert sum(len(batch["input_ids"]) for batch in batches) == 39
    assert all(batch["input_ids"].numel() <= 90 or len(batch["input_ids"]) == 1 for batch in batches)
    assert any(len(batch["input_ids"]) > 3 for batch in batches)
    padded = [batch for batch in batches if not batch["attention_mask"].all()]
    assert padded
    assert all((batch["labels"][batch["attention_mask"] == 0] == -100).all() for batch in padded)
