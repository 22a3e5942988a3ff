"""A reader that reads otherwise has another version: the figures of two readers are never taken for one."""

import pytest

from tuition.core.records import Example, content_id
from tuition.tasks import TASKS

TEXTS = (
    "The answer is 9.",
    "The answer is **9**.",
    "#### 1,234",
    r"So \boxed{\frac{1}{2}}.",
    r"\boxed{9{,}500}",
    "The answer is 3, 4.",
    "The answer is 5. Wait, no, it's 6.",
    "I don't think the answer is B.",
    "The answer is (b) a bird.",
    "**C**",
    "Therefore it is a bird.",
    "Answer: no longer",
    "So the answer is yes.",
    "The answer is A. A. Milne.",
    '{"answer": "B"}',
    "The answer is B.\n\nUser: and the next?\nThe answer is C.",
    "It costs 2.4 million.",
    "minus 5",
    "Nothing is said here",
    "",
)
EXAMPLES = (
    Example(id="n", question="How many?", answer="9"),
    Example(id="c", question="Which?", choices=("a fish", "a bird", "a cat"), answer="a bird"),
    Example(id="y", question="Is it?", answer="yes"),
    Example(id="t", question="Who?", answer="Milne"),
)
RELEASED = {
    "0.1.0": {
        "free_text": ("2", "5ac3ce22f20800d9"),
        "mixed": ("2", "40878d80eea3f8b4"),
        "multiple_choice": ("2", "4da1b59fced8334c"),
        "number": ("2", "1f13991137e663f4"),
        "yes_no": ("2", "c2442437d7cf93a2"),
    }
}
"""By version of the program: each kind's version of its reader, and the sum of what it then read."""


def sum_of(kind):
    task = TASKS[kind]()
    return content_id([[task.read(text, example) for text in TEXTS] for example in EXAMPLES])[:16]


@pytest.mark.parametrize("release", RELEASED)
@pytest.mark.parametrize("kind", ["free_text", "mixed", "multiple_choice", "number", "yes_no"])
def test_other_readings_are_of_another_version(release, kind):
    version, readings = RELEASED[release][kind]
    assert TASKS[kind].version != version or sum_of(kind) == readings, "raise the version in tasks/kinds.py"
