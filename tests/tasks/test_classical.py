import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tuition.core.records import Example
from tuition.tasks.classical import LEFT_OUT, Classical

needs_sklearn = pytest.mark.skipif(
    importlib.util.find_spec("sklearn") is None,
    reason="scikit-learn, of the extra train, is not installed",
)


def open_question(question, answer=None, **more):
    return Example(id=question, question=question, answer=answer, **more)


def closed(question, choices, answer=None):
    return Example(id=question, question=question, choices=choices, answer=answer)


def nearest(learnt, asked):
    return Classical(learnt).answers([asked])["nearest"][0]


def linear(learnt, *asked):
    return Classical(learnt).answers(asked)["linear"]


COLOURS = [open_question("What colour has blood?", "red"), open_question("What colour has grass?", "green")]


def test_the_nearest_questions_label_is_the_answer():
    assert nearest(COLOURS, open_question("The colour of grass?")) == "green"
    assert nearest(COLOURS, closed("Which colour does blood have?", ("green", "red"))) == "red"


def test_the_context_belongs_to_the_question():
    learnt = [
        open_question("How many?", "2", context="two apples"),
        open_question("How many?", "3", context="pears"),
    ]
    assert nearest(learnt, open_question("How many?", context="green pears")) == "3"


def test_of_equals_the_first_answers_and_unlabelled_questions_teach_nothing():
    learnt = [open_question("grass grass"), *COLOURS]
    assert nearest(learnt, open_question("Nothing alike")) == "red"
    assert nearest(learnt, open_question("grass")) == "green"


def test_a_label_that_is_no_option_gives_way_to_the_option_that_fits_best():
    learnt = [
        closed("Where do fish live?", ("the sea", "a nest"), "the sea"),
        closed("What do birds build?", ("a nest", "a house"), "a nest"),
    ]
    # The nearest question is that of the fish, and its label is not offered.
    assert nearest(learnt, closed("Where do fish swim?", ("in trees", "in the sea"))) == "in the sea"


def sentiment(n, *, with_options):
    words = {"good": ("fine", "lovely", "great"), "bad": ("awful", "poor", "sad")}
    found = []
    for i in range(n):
        label = ("good", "bad")[i % 2]
        text = f"it was {words[label][i % 3]} number {i}"
        found.append(closed(text, ("bad", "good"), label) if with_options else open_question(text, label))
    return found


@needs_sklearn
@pytest.mark.parametrize("with_options", [True, False])
def test_linear_learns_which_words_speak_for_a_label(with_options):
    learnt = sentiment(24, with_options=with_options)
    asked = ["a lovely and great day", "a sad and awful day"]
    options = ("bad", "good") if with_options else ()
    assert linear(learnt, *(closed(text, options) for text in asked)) == ["good", "bad"]


@needs_sklearn
def test_linear_counts_word_pairs():
    pairs = [("not", "good", "bad"), ("not", "bad", "good"), ("so", "good", "good"), ("so", "bad", "bad")]
    learnt = [open_question(f"{a} {b} {i}", label) for i in range(6) for a, b, label in pairs]
    asked = [open_question(f"{a} {b}") for a, b, _ in pairs]
    assert linear(learnt, *asked) == [label for _, _, label in pairs]


def drawn(n, *, seed, pick):
    """Questions with three options that no other question has, and the right one after a rule."""
    draw = random.Random(seed)
    found = []
    for i in range(n):
        options = [" ".join(f"w{draw.randrange(10**6)}" for _ in range(3)) for _ in range(3)]
        asked, options, right = pick(i % 3, options)
        found.append(closed(f"Which is it, {asked}?", tuple(options), options[right]))
    return found


def repeated(right, options):
    return options[right].split()[0], options, right


def longest(right, options):
    options[right] += " and a word or two more"
    return "x", options, right


def marked(right, options):
    options[right] = f"perhaps {options[right]}"
    return "x", options, right


@needs_sklearn
@pytest.mark.parametrize("pick", [repeated, longest, marked])
def test_linear_scores_pairs_of_question_and_option_where_options_change(pick):
    asked = drawn(30, seed=2, pick=pick)
    assert linear(drawn(60, seed=1, pick=pick), *asked) == [example.answer for example in asked]


@needs_sklearn
def test_an_option_is_always_chosen_where_there_are_some():
    learnt = sentiment(24, with_options=True)
    assert linear(learnt, closed("it was fine", ("neither", "both"))) == ["neither"]


@needs_sklearn
def test_labels_that_never_repeat_give_no_answer():
    learnt = [open_question(f"Say {i}", f"text {i}") for i in range(8)]
    assert linear(learnt, open_question("Say 3")) == [None]
    assert linear([*learnt, open_question("a", "x"), open_question("b", "x")], open_question("Say 3")) == [
        "x"
    ]


@needs_sklearn
def test_without_labels_there_is_no_answer():
    asked = [open_question("q"), closed("q", ("a", "b"))]
    answers = Classical([open_question("p"), closed("p", ("a", "b"))]).answers(asked)
    assert answers == {"nearest": [None, None], "linear": [None, None]}


@needs_sklearn
def test_texts_without_a_word_are_no_error():
    learnt = [
        open_question("...", "1"),
        open_question("!", "1"),
        open_question("?", "2"),
        open_question(";", "2"),
    ]
    learnt += [closed("...", ("+", "-"), "+"), closed("!", ("*", "/"), "/")]
    assert linear(learnt, open_question("?"))[0] in ("1", "2")
    assert linear(learnt, closed("", ("+", "/")))[0] in ("+", "/")


@needs_sklearn
def test_one_option_or_one_class_needs_no_model():
    assert linear([closed("p", ("a",), "a"), closed("q", ("b",), "b")], closed("r", ("c",))) == ["c"]
    learnt = [closed(f"p{i}", ("no", "yes"), "yes") for i in range(4)]
    assert linear(learnt, closed("q", ("no", "yes"))) == ["yes"]


@needs_sklearn
def test_labels_of_what_is_asked_are_not_looked_at():
    learnt = sentiment(24, with_options=True)
    wrong = [closed("it was fine", ("bad", "good"), "bad"), closed("it was sad", ("bad", "good"), "good")]
    bare = [closed(example.question, example.choices) for example in wrong]
    assert Classical(learnt).answers(wrong) == Classical(learnt).answers(bare)


def test_without_scikit_learn_linear_is_left_out_and_nearest_is_not(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert Classical(COLOURS).answers([open_question("grass")]) == {"nearest": ["green"], "linear": None}
    assert "needs scikit-learn, which is not installed" in LEFT_OUT


def test_scikit_learn_is_loaded_by_the_first_linear_answer_alone():
    code = (
        "import sys; from tuition.tasks.classical import Classical, Example; "
        "Classical([Example(id='a', question='a', answer='a')]); print('sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@needs_sklearn
def test_a_second_process_with_another_hash_seed_gives_the_same_answers(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from test_classical import *; "
        "learnt = drawn(40, seed=1, pick=lambda i, options: ('x', options, i)); "
        "print(Classical(learnt, seed=3).answers(drawn(20, seed=5, pick=marked)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code, str(Path(__file__).parent)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1
