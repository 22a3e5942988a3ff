from tuition.core.records import Example
from tuition.tasks.check import blind_answers


def example(id, choices=(), answer=None):
    return Example(id=id, question=id, choices=choices, answer=answer)


TRAIN = [
    example("a", ("x", "yes"), "yes"),
    example("b", ("no", "z"), "z"),
    example("c", ("w", "yes"), "yes"),
    example("d", ("maybe", "no"), "maybe"),
]


def test_each_rule():
    asked = [example("1", ("no", "yes", "maybe not")), example("2", ("maybe", "w")), example("3", ("p", "q"))]
    assert blind_answers(TRAIN, asked) == {
        "longest_option": ["maybe not", "maybe", "p"],
        "frequent_position": ["yes", "w", "q"],
        "frequent_answer": ["yes", "maybe", None],
    }


def test_open_questions_have_no_option():
    asked = blind_answers(
        [example("a", answer="3"), example("b", answer="3"), example("c", answer="4")], [example("q")]
    )
    assert asked == {"longest_option": [None], "frequent_position": [None], "frequent_answer": ["3"]}


def test_a_position_that_is_not_there_is_no_answer():
    assert blind_answers([example("a", ("p", "q", "r"), "r")], [example("1", ("x", "y"))])[
        "frequent_position"
    ] == [None]


def test_labels_of_what_is_asked_are_not_looked_at():
    asked = [example("1", ("no", "yes"), "no"), example("2", ("maybe", "w"), "w")]
    bare = [example(item.id, item.choices) for item in asked]
    assert blind_answers(TRAIN, asked) == blind_answers(TRAIN, bare)


def test_without_training_only_the_longest_answers():
    answers = blind_answers([], [example("1", ("no", "yes"))])
    assert answers == {"longest_option": ["yes"], "frequent_position": [None], "frequent_answer": [None]}
