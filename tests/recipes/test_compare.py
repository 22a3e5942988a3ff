import json

import pytest

from tuition.core.errors import DataError
from tuition.operate.compare import compare_runs, compare_with, graded_rows


def folder(path, grades, *, split="test"):
    path.mkdir()
    rows = [
        {
            "split": split,
            "example_id": f"q{i}",
            "fingerprint": f"print{i}",
            "label": "yes",
            "grade": {"r": "right", "w": "wrong", "u": "unreadable"}[mark],
        }
        for i, mark in enumerate(grades)
    ]
    (path / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_the_left_run_less_the_right_one(tmp_path):
    left, right = folder(tmp_path / "a", "rrrrrrrw"), folder(tmp_path / "b", "rrwwwwuw")
    found = compare_runs(left, right)
    assert found["difference"] == pytest.approx(5 / 8)
    assert found["split"] == "test"
    assert found["ci95"][0] <= found["difference"] <= found["ci95"][1]
    turned = compare_runs(right, left)
    assert turned["difference"] == -found["difference"]
    assert compare_runs(left, left)["difference"] == 0


def test_an_unreadable_answer_is_not_right(tmp_path):
    found = compare_runs(folder(tmp_path / "a", "uuuu"), folder(tmp_path / "b", "wwww"))
    assert found["difference"] == 0


def test_test_answers_go_before_validation(tmp_path):
    path = folder(tmp_path / "a", "rw")
    rows = (path / "predictions.jsonl").read_text().replace('"test"', '"valid"').replace('"q', '"v')
    (path / "predictions.jsonl").write_text(rows + (path / "predictions.jsonl").read_text())
    split, found = graded_rows(path)
    assert split == "test"
    assert sorted(row["example_id"] for row in found) == ["q0", "q1"]


def test_other_items_are_refused(tmp_path):
    with pytest.raises(DataError, match="same items"):
        compare_runs(folder(tmp_path / "a", "rrr"), folder(tmp_path / "b", "rr"))


def test_another_split_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has answers on test, .* on valid; nothing to compare"):
        compare_runs(folder(tmp_path / "a", "r"), folder(tmp_path / "b", "r", split="valid"))


def test_a_folder_without_predictions_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"has no predictions\.jsonl; name the folder of a finished run"):
        graded_rows(tmp_path)


def test_a_group_is_compared_with_its_reference(tmp_path):
    folders = {
        name: folder(tmp_path / name, marks) for name, marks in [("x", "rr"), ("ref", "rw"), ("y", "ww")]
    }
    found = compare_with(folders, reference="ref")
    assert {name: row["difference"] for name, row in found.items()} == {"x": 0.5, "y": -0.5}
    assert compare_with(folders, reference="absent") == {}


def test_who_answered_nothing_on_the_split_is_left_out_and_the_others_are_compared(tmp_path):
    folders = {
        "x": folder(tmp_path / "x", "rr"),
        "ref": folder(tmp_path / "ref", "rw"),
        "teacher": folder(tmp_path / "teacher", "rr", split="valid"),
    }
    assert list(compare_with(folders, reference="ref")) == ["x"]


def relabelled(path, label, source):
    rows = [json.loads(line) for line in (path / "predictions.jsonl").read_text().splitlines()]
    for row in rows[: len(rows) // 2]:
        row["label"] = label
    for row in rows:
        row["label_source"] = source
    (path / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_runs_graded_by_other_labels_are_refused(tmp_path):
    left, right = folder(tmp_path / "a", "rrrr"), relabelled(folder(tmp_path / "b", "rrrr"), "no", "weighted")
    words = (
        r"a' is graded by gold labels and .*b' by weighted, and on 2 of 4 items they differ \('q0', 'q1'\)"
    )
    with pytest.raises(DataError, match=words):
        compare_runs(left, right)


def test_other_sources_of_equal_labels_are_no_hindrance(tmp_path):
    left = relabelled(folder(tmp_path / "a", "rr"), "yes", "weighted")
    assert compare_runs(left, folder(tmp_path / "b", "rw"))["labels"] == "weighted"


def test_a_table_of_panel_labels_is_not_lost_for_one_comparison(tmp_path):
    folders = {
        "x": relabelled(folder(tmp_path / "x", "rr"), "no", "weighted"),
        "y": relabelled(folder(tmp_path / "y", "rr"), "yes", "weighted"),
        "ref": relabelled(folder(tmp_path / "ref", "rw"), "yes", "weighted"),
    }
    found = compare_with(folders, reference="ref")
    assert found["y"]["difference"] == 0.5
    assert found["x"]["refused"].startswith("not compared: ")
    with pytest.raises(DataError, match="same items"):
        compare_with({"a": folder(tmp_path / "a", "rrr"), "b": folder(tmp_path / "b", "rr")}, reference="b")
