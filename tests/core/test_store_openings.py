import sqlite3

from tuition.core.records import Example
from tuition.core.splits import SealedTest
from tuition.core.store import Store, times_opened
from tuition.upkeep import merge_stores


def opened(path, *runs, test="t"):
    with Store(path) as store:
        for run in runs:
            store.note_opening(test, run=run).result(10)


def test_runs_are_counted_by_test_set(tmp_path):
    path = tmp_path / "tuition.db"
    opened(path, "a", "b", "a")
    opened(path, "c", test="other")
    assert times_opened(path, "a") == times_opened(path, "b") == ("t", 2)
    assert times_opened(path, "c") == ("other", 1)
    assert times_opened(path, "never") is None


def test_a_store_that_is_not_there_or_does_not_know_says_nothing_and_is_not_made(tmp_path):
    path = tmp_path / "tuition.db"
    assert times_opened(path, "a") is None
    assert not path.exists()
    # As a version made it that did not count.
    with Store(path):
        pass
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE openings")
    assert times_opened(path, "a") is None
    opened(path, "a")
    assert times_opened(path, "a") == ("t", 1)


def test_two_stores_brought_together_count_the_runs_of_both(tmp_path):
    opened(tmp_path / "left.db", "a", "b")
    opened(tmp_path / "right.db", "b", "c")
    merge_stores(tmp_path / "left.db", tmp_path / "right.db")
    assert times_opened(tmp_path / "left.db", "c") == ("t", 3)


def test_the_content_of_a_test_set_is_that_of_its_questions():
    def sealed(*rows):
        return SealedTest([Example(id=id_, question=text, answer=answer) for id_, text, answer in rows])

    one = sealed(("1", "How many?", "7"), ("2", "Which?", "8"))
    assert one.content == sealed(("x", "Which?", None), ("y", "how  many?", "9")).content
    assert one.content != sealed(("1", "How many?", "7")).content
