import pytest

from tuition.core import errors
from tuition.core.errors import MissingExtra, TuitionError, near_name, nearest, some_of


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("ConfigError", ValueError),
        ("DataError", ValueError),
        ("TeacherError", RuntimeError),
        ("BudgetSpent", RuntimeError),
        ("StoreError", RuntimeError),
        ("TrainingError", RuntimeError),
        ("MissingExtra", ImportError),
    ],
)
def test_each_error_is_ours_and_a_built_in(name, builtin):
    assert issubclass(getattr(errors, name), TuitionError)
    assert issubclass(getattr(errors, name), builtin)


def test_near_name():
    assert near_name("explantion", ["explanation", "random"], kind="strategy") == (
        "unknown strategy 'explantion'; did you mean 'explanation'? Known: explanation, random."
    )
    assert near_name("zzz", [], kind="strategy") == "unknown strategy 'zzz'. Known: none."


def test_nearest():
    assert nearest("explantion", {"explanation", "random"}) == "; did you mean 'explanation'?"
    assert nearest("explantion", iter(["random"])) == ""


def test_some_of():
    assert some_of([]) == "none"
    assert some_of("abc") == "'a', 'b', 'c'"
    assert some_of("abcdefg") == "'a', 'b', 'c' and 4 more"


def test_a_missing_extra_prints_the_pip_line():
    with pytest.raises(
        ImportError, match=r"'torch' is not installed; it comes with: pip install 'tuition\[train\]'"
    ):
        raise MissingExtra("torch", "train")
