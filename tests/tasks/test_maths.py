import builtins
import threading
import time

import pytest

from tuition.core.errors import DataError, MissingExtra
from tuition.core.records import Example, Grade
from tuition.tasks import make_task
from tuition.tasks.kinds import Math

pytest.importorskip("math_verify")
EXAMPLE = Example(id="m", question="q", answer="42")


def labelled(label):
    return Example(id="m", question="q", answer=label)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("The answer is $\\frac{\\sqrt{2}}{2}$.", "\\frac{1}{\\sqrt{2}}"),
        ("So we get \\boxed{4\\sqrt{2}}.", "\\sqrt{32}"),
        ("Therefore, the length is \\(2\\sqrt{3}\\).", "\\sqrt{12}"),
        ("\\boxed{3x^2 + 6x}", "3x(x+2)"),
        ("The answer is $[-2, 7]$.", "[-2,7]"),
        ("The answer is $(3, 4)$.", "(3,4)"),
        ("\\boxed{\\{1, 2, 3\\}}", "\\{3, 2, 1\\}"),
        ("The answer is 1,234.50.", "1234.5"),
        ("So x = 5.", "5"),
        ("\\boxed{x = 2\\sqrt{2}}", "2\\sqrt{2}"),
        ("\\boxed{2\\pi}", "2\\pi"),
        ("The answer is $6√5$.", "6\\sqrt{5}"),
    ],
)
def test_what_is_equal_is_right(text, label):
    task = Math()
    answer = task.read(text, labelled(label))
    assert answer is not None
    assert task.grade(answer, labelled(label)) is Grade.RIGHT


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("\\boxed{\\sqrt{2}}", "2"),
        ("\\boxed{3x}", "3"),
        ("\\boxed{(3, 4)}", "(4, 3)"),
        ("The answer is 2.", "\\sqrt{2}"),
    ],
)
def test_what_is_not_equal_is_wrong(text, label):
    task = Math()
    assert task.grade(task.read(text, labelled(label)), labelled(label)) is Grade.WRONG


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is not $\\sqrt{2}$.",
        "We verify that this is $\\sqrt{2}$ when $x$ is $2$, so",
        "The possible values are $\\sqrt{2}$ and $\\sqrt{3}$.",
        "It is congruent to $5 \\pmod{7}$.",
        "The unknown is $x$.",
    ],
)
def test_what_is_not_concluded_is_unreadable(text):
    assert Math().read(text, EXAMPLE) is None


@pytest.mark.parametrize(
    "said",
    [
        "9^{9^{9^9}}",
        "(2^{999})^{999}",
        "100000!",
        "3!!!!",
        "\\int_0^1 e^{x^2} dx",
        "\\sqrt{" * 300,
        "((((" * 40,
    ],
)
def test_what_could_run_away_is_not_calculated(said):
    started = time.monotonic()
    assert Math().read(f"The answer is \\boxed{{{said}}}.", EXAMPLE) is None
    assert Math().grade(said, EXAMPLE) is Grade.UNREADABLE
    assert time.monotonic() - started < 5


def test_it_works_outside_of_the_main_thread():
    found = []
    worker = threading.Thread(target=lambda: found.append(Math().grade("\\sqrt{16}", labelled("4"))))
    worker.start()
    worker.join()
    assert found == [Grade.RIGHT]


def test_a_label_that_cannot_be_parsed_is_told():
    with pytest.raises(DataError, match="'blue whale', which math-verify cannot parse; use kind = 'mixed'"):
        Math().grade("3", labelled("blue whale"))


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest, **more):
        if name == "math_verify":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtra, match=r"'math_verify' is not installed.*pip install 'tuition\[math\]'"):
        make_task("math")
