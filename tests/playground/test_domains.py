from random import Random

import pytest

from tuition.core.errors import DataError
from tuition.playground.domains import DOMAINS
from tuition.playground.domains.coins import CoinPuzzle
from tuition.playground.domains.dates import DatePuzzle
from tuition.playground.domains.knowledge import facts
from tuition.playground.domains.letters import LetterPuzzle
from tuition.playground.domains.phrases import PHRASES, PhrasePuzzle
from tuition.playground.domains.tracking import TrackingPuzzle

EACH = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)


def made(domain, n=200, seed=0):
    return domain.make(Random(seed), [n, 0, 0])[0]


@EACH
def test_text_alone_gives_the_gold_answer(domain):
    for problem in made(domain):
        puzzle = domain.recognise(problem.question)
        assert puzzle is not None, problem
        assert puzzle.solve().answer == problem.answer


@EACH
def test_the_last_step_holds_the_answer_word_for_word(domain):
    for problem in made(domain):
        steps = domain.recognise(problem.question).solve().steps
        assert problem.answer in steps[-1].what


@EACH
def test_a_slip_usually_ends_at_another_answer_of_the_same_form(domain):
    rng = Random(1)
    problems = made(domain)
    slips = [domain.recognise(problem.question).solve(rng) for problem in problems]
    wrong = sum(slip.answer != problem.answer for slip, problem in zip(slips, problems, strict=True))
    assert wrong > 0.5 * len(problems)
    for slip, problem in zip(slips, problems, strict=True):
        assert slip.answer in slip.steps[-1].what
        assert slip.answer in (problem.choices or [slip.answer])


@EACH
def test_questions_and_solutions_are_short(domain):
    for problem in made(domain):
        solution = domain.recognise(problem.question).solve()
        assert len(problem.question.split()) <= 60
        assert sum(len(f"{step.why} {step.what}".split()) for step in solution.steps) <= 45


@EACH
def test_no_other_domain_claims_the_question(domain):
    others = [other for other in DOMAINS.values() if other is not domain]
    for problem in made(domain, 100):
        assert [other.name for other in others if other.recognise(problem.question)] == []


@EACH
def test_a_foreign_question_is_not_recognised(domain):
    for text in (
        "",
        "Which gas do plants take in?",
        "Tom has 3 cats. Where are they?",
        "It is May. What is it?",
    ):
        assert domain.recognise(text) is None


@EACH
def test_several_wordings_occur(domain):
    assert len({problem.question.split()[0] for problem in made(domain)}) >= 3 or domain.name == "tracking"


@EACH
def test_choices_hold_the_answer_once_and_at_every_place(domain):
    problems = [problem for problem in made(domain) if problem.choices]
    assert bool(problems) == (domain.answer == "choice")
    assert all(problem.choices.count(problem.answer) == 1 for problem in problems)
    places = {problem.choices.index(problem.answer) for problem in problems}
    assert not problems or places == set(range(len(problems[0].choices)))


@pytest.mark.parametrize(
    ("puzzle", "answer"),
    [
        (DatePuzzle("March", 14, 10, "day", False), "March 24"),
        (DatePuzzle("March", 28, 10, "day", False), "April 7"),
        (DatePuzzle("December", 30, 1, "week", False), "January 6"),
        (DatePuzzle("January", 3, 5, "day", True), "December 29"),
        (DatePuzzle("May", 1, 1, "day", True), "April 30"),
        (CoinPuzzle("heads", (("Ann", True), ("Bob", False))), "no"),
        (CoinPuzzle("tails", (("Ann", True), ("Bob", True))), "yes"),
        (LetterPuzzle(("c-a-t", "h-e-n")), "t-n"),
        (TrackingPuzzle((("A", "hat"), ("B", "cup"), ("C", "key")), (("A", "B"), ("B", "C")), "C"), "hat"),
    ],
)
def test_answers_worked_out_by_hand(puzzle, answer):
    assert puzzle.solve().answer == answer


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        ("gets a dozen more, then gives a third away", "18"),
        ("rounds up to the next ten", "20"),
        ("rounds down to the ten below", "10"),
        ("turns the number round", "51"),
        ("doubles the pile, then undoes everything", "15"),
        ("keeps only the last digit, then loses the whole lot", "0"),
        ("keeps only a fifth, then triples the pile", "9"),
    ],
)
def test_phrases_worked_out_by_hand(story, answer):
    puzzle = PHRASES.recognise(f"Ann has 15 pens. Ann {story}. How many pens does Ann have now?")
    assert puzzle.solve().answer == answer


def test_a_story_that_leaves_the_whole_numbers_is_not_recognised():
    assert (
        PHRASES.recognise("Ann has 10 pens. Ann gives a third away. How many pens does Ann have now?") is None
    )
    assert (
        PHRASES.recognise("Ann has 90 pens. Ann doubles the pile. How many pens does Ann have now?") is None
    )


def test_phrases_stay_in_range_and_some_are_rare():
    puzzles = [PHRASES.recognise(problem.question) for problem in made(PHRASES, 1500)]
    used = [phrase.text for puzzle in puzzles for phrase in puzzle.phrases]
    counts = sorted((used.count(text) for text in set(used)), reverse=True)
    assert len(counts) == 36
    assert counts[0] > 10 * counts[-1]
    assert {len(puzzle.phrases) for puzzle in puzzles} == {1, 2, 3}
    assert all(0 <= puzzle.start <= 99 for puzzle in puzzles)
    assert isinstance(puzzles[0], PhrasePuzzle)


def test_the_facts_are_balanced_and_have_no_name_twice():
    known = facts()
    assert len(known.kind_of) == 120
    assert len(known.kinds) == 12
    assert not set(known.kinds) & set(known.kind_of)
    assert len(known.value_of) == 12 * 8
    food = [value for (_, name), value in known.value_of.items() if name == "food"]
    assert all(food.count(value) == 3 for value in food)


def splits_of_knowledge(sizes, seed=0):
    domain = DOMAINS["knowledge"]
    return [
        [(puzzle.animal, puzzle.prop.name) for puzzle in (domain.recognise(p.question) for p in part)]
        for part in domain.make(Random(seed), sizes)
    ]


@pytest.mark.parametrize("sizes", [(30, 10, 20), (100, 20, 50), (300, 50, 200), (900, 100, 300)])
def test_knowledge_tests_unseen_pairs_whose_two_steps_train_has_told(sizes):
    train, valid, test = splits_of_knowledge(sizes)
    kind_of = facts().kind_of
    animals = {animal for animal, _ in train}
    told = {(kind_of[animal], name) for animal, name in train}
    for pairs in (valid, test):
        assert not set(pairs) & set(train)
        assert all(animal in animals and (kind_of[animal], name) in told for animal, name in pairs)
    assert not set(valid) & set(test)


def test_knowledge_trains_on_few_pairs_an_animal():
    train = set(splits_of_knowledge((300, 0, 0))[0])
    counts = [sum(pair[0] == animal for pair in train) for animal in facts().kind_of]
    assert set(counts) == {2, 3}


def test_knowledge_says_when_it_has_no_more_questions():
    with pytest.raises(DataError, match=r"different questions are there for one split, 5000 were asked for"):
        DOMAINS["knowledge"].make(Random(0), [5000, 0, 0])
