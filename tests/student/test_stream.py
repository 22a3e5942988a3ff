"""Texts written at once: each as if it were alone, each with its own bound, chance and end."""

import math
from collections import Counter, defaultdict

import pytest
import torch

from tuition.student.branches.read import write
from tuition.student.predict import end_marks, score_outputs
from tuition.student.stream import Wish, stream


@pytest.fixture(params=["llama-nano", "t5-nano"])
def pupil(request, student):
    """A student whose weights are large, so that it writes many kinds of tokens."""
    made = student(request.param)
    with torch.no_grad():
        for weight in made.model.parameters():
            weight.mul_(6 if weight.dim() > 1 else 1)
    made.model.eval()
    return made


PROMPTS = [[5, 9, 20, 31], [40], [7] * 11, [30, 31, 32, 33, 34, 35]]


def written(pupil, wishes, *, until=lambda place, ids: True):
    """The tokens of each text, and what was told of their probabilities."""
    texts, told = defaultdict(list), defaultdict(list)

    def tell(place, token, logprobs):
        texts[place].append(token)
        told[place].append(logprobs)
        return until(place, texts[place])

    marks = end_marks(pupil.model, pupil.tokenizer.eos_token_id)
    pad_id = pupil.tokenizer.pad_token_id
    stream(pupil.model, wishes, marks=marks, pad_id=pad_id, told=tell)
    return [texts[i] for i in range(len(wishes))], [told[i] for i in range(len(wishes))]


def test_greedy_texts_are_those_of_write(pupil):
    wishes = [Wish(ids=prompt, max_tokens=12) for prompt in PROMPTS]
    marks = end_marks(pupil.model, pupil.tokenizer.eos_token_id)
    pad_id = pupil.tokenizer.pad_token_id
    alike = write(pupil.model, PROMPTS, max_tokens=12, marks=marks, pad_id=pad_id, batch_questions=4)
    texts, told = written(pupil, wishes)
    assert texts == [row.tokens for row in alike]
    assert len({tuple(text) for text in texts}) > 1
    assert not any(logprobs for row in told for logprobs in row)


def test_each_has_its_own_bound_and_end(pupil):
    whole, _ = written(pupil, [Wish(ids=prompt, max_tokens=12) for prompt in PROMPTS])
    wishes = [
        Wish(ids=prompt, max_tokens=bound) for prompt, bound in zip(PROMPTS, (1, 5, 12, 8), strict=True)
    ]
    texts, _ = written(pupil, wishes, until=lambda place, ids: place != 2 or len(ids) < 3)
    assert texts == [whole[0][:1], whole[1][:5], whole[2][:3], whole[3][:8]]


def test_when_all_have_ended_nothing_more_is_computed(pupil, monkeypatch):
    passes = Counter()
    forward = type(pupil.model).forward

    def counted(self, *args, **kwargs):
        passes["n"] += 1
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(pupil.model), "forward", counted)
    wishes = [Wish(ids=prompt, max_tokens=12) for prompt in PROMPTS]
    written(pupil, wishes, until=lambda place, ids: len(ids) < 2)
    # A decoder has read the prompt before.
    assert passes["n"] == 2 + (pupil.family == "causal")


def test_an_end_mark_is_told_and_is_the_last(pupil):
    [text], _ = written(pupil, [Wish(ids=[5, 9], max_tokens=12)])
    told = []
    stream(
        pupil.model,
        [Wish(ids=[5, 9], max_tokens=12)],
        marks=[text[4]],
        pad_id=pupil.tokenizer.pad_token_id,
        told=lambda place, token, logprobs: told.append(token) or True,
    )
    assert told == text[: text.index(text[4]) + 1]


def test_what_is_drawn_depends_on_the_seed_and_on_nobody_else(pupil):
    drawn = Wish(ids=PROMPTS[0], max_tokens=10, temperature=1.5, seed=3)
    others = [
        Wish(ids=PROMPTS[2], max_tokens=12),
        Wish(ids=PROMPTS[0], max_tokens=10, temperature=1.5, seed=4),
        Wish(ids=PROMPTS[0], max_tokens=10),
    ]
    [alone], _ = written(pupil, [drawn])
    texts, _ = written(pupil, [*others, drawn, drawn])
    assert texts[3] == texts[4] == alone
    assert texts[1] != alone
    assert texts[2] != alone
    [greedy], _ = written(pupil, [others[2]])
    assert texts[2] == greedy


def test_a_low_temperature_is_nearly_greedy(pupil):
    wishes = [Wish(ids=PROMPTS[0], max_tokens=10, temperature=heat, seed=5) for heat in (0.0, 1e-30, 1e-3)]
    first, second, third = written(pupil, wishes)[0]
    assert first == second == third


def test_tokens_are_drawn_as_often_as_their_probability_says(pupil):
    n, heat = 2000, 1.3
    wishes = [
        Wish(ids=[5, 9], max_tokens=1, temperature=heat, seed=seed, top=10_000 * (seed == 0) or None)
        for seed in range(n)
    ]
    texts, told = written(pupil, wishes)
    weights = {token: math.exp(logprob / heat) for token, logprob in told[0][0].items()}
    wanted = {token: n * weight / sum(weights.values()) for token, weight in weights.items()}
    counts = Counter(token for [token] in texts)
    often = [token for token in wanted if wanted[token] > 15]
    assert len(often) > 5
    for token in often:
        assert abs(counts[token] - wanted[token]) < 4.5 * math.sqrt(wanted[token])


def test_probabilities_are_those_of_scoring_and_the_likeliest_are_told(pupil):
    asked = [
        Wish(ids=prompt, max_tokens=6, top=top) for prompt, top in zip(PROMPTS, (0, 3, None, 1), strict=True)
    ]
    texts, told = written(pupil, asked)
    scored = score_outputs(
        pupil.model,
        PROMPTS,
        [[text] for text in texts],
        pad_id=pupil.tokenizer.pad_token_id,
        batch_questions=4,
    )
    for place in (0, 1, 3):
        own = [logprobs[token] for token, logprobs in zip(texts[place], told[place], strict=True)]
        assert own == pytest.approx(scored[place][0], abs=1e-4)
    assert {len(logprobs) for logprobs in told[0]} == {1}
    assert {len(logprobs) for logprobs in told[1]} == {3}
    assert not any(told[2])


def test_wishes_of_unlike_lengths_are_written_as_if_alone(pupil):
    bounds = ((2, 6), (2, 5), (7, 2), (7, 3), (1, 9), (1, 1))
    wishes = [Wish(ids=[5] * length, max_tokens=bound) for length, bound in bounds]
    texts, _ = written(pupil, wishes)
    assert texts == [written(pupil, [wish])[0][0] for wish in wishes]
    assert written(pupil, []) == ([], [])
