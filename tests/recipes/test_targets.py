import dataclasses

import pytest

from tuition.core.errors import DataError
from tuition.core.records import Annotation, Example
from tuition.experiment.targets import (
    ANSWER_PREFIX,
    RATIONALE_PREFIX,
    answer_targets,
    answer_text,
    chain_targets,
    choice_of_letter,
    question_text,
    questions,
    rationale_targets,
)

OPEN = Example(id="o", question="2 + 2?", answer="4", context="Sums.")
CLOSED = Example(id="c", question="Which is red?", choices=("sky", "blood"), answer="blood")
BARE = Example(id="b", question="Who knows?")
BY_ID = {example.id: example for example in (OPEN, CLOSED, BARE)}


def annotation(example, teacher="ada", *, answer=None, text="Because it is so."):
    return Annotation(example_id=example.id, teacher=teacher, kind="rationale", rationale=text, answer=answer)


def test_a_question_is_written_with_its_choices_by_letter_and_without_its_context():
    assert question_text(CLOSED) == "Which is red?\nAnswer Choices:\n(a) sky\n(b) blood"
    assert question_text(OPEN) == "2 + 2?"


def test_the_answer_objective_passes_over_what_has_no_label():
    targets = answer_targets([OPEN, BARE, CLOSED], weight=0.25)
    assert [(t.example.id, t.output, t.weight, t.objective, t.prefix) for t in targets] == [
        ("o", "4", 0.25, "answer", ANSWER_PREFIX),
        ("c", "blood", 0.25, "answer", ANSWER_PREFIX),
    ]


def test_a_rationale_is_a_target_of_its_teachers_objective_with_its_weight_and_instruction():
    notes = [annotation(OPEN, "ada"), annotation(OPEN, "bela"), annotation(CLOSED, "ada")]
    targets = rationale_targets(
        BY_ID,
        notes,
        prefixes={"ada": "ada explains: ", "bela": RATIONALE_PREFIX},
        weights={"ada": 0.5, "bela": 2.0},
    )
    assert [(t.example.id, t.objective, t.weight, t.prefix) for t in targets] == [
        ("o", "rationale:ada", 0.5, "ada explains: "),
        ("o", "rationale:bela", 2.0, "explain: "),
        ("c", "rationale:ada", 0.5, "ada explains: "),
    ]
    assert {t.output for t in targets} == {"Because it is so."}


def test_routed_rationales_are_averaged_together():
    notes = [annotation(OPEN, "ada"), annotation(CLOSED, "bela")]
    both = dict.fromkeys(("ada", "bela"), "explain: ")
    weights = dict.fromkeys(both, 1.0)
    targets = rationale_targets(BY_ID, notes, prefixes=both, weights=weights, one_objective=True)
    assert {t.objective for t in targets} == {"rationale"}


def test_a_chain_closes_with_the_label():
    [target] = chain_targets(BY_ID, [annotation(OPEN, answer="5")], weights={"ada": 0.5})
    assert target.output == "Because it is so.\nThe answer is 4."
    assert (target.objective, target.weight, target.prefix) == ("chain", 0.5, RATIONALE_PREFIX)


def test_a_chain_without_label_closes_with_the_teachers_answer_or_is_none():
    notes = [annotation(BARE, answer="Ada"), annotation(BARE, "bela", answer=None)]
    [target] = chain_targets(BY_ID, notes, weights={"ada": 1.0, "bela": 1.0})
    assert target.output.endswith("\nThe answer is Ada.")


def test_answers_and_the_ends_of_chains_may_be_letters():
    [answer] = answer_targets([CLOSED], weight=1.0, form="letter")
    assert answer.output == "(b)"
    [chain] = chain_targets(BY_ID, [annotation(CLOSED)], weights={"ada": 1.0}, form="letter")
    assert chain.output == "Because it is so.\nThe answer is (b)."
    for target in (answer, chain):
        assert choice_of_letter(target.output, CLOSED) == "blood"
    [asked] = questions([CLOSED], "predict: ", form="letter")
    assert (asked.example.choices, asked.input) == (("(a)", "(b)"), question_text(CLOSED))


def test_letters_go_on_with_pairs():
    many = Example(id="m", question="Which?", choices=tuple(f"option {i}" for i in range(30)))
    for i in (0, 25, 26, 29):
        letter = answer_text(many, f"option {i}", form="letter")
        assert choice_of_letter(letter, many) == f"option {i}"
    assert answer_text(many, "option 27", form="letter") == "(ab)"
    assert choice_of_letter("(zz)", many) is None


def test_an_answer_that_is_no_choice_has_no_letter():
    with pytest.raises(DataError, match=r"'bone' of example 'c' is none of its choices .* no letter"):
        answer_text(CLOSED, "bone", form="letter")
    assert answer_text(CLOSED, "bone") == "bone"


def test_where_there_is_no_question_the_choices_stand_alone():
    assert question_text(dataclasses.replace(CLOSED, question="")) == "Answer Choices:\n(a) sky\n(b) blood"


def test_questions_are_asked_with_the_instruction_and_no_answer_in_them():
    asked = questions([CLOSED, BARE], "predict: ")
    assert [(t.example.id, t.prefix) for t in asked] == [("c", "predict: "), ("b", "predict: ")]
    assert all(t.output == "?" for t in asked)


def test_an_empty_rationale_is_no_target():
    with pytest.raises(ValueError, match=r"empty target for example 'o', objective 'rationale:ada'"):
        rationale_targets(
            BY_ID, [annotation(OPEN, text=" ")], prefixes={"ada": "explain: "}, weights={"ada": 1.0}
        )


def test_a_chain_that_ends_in_no_option_has_no_letter_and_is_none():
    unlabelled = dataclasses.replace(CLOSED, answer=None)
    notes = [annotation(unlabelled, answer="grass"), annotation(unlabelled, "bela", answer="sky")]
    weights = {"ada": 1.0, "bela": 1.0}
    [target] = chain_targets({"c": unlabelled}, notes, weights=weights, form="letter")
    assert target.output.endswith("The answer is (a).")
