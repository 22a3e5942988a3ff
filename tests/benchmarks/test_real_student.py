"""`benchmarks/real_student.py`: its questions, its rows and what they come to, without the real student."""

import gzip
import json
import sys
from pathlib import Path

import pytest

from tuition.experiment.config import resolve

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = pytest.mark.skipif(not BENCHMARKS.is_dir(), reason="the benchmarks are not part of this package")


@pytest.fixture(scope="module", autouse=True)
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    # A tool has the same name, and another test may have loaded it.
    other = sys.modules.pop("real_student", None)
    import real_student

    yield real_student
    sys.path.remove(str(BENCHMARKS))
    del sys.modules["real_student"]
    if other is not None:
        sys.modules["real_student"] = other


@pytest.fixture(scope="module")
def sets(benchmark):
    return benchmark.sets


@pytest.fixture(scope="module")
def table(benchmark):
    import real_student_table

    return real_student_table


def question(id, text="a question", *, teachers=("t1", "t2"), chain="a chain", samples=1):
    said = {"text": chain, "answer": "x", "samples": [{"text": chain, "answer": "x"}] * samples}
    return {
        "id": id,
        "question": text,
        "choices": [],
        "answer": "x",
        "reference_rationale": "because",
        "rationales": dict.fromkeys(teachers, said),
    }


# ---- questions ----


def written_set(sets, monkeypatch, folder, **about):
    """A set of ten questions and three of its test, one of which stands in both."""
    files = {"train": [question(f"q{i}", f"what is {i}?") for i in range(10)]}
    files["test"] = [question("t0", "What  is 3?"), question("t1", "else?"), question("t2", "more?")]
    for name, rows in files.items():
        with gzip.open(folder / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    monkeypatch.setattr(sets, "DATA", folder)
    about = {"train": "train", "test": "test", "valid": 2, "digest": "", "questions": 4, **about}
    monkeypatch.setitem(sets.SETS, "mine", about)
    return sets.read_set("mine")


def test_training_validation_and_test_have_no_question_in_common(sets, monkeypatch, tmp_path):
    parts = written_set(sets, monkeypatch, tmp_path)
    ids = {part: [row["id"] for row in rows] for part, rows in parts.items()}
    assert (len(ids["pool"]), len(ids["valid"]), len(ids["test"])) == (7, 2, 3)
    assert {*ids["pool"], *ids["valid"]} == {f"q{i}" for i in range(10)} - {"q3"}


def test_a_set_without_a_test_file_draws_its_test(sets, monkeypatch, tmp_path):
    written_set(sets, monkeypatch, tmp_path)
    monkeypatch.setitem(sets.SETS, "mine", {"train": "train", "draw": 4, "digest": ""})
    parts = sets.read_set("mine")
    assert (len(parts["pool"]), len(parts["valid"]), len(parts["test"])) == (6, 0, 4)


def test_other_questions_than_the_committed_ones_are_refused(sets, monkeypatch, tmp_path):
    parts = written_set(sets, monkeypatch, tmp_path)
    written_set(sets, monkeypatch, tmp_path, digest=sets.digest(parts))
    with pytest.raises(SystemExit, match=r"mine: the ids in .* have the digest .*, expected 0123"):
        written_set(sets, monkeypatch, tmp_path, digest="0123")


def test_a_question_about_the_story_of_a_test_question_is_not_learnt_from(sets, monkeypatch, tmp_path):
    asked = question("t0", "Alice has a cap. Bob takes it. At the end, Alice has")
    about_it = question("q0", "Alice has a cap.  Bob takes it. At the end, Bob has")
    other = question("q1", "Alice has a hat. Bob takes it. At the end, Bob has")
    monkeypatch.setattr(sets, "read", {"train": [about_it, other], "test": [asked]}.get)
    about = {"train": "train", "test": "test", "digest": ""}
    for are_stories, learnt in ((False, {"q0", "q1"}), (True, {"q1"})):
        monkeypatch.setitem(sets.SETS, "mine", {**about, "stories": are_stories})
        assert {row["id"] for row in sets.read_set("mine")["pool"]} == learnt


def test_each_seed_draws_its_own_questions(sets, monkeypatch, tmp_path):
    parts = written_set(sets, monkeypatch, tmp_path)

    def asked(seed):
        found = sets.drawn(parts, sets.SETS["mine"], seed=seed, split="test", quick=False)
        return [row["id"] for row in found["train"]]

    assert asked(1) == asked(1) != asked(2)
    assert len(asked(1)) == 4
    assert {*asked(1)} < {row["id"] for row in parts["pool"]}


def test_a_blind_file_has_no_word_of_the_question(sets, tmp_path):
    rows = [question("q", "the secret of it") | {"context": "a secret context", "choices": ["x", "y"]}]
    sets.written({"test": rows}, tmp_path, teachers=[], is_blind=True)
    [line] = (tmp_path / "test.jsonl").read_text().splitlines()
    assert "secret" not in line
    assert json.loads(line)["choices"] == ["x", "y"]


def test_a_set_has_the_ids_that_were_written_down(sets, monkeypatch, data, tmp_path):
    monkeypatch.setattr(sets, "DATA", data)
    assert len(sets.read_set("last_letter")["test"]) == 150
    monkeypatch.setattr(sets, "DATA", tmp_path)
    with pytest.raises(SystemExit, match=r"set TUITION_DATA to the folder that holds mentor_kd/svamp.train"):
        sets.read_set("svamp")


# ---- forms ----


def test_forms_read_equally_much_in_a_step(sets):
    about = {"teachers": ["t1", "t2"], "rows": 12}
    rows = [
        question("q", "q" * 57, chain="c" * 200, samples=3),
        question("no chain of it", "q" * 57, teachers=()),
    ]
    # In letters: a chain has 57 + a line end + 200 + 35, a label 57 + 1 + 1 + 35, a blind one 1 + 1 + 1 + 35.
    forms = ("one", "mixed", "all", "samples", "labels", "blind")
    read = {form: sets.read_by(form, rows, about, count=len) for form in forms}
    assert read == {"one": 293, "mixed": 293, "all": 586, "samples": 586, "labels": 94, "blind": 38}
    batches = {form: sets.batch(form, rows, about, count=len) for form in read}
    assert batches == {"one": 12, "mixed": 12, "all": 6, "samples": 6, "labels": 37, "blind": 93}
    assert sets.read_by("task", rows[:1], about, count=len) == 94 + 2 * 293


def test_a_wrong_chain_is_read_where_wrong_ones_are_learnt(sets):
    about = {"teachers": ["t1", "t2"], "rows": 12}
    row = question("q")
    row["rationales"]["t1"] = {"text": "another chain", "answer": "y"}
    assert len(sets.texts_of("all", row, about)) == 1
    assert sets.texts_of("one", row, about) == []
    assert len(sets.texts_of("unverified", row, about)) == 2
    assert len(sets.texts_of("all", row, {**about, "forced": True})) == 2


def test_a_set_has_the_forms_that_fit_it(sets):
    forms = list(sets.FORMS)
    assert "other: mentor-t5-large" in list(sets.forms_of("svamp", forms))
    assert not [form for form in sets.forms_of("svamp", forms) if form.startswith("pool_")]
    assert list(sets.forms_of("csqa", ["all", "samples", "one", "familiar"])) == ["one"]
    assert "pool_cascade" in list(sets.forms_of("gsm8k", forms))


def test_every_form_of_every_set_is_a_configuration(sets, tmp_path):
    how = {"model": "base", "device": "cpu", "threads": 1, "precision": "bf16", "seed": 1, "lr": 1e-4}
    how["count"] = len
    for name, about in sets.SETS.items():
        parts = {"train": [question("q", teachers=about["teachers"])], "test": [question("t")]}
        for form in sets.forms_of(name, sets.FORMS):
            made = sets.run_tables(name, form, tmp_path, parts=parts, how={**how, "quick": False})
            config = resolve(made, where=f"{name}, {form}", trust=True)
            assert config.training.steps == about["steps"]
            assert config.annotation.answer_check == (form != "unverified")


# ---- which rows there are to be ----


def test_the_choice_comes_first_and_nothing_is_made_twice(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark.frame, "kept", lambda name: {"runs": []})
    told = benchmark.arguments(["--sets", "last_letter", "--forms", "labels,one,untrained", "--seeds", "1,2"])
    right = {"labels": (0.1, 0.1), "one": (0.1, 0.2)}
    rows = []
    for job in benchmark.jobs(told, rows):
        lrs = benchmark.CHOICE["lr"]
        accuracy = right[job["form"]][lrs.index(job["lr"])] if job["split"] == "valid" else 0.5
        rows.append(job | {"accuracy": accuracy})
    low, high = benchmark.CHOICE["lr"]
    assert [(row["form"], row["lr"]) for row in rows[:4]] == [
        ("labels", low),
        ("labels", high),
        ("one", low),
        ("one", high),
    ]
    first, second = ([row for row in rows[4:] if row["seed"] == seed] for seed in (1, 2))
    # Of equal rates the smaller; the student as it is needs one seed, for it learns nothing.
    expected = [("nearest", None), ("linear", None), ("labels", low), ("one", high), ("untrained", None)]
    assert [(row["form"], row["lr"]) for row in first] == expected
    assert [row["form"] for row in second] == ["nearest", "linear", "labels", "one"]
    assert list(benchmark.jobs(told, rows)) == []
    # Another precision makes rows that cannot be compared with these.
    told.precision = "fp32"
    assert len(list(zip(range(4), benchmark.jobs(told, rows), strict=False))) == 4


def test_a_second_start_goes_on(benchmark, monkeypatch, data, tmp_path, capsys):
    monkeypatch.setattr(benchmark.sets, "DATA", data)
    out = tmp_path / "rows.json"
    given = ["--quick", "--student", "base", "--sets", "last_letter", "--out", str(out)]
    benchmark.main([*given, "--forms", "labels"])
    first = json.loads(out.read_text())
    assert [row["form"] for row in first["runs"]] == ["nearest", "linear", "labels"]
    benchmark.main([*given, "--forms", "labels,one"])
    rows = json.loads(out.read_text())["runs"]
    assert rows[:3] == first["runs"]
    assert len(rows) == 4
    row = rows[-1]
    assert row["threads"] == 1
    assert row["precision"] == "bf16"
    assert row["tokens"] > 0
    assert row["calls"] == 8
    assert row["usd"] > 0
    assert len(row["hits"]) == row["n"] == 10
    assert "| one |" in capsys.readouterr().out


# ---- what they come to ----


def rows_of(data, form, share, *, seeds=(1, 2, 3), n=100):
    return [
        {
            "code": "c",
            "data": data,
            "form": form,
            "seed": seed,
            "split": "test",
            "lr": None,
            "items": f"{data}/test",
            "questions": 30,
            "n": n,
            "accuracy": share / n,
            "hits": "1" * share + "0" * (n - share),
        }
        for seed in seeds
    ]


def result(**shares):
    """Rows of two sets, by form; a share for each."""
    sets = ("last_letter", "tracking")
    return [
        row
        for form, each in shares.items()
        for data, share in zip(sets, each, strict=True)
        for row in rows_of(data, form, share)
    ]


def test_several_teachers_that_are_better_on_two_sets(table):
    rows = result(labels=(20, 30), blind=(5, 10), one=(40, 45), all=(50, 50))
    found = table.summary_of(rows)["targets"]
    assert found["several_over_labels"]["on_two_sets"] == "yes"
    assert found["several_over_labels"]["by_set"]["tracking"]["points"]["mean"] == 20.0
    assert found["several_over_best_single"]["points"]["mean"] == 7.5
    assert found["several_over_best_single"]["verdict"] == "yes"


def test_the_best_single_teacher_is_the_best_of_all_that_were_tried(table):
    rows = result(labels=(20, 30), one=(30, 30), all=(50, 50))
    rows += rows_of("tracking", "other: mentor-t5-large", 50)
    found = table.summary_of(rows)["targets"]["several_over_best_single"]
    assert found["best"] == {"last_letter": "one", "tracking": "other: mentor-t5-large"}
    assert found["points"]["mean"] == 10.0


def test_a_set_that_can_be_answered_without_its_question_is_no_evidence(table):
    rows = result(labels=(20, 30), blind=(5, 50), all=(50, 50))
    found = table.summary_of(rows)["targets"]["several_over_labels"]
    assert found["by_set"]["tracking"]["verdict"].startswith("no evidence")
    assert found["on_two_sets"] == "not decided"


@pytest.mark.parametrize(
    ("points", "wanted", "expected"),
    [
        ((12, 1, 20, 3), 10, "yes"),
        ((12, -1, 20, 3), 10, "not decided"),
        ((8, 4, 12, 3), 10, "not decided"),
        ((6, 4, 9, 3), 10, "no"),
        ((1, -2, 4, 3), 0, "not decided"),
        ((-3, -5, -1, 2), 0, "no"),
        ((-3, -5, -1, 1), 0, "not decided"),
        ((12, 1, 20, 1), 10, "not decided"),
        (None, 0, "not measured"),
    ],
)
def test_what_the_items_cannot_decide_is_left_open(table, points, wanted, expected):
    points = points and dict(zip(("mean", "low", "high", "seeds"), points, strict=True))
    assert table.verdict(points, wanted) == expected


def test_routes_and_choices_are_judged_on_many_items_alone(table):
    rows = rows_of("gsm8k", "pool_entropy", 60) + rows_of("gsm8k", "pool_random", 40)
    assert table.summary_of(rows)["targets"]["on_many_items"] == {"gsm8k": {}}
    rows = rows_of("mmlu_pro", "pool_entropy", 600, n=1000) + rows_of("mmlu_pro", "pool_random", 400, n=1000)
    [(name, found)] = table.summary_of(rows)["targets"]["on_many_items"]["mmlu_pro"].items()
    assert (name, found["points"]["mean"]) == ("pool_entropy over pool_random", 20.0)


def test_rows_of_other_constants_are_not_mixed_in(table):
    old = [row | {"code": "old"} for row in rows_of("svamp", "labels", 90)]
    summary = table.summary_of(old + rows_of("svamp", "labels", 10, seeds=(1,)))
    assert summary["data"]["svamp"]["labels"]["percent"] == 10.0


def test_a_table_says_where_its_texts_come_from_and_on_what_terms(table):
    text = table.printed(table.summary_of(rows_of("last_letter", "labels", 10)))
    assert "### last_letter: 30 questions to learn from, 100 in the test\n" in text
    assert "| labels | 3 | 10.0 | - |" in text
    assert "Not measured yet: one, all, mixed, samples, task, blind, untrained, other: " in text
    assert "2hojae/mentor-kd at ec9ea1118ef1, Apache-2.0. OpenAI's terms" in text
    assert "(b) all over the best single teacher that was measured (none yet), pooled: -: not meas" in text


def test_every_set_names_its_sources(sets):
    for about in sets.SETS.values():
        assert about["sources"]
        assert all(source in sets.CONSTANTS["sources"] for source in about["sources"])
        assert about["digest"]
