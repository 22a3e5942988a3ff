import json

import pytest

from tuition.cli.show import print_json, print_rows, print_table, progress_bars, say, time_left
from tuition.report import Row

PLAIN = {"split": "test", "n": 10, "accuracy": 0.5, "low": 0.25, "high": 0.75, "unreadable": 0.1}


def row(name, **more):
    return Row(name=name, recipe="tinyllm", **{"usd": 0.5, "paid_usd": 0.25, **PLAIN, **more})


def test_a_sentence_with_brackets_is_printed_as_it_is(capsys):
    say("see [budget] and [/red]")
    assert capsys.readouterr().out == "see [budget] and [/red]\n"


def test_json_is_whole_however_long(capsys):
    value = {"text": "[red] ü " * 200}
    print_json(value)
    assert json.loads(capsys.readouterr().out) == value


def test_markup_in_a_cell_is_text(capsys):
    print_table("title", [{"answer": "[bold]x[/bold] [/]", "n": 1}])
    assert "[bold]x[/bold] [/]" in capsys.readouterr().out


def test_a_table_without_rows(capsys):
    print_table("nothing", [])
    assert capsys.readouterr().err == ""


def test_result_rows_are_in_per_cent_and_dollars(capsys):
    gain = {"difference": 0.125, "difference_low": -0.05, "difference_high": 0.3}
    print_rows("title", [row("a", **gain), row("b", usd=None)])
    out = capsys.readouterr().out
    assert "50.0 [25.0, 75.0]" in out
    assert "+12.5 [-5.0, +30.0]" in out
    assert "unknown" in out
    assert "$0.50" in out
    assert "$0.25" in out
    assert out.splitlines()[0] == "title, read by , 10 items"


def test_progress_and_tables_of_a_run_go_to_stderr(capsys):
    with progress_bars() as listener:
        listener.progress("asking", 1, 2)
        listener.progress("asking", 2, 2)
        listener.table("health", [{"check": "empty", "ada": "0.0"}])
    out, err = capsys.readouterr()
    assert out == ""
    assert "health" in err


def test_labels_have_a_column_where_not_all_are_gold(capsys):
    print_rows("title", [row("a"), row("b", label_source="weighted")])
    out = capsys.readouterr().out
    assert "labels" in out
    assert "weighted" in out
    print_rows("title", [row("a")])
    assert "labels" not in capsys.readouterr().out


def test_several_rows_have_one_line_that_says_how_far_they_are(monkeypatch, capsys):
    with progress_bars() as listener:
        listener.progress("rows", 0, 14)
        listener.progress("ada: asking", 1, 2)
        [bar] = [task for task in listener._bars.tasks if task.description.startswith("row ")]
        assert (bar.description, bar.total) == ("row 1 of 14", 14)
        listener.progress("rows", 1, 14)  # says nothing of the pace: it loaded torch
        assert bar.description == "row 2 of 14"
        listener._began -= 60
        listener.progress("rows", 4, 14)
        assert bar.description == "row 5 of 14, 3 min left"


@pytest.mark.parametrize(
    ("done", "elapsed_s", "said"),
    [(0, 60, ""), (4, 80, "3 min left"), (12, 120, "20 s left"), (13, 13, "1 s left"), (14, 80, "")],
)
def test_the_time_that_is_left_is_by_the_pace_so_far(done, elapsed_s, said):
    assert time_left(done, 14, elapsed_s) == said
