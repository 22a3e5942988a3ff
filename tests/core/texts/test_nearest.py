import math
import os
import random
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.texts.nearest import Nearest, near_repeats

TEXTS = ["the cat sat on the mat", "a dog ran", "the dog and the cat", "Straße in Köln", ""]


def by_hand(words, texts):
    """BM25 as Lucene has it: idf = ln(1 + (N - df + 0.5) / (df + 0.5)), times tf / (tf + k1 (...))."""
    split = [text.split() for text in texts]
    mean = sum(map(len, split)) / len(split)
    scores = []
    for text in split:
        score = 0.0
        for word in words:
            df = sum(word in other for other in split)
            idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
            tf = text.count(word)
            score += idf * tf / (tf + 1.5 * (1 - 0.75 + 0.75 * len(text) / mean))
        scores.append(score)
    return scores


def test_scores_are_those_of_the_formula():
    found = dict(Nearest(TEXTS).find("cat dog", 5))
    wanted = by_hand(["cat", "dog"], TEXTS)
    assert [found[i] for i in range(5)] == pytest.approx(wanted, rel=1e-9)
    assert Nearest(TEXTS).find("cat dog", 1)[0][0] == 2


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_drawn_texts_are_those_of_the_formula(seed):
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices("abcdefgh", k=drawn.randint(0, 9))) for _ in range(drawn.randint(1, 30))]
    # each word of the query counts as often as it stands there
    asked = drawn.choices("abcdefghz", k=6)
    split = [text.split() for text in texts]
    mean = sum(map(len, split)) / len(split)
    wanted = [0.0] * len(texts)
    for word in asked:
        df = sum(word in other for other in split)
        for i, text in enumerate(split):
            if tf := text.count(word):
                idf = math.log(1 + (len(split) - df + 0.5) / (df + 0.5))
                wanted[i] += idf * (tf / (1.5 * (0.25 + 0.75 * len(text) / mean) + tf))
    found = Nearest(texts).find(" ".join(asked), len(texts))
    assert dict(found) == pytest.approx(dict(enumerate(wanted)), rel=1e-12)
    assert [i for i, _ in found] == sorted(range(len(texts)), key=lambda i: (-dict(found)[i], i))


def test_the_index_is_the_same_in_many_parts(monkeypatch):
    texts = _texts(50, words=12)
    whole = Nearest(texts)
    monkeypatch.setattr("tuition.core.texts.nearest._CHUNK", 7)
    parts = Nearest(texts)
    for query in texts[:5]:
        assert (whole.scores(query) == parts.scores(query)).all() and whole.scores(query).any()


def test_nearest_first_ties_by_index_and_n_are_returned():
    nearest = Nearest(["red", "blue", "red", "green", "red"])
    assert [i for i, _ in nearest.find("red", 5)] == [0, 2, 4, 1, 3]
    assert [i for i, _ in nearest.find("red", 2)] == [0, 2]
    assert [score for _, score in nearest.find("red", 5)][3:] == [0.0, 0.0]
    assert nearest.find("red", 0) == []
    assert len(nearest.find("red", 50)) == 5
    with pytest.raises(ValueError, match="cannot find -1 texts"):
        nearest.find("red", -1)


@pytest.mark.parametrize("text", ["", "?!", "unknown words only", "\n\t"])
def test_a_text_without_a_known_word_finds_all_by_index_with_score_0(text):
    assert Nearest(TEXTS).find(text, 3) == [(0, 0.0), (1, 0.0), (2, 0.0)]


def test_one_text_no_text_and_texts_without_words():
    (found,) = Nearest(["only one"]).find("one", 3)
    assert found[0] == 0 and found[1] > 0
    assert Nearest([]).find("one", 3) == []
    assert Nearest(["", "..."]).find("one", 3) == [(0, 0.0), (1, 0.0)]


def test_case_punctuation_and_unicode_forms_do_not_matter():
    nearest = Nearest(TEXTS)
    assert nearest.find("STRASSE!", 1)[0][0] == 3
    assert nearest.find("Ko\u0308ln", 1)[0][0] == 3, "a letter and its dots apart"
    assert Nearest(["東京 タワー", "大阪 城"]).find("城?", 1)[0][0] == 1


@given(st.lists(st.text(max_size=20), max_size=8), st.text(max_size=20), st.integers(0, 10))
def test_any_texts(texts, asked, n):
    nearest = Nearest(texts)
    found = nearest.find(asked, n)
    assert len(found) == min(n, len(texts)) == len({i for i, _ in found})
    assert all(math.isfinite(score) and score >= 0 for _, score in found)
    assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))
    assert found == Nearest(texts).find(asked, n) == nearest.find(asked, n)


PROGRAM = """
from tuition.core.texts.nearest import Nearest, near_repeats
print(Nearest({!r}).find("the cat, a dog", 5))
"""


def test_equal_in_every_process_and_silent():
    outputs = []
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", PROGRAM.format(TEXTS)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        outputs.append(done.stdout)
    assert outputs[0] == outputs[1] and outputs[0].count("\n") == 1


def _texts(n, *, words=40, seed=0):
    drawn = random.Random(seed)
    return [" ".join(f"w{drawn.randrange(3000)}" for _ in range(words)) for _ in range(n)]


def test_near_repeats_are_found_and_others_are_not():
    others, strangers = _texts(300), _texts(300, seed=1)
    near = [text.replace(" ", "  ", 1).upper() + " and one word more" for text in others]
    far = [
        f"{text} {' '.join(stranger.split()[:20])}" for text, stranger in zip(others, strangers, strict=True)
    ]
    assert near_repeats(near, others) == list(range(300))
    assert near_repeats(far, others) == near_repeats(strangers, others) == []
    assert near_repeats(["one two three"], ["one two three"]) == near_repeats([], others) == []


def test_a_repeat_among_texts_of_its_own_pattern_is_found():
    drawn = random.Random(0)
    pattern = (
        "a farmer has {} sheep and {} cows on a farm near the town of {} and every day the farmer sells {} of"
        " the animals at the market for a good price how many animals does the farmer have after {} days if"
        " nothing else changes and no animal is born or dies in the meantime"
    )
    others = [pattern.format(*(" ".join(two) for two in zip(*[iter(text.split())] * 2, strict=True)))
              for text in _texts(1000, words=10)]  # fmt: skip
    texts = []
    for other in others[-200:]:
        changed = other.split()
        for place in drawn.sample([i for i, word in enumerate(changed) if word[1:].isdigit()], 4):
            changed[place] = "other"
        texts.append(" ".join(changed))
    # Three quarters of its pairs are shared; with most of the others it shares half.
    assert len(near_repeats(texts, others)) >= 190
    assert near_repeats(others[:100], others[500:]) == []


def test_texts_of_one_pattern_take_no_long():
    pattern = (
        "How many of the {} apples and {} pears are left, after she has sold ten of them to her old friends?"
    )
    texts = [pattern.format(i % 97, i % 89) for i in range(3000)]
    began = time.monotonic()
    assert len(near_repeats(texts[:2000], texts[2000:])) > 1000
    assert time.monotonic() - began < 20
