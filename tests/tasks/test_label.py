"""A fixed set of labels: how one is read, graded, counted, and where the set comes from."""

import pytest

from tuition.core.config import parse
from tuition.core.errors import ConfigError, DataError
from tuition.core.records import Example, Grade
from tuition.core.splits import SealedTest, fingerprint
from tuition.tasks import make_task
from tuition.tasks.config import TaskConfig
from tuition.tasks.label import Label
from tuition.tasks.load import FileSource

LABELS = {"billing": "money", "Delivery": "", "technical issue": "it does not work"}
TASK = Label(LABELS)


def ask(answer=None, id="e"):
    return TASK.prepared(Example(id=id, question="q", answer=answer))


def test_an_example_is_given_the_set_and_its_label_in_the_set_s_spelling():
    example = ask(" 'DELIVERY'. ")
    assert (example.choices, example.answer, example.listed) == (tuple(LABELS), "Delivery", ())
    assert ask("refund").answer == "refund"
    assert Label().prepared(example) == example
    assert fingerprint(example) == fingerprint(Example(id="e", question="q"))


def test_a_teacher_is_told_the_set_and_what_each_label_means():
    assert TASK.told.splitlines() == [
        "The answer is one of these labels, word for word:",
        "- billing: money",
        "- Delivery",
        "- technical issue: it does not work",
    ]
    assert Label().told == ""


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("**Technical  Issue**", "technical issue"),
        ("The category is delivery, not billing.", "Delivery"),
        ('{"label": "billing"}', "billing"),
        ("They paid twice.\n\nbilling", "billing"),
        ("billing\nNo, wait.\ndelivery", None),
        ("The label is billing or delivery.", None),
        ("The answer is (b).", None),
        ("This is about a delivery.", None),
        ("", None),
    ],
)
def test_a_label_is_read_by_name_alone(text, read):
    assert TASK.read(text, ask()) == read


def test_a_set_may_hold_the_words_that_announce_labels():
    task = Label({"class action": "", "label": ""})
    assert task.read("The answer is class action.", task.prepared(ask())) == "class action"


def test_it_is_graded_within_the_set():
    example = ask("billing")
    assert TASK.grade("Billing.", example) is Grade.RIGHT
    assert TASK.grade("delivery", example) is Grade.WRONG
    assert TASK.grade("refund", example) is TASK.grade(None, example) is Grade.UNREADABLE
    with pytest.raises(DataError, match=r"the label 'refund', which is none of the labels: billing, Del"):
        TASK.grade("billing", ask("refund"))


def test_it_is_counted_by_label():
    gold = ["billing", "billing", "billing", "Delivery"]
    figures = TASK.figures(["billing", "Delivery", None, "delivery"], [ask(label) for label in gold])
    # billing: precision 1, recall 1/3; Delivery: precision 1/2, recall 1; the third is neither asked nor said
    assert figures["macro_f1"] == pytest.approx((0.5 + 2 / 3) / 2)
    assert figures["by_label"]["billing"] == {
        **{"n": 3, "said": 1, "right": 1, "precision": 1.0, "recall": pytest.approx(1 / 3), "f1": 0.5},
        "confused": {"Delivery": 1, "": 1},
    }
    assert figures["by_label"]["technical issue"]["f1"] is None
    sklearn = pytest.importorskip("sklearn.metrics")
    said = ["billing", "Delivery", "", "Delivery"]
    macro = sklearn.f1_score(gold, said, average="macro", labels=["billing", "Delivery"])
    assert figures["macro_f1"] == pytest.approx(macro)


@pytest.mark.parametrize("labels", [["a"], ["a", "A"], ["a", " "], []])
def test_a_set_has_two_labels_that_can_be_told_apart(labels):
    with pytest.raises(ConfigError, match="are no labels: give two or more, none empty and none twice"):
        parse(TaskConfig, {"kind": "label", "labels": labels}, where="[task]")


def test_a_list_and_a_table_name_labels():
    assert parse(TaskConfig, {"labels": ["a", "b"]}, where="x").labels == {"a": "", "b": ""}
    assert parse(TaskConfig, {"labels": {"a": "x", "b": ""}}, where="x").labels == {"a": "x", "b": ""}


def test_labels_of_a_file_are_taken_as_they_stand(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("question,answer,choices\nq1,b,x|y\nq2,1,x|y\n")
    config = TaskConfig(kind="label", train=str(file), valid_share=0)
    train = FileSource(config).load().train
    assert [(example.answer, example.choices) for example in train] == [("b", ()), ("1", ())]


def test_labels_of_a_file_may_be_positions_in_the_set(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("question,answer\nq1,0\nq2,1\n")
    config = TaskConfig(kind="label", train=str(file), valid_share=0, labels=["no", "yes"], label="index")
    assert [example.answer for example in FileSource(config).load().train] == ["no", "yes"]


def test_the_sealed_test_takes_the_form_once():
    sealed = SealedTest([Example(id="e", question="q", answer="BILLING")])
    formed = sealed.in_form(TASK.prepared)
    with pytest.raises(DataError, match="was read already, by 'the form of its task, under a new seal'"):
        sealed.open("somebody")
    assert [example.answer for example in formed.open("run")] == ["billing"]
    assert make_task("label", {"labels": LABELS}).told == TASK.told
