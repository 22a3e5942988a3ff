"""Labels without gold: by a panel of teachers, by one teacher, by people; of the sealed test too."""

import json
import os
import subprocess
import sys

import pytest
import tomli_w
from tiny import attempts, experiment, hashes, lines, rows, tables, teachers

from tuition.core.errors import BudgetSpent, ConfigError, DataError, TeacherError
from tuition.experiment.bench import choose_train
from tuition.experiment.checks import load_splits
from tuition.experiment.labels import labels as labeller
from tuition.operate.dry_run.plan import plan_of
from tuition.operate.execute import baselines, execute

HIDDEN = {"source": "playground", "train": 12, "valid": 6, "test": 6, "domains": ["coins", "phrases"]}
HIDDEN |= {"hide_answers": True}
ALL = {"train": "weighted", "valid": "weighted", "test": "weighted"}
FREE = {"forced": False, "examples": 0, "filters": ["empty"]}
PANEL = ("ada", "bela", "chen")


def no_gold(folder, *settings, **changed):
    known = {"task": HIDDEN, "labels": ALL, "annotation": FREE, "teacher": teachers(*PANEL)}
    return experiment(folder, *settings, **{**known, **changed})


def write_rows(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


def recorded(folder, said, *, n=4, **tables):
    """A task in files of which nothing is labelled, and teachers whose every answer is written down."""
    task = {"kind": "free_text", "drop_overlap": False, "answer_column": ""}
    for split in ("train", "valid", "test"):
        items = [{"id": f"{split}-{i}", "question": f"What is {split} {i}?"} for i in range(n)]
        task[split] = write_rows(folder / f"{split}.jsonl", items)
    replies = [
        {
            "id": f"{split}-{i}",
            "rationales": {
                name: {"text": f"It is so. The answer is {answers[i]}.", "answer": answers[i]}
                for name, answers in said.items()
                if answers[i] is not None
            },
        }
        for split in ("train", "valid", "test")
        for i in range(n)
    ]
    file = write_rows(folder / "replies.jsonl", replies)
    panel = [{"kind": "recorded", "name": name, "file": file} for name in said]
    known = {"recipe": "label_only", "task": task, "teacher": panel, "annotation": FREE}
    return experiment(folder, **{**known, **tables})


def label_rows(folder):
    return {(row["split"], row["example_id"]): row for row in lines(folder / "run" / "labels.jsonl")}


def all_examples(config):
    splits, _ = load_splits(config)
    return [*splits.train, *splits.valid, *(splits.test.open("this test") if splits.test else ())]


def start(folder, command="run", *arguments):
    line = [sys.executable, "-m", "tuition", command, *(arguments or ("config.toml",)), "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=200, env=environment)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("no-gold")
    known = {"task": HIDDEN, "labels": ALL, "annotation": FREE, "teacher": teachers(*PANEL)}
    evaluation = {"jobs": 1, "baselines": ["label_only", "teachers"]}
    config = tables(folder, **known, evaluation=evaluation, rationale_as="chain", store="tuition.db")
    (folder / "config.toml").write_text(tomli_w.dumps({**config, "out": "run"}))
    done = start(folder)
    assert done.returncode == 0, done.stderr
    return folder


class TestAPoolWithoutGold:
    """Acceptance: through `tuition run` to an examined student, in one configuration."""

    def metrics(self, folder, name="."):
        return json.loads((folder / "run" / name / "metrics.json").read_text())

    def test_the_source_has_no_label(self, folder):
        config = no_gold(folder)
        assert {example.answer for example in all_examples(config)} == {None}

    @pytest.mark.parametrize("name", [".", "label_only", "teacher-ada", "teacher-bela", "teacher-chen"])
    def test_every_figure_says_by_whose_labels_it_is_graded(self, folder, name):
        metrics = self.metrics(folder, name)
        assert [metrics[split]["label_source"] for split in ("valid", "test")] == ["weighted", "weighted"]
        assert [metrics[split]["n"] for split in ("valid", "test")] == [6, 6]
        assert metrics["train"] == {"n": 12, "label_source": {"weighted": 12}}
        assert metrics["labels"]["panel"] == list(PANEL)
        assert set(metrics["labels"]["splits"]) == {"train", "valid", "test"}
        predictions = lines(folder / "run" / name / "predictions.jsonl")
        assert {row["label_source"] for row in predictions} == {"weighted"}

    def test_all_rows_of_the_table_have_the_same_labels(self, folder):
        own = (folder / "run" / "labels.jsonl").read_text()
        for name in ("label_only", "teacher-ada", "teacher-bela", "teacher-chen"):
            assert (folder / "run" / name / "labels.jsonl").read_text() == own
        comparisons = json.loads((folder / "run" / "comparisons.json").read_text())
        assert {row["labels"] for row in comparisons.values()} == {"weighted"}

    def test_a_call_is_paid_once_whoever_makes_it(self, folder):
        # 24 questions, three teachers: the panel's calls are the chains of training and the examination
        assert attempts(folder / "tuition.db") == 72
        assert {role for (role,) in rows(folder / "tuition.db", "SELECT role FROM attempts")} == {"label"}
        assert self.metrics(folder)["spend"]["calls"] == 72
        for name in ("label_only", "teacher-ada"):
            spend = self.metrics(folder, name)["spend"]
            assert (spend["calls"], spend["paid_usd"]) == (0, 0.0)
            assert spend["usd"] > 0, "as if bought alone"

    def test_no_teacher_was_shown_an_answer(self, folder):
        for (request,) in rows(folder / "tuition.db", "SELECT request FROM attempts"):
            assert "\nAnswer: " not in json.loads(request)["messages"][0]["content"]

    def test_the_tables_say_it(self, folder):
        shown = json.loads(start(folder, "show", "run").stdout)
        assert {row["label_source"] for row in shown} == {"weighted"}
        remarks = {row["name"]: row["remark"] for row in shown}
        assert remarks["run"].startswith("graded by weighted labels of ada, bela, chen, not gold")
        assert "learnt from weighted labels" in remarks["run"]
        assert "is one of its own judges" in remarks["teacher-ada"]
        card = (folder / "run" / "MODEL_CARD.md").read_text()
        assert "labels: 12 weighted" in card
        assert card.count("| weighted labels of ada, bela, chen, not gold |") == 2
        page = (folder / "run" / "report.html").read_text()
        assert "Not all of these figures are graded by gold labels" in page
        assert page.count("<td>weighted") >= len(shown)
        compared = json.loads(start(folder, "compare", "run", "run/label_only").stdout)
        assert compared["labels"] == "weighted"

    def test_the_test_is_opened_once_and_last(self, folder):
        events = [row["event"] for row in lines(folder / "run" / "events.jsonl")]
        assert events[:2] == ["started", "labelled"]
        assert events.count("test_opened") == 1
        assert events.index("test_opened") > events.index("trained")

    def test_a_second_start_spends_nothing_and_changes_nothing(self, folder):
        before = hashes(folder / "run")
        assert json.loads(start(folder).stdout)["is_new"] is False
        assert hashes(folder / "run") == before
        assert attempts(folder / "tuition.db") == 72


def test_gold_that_gives_way_is_read_by_nobody(tmp_path):
    """With the labels hidden, and with the labels there but set aside, everything comes out the same."""
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    settings = {"labels": {**ALL, "replace": True}, "annotation": {**FREE, "examples": 2}}
    hidden = execute(no_gold(tmp_path / "a", **settings)).metrics
    there = execute(no_gold(tmp_path / "b", "task.hide_answers=false", **settings)).metrics
    for name in ("labels.jsonl", "predictions.jsonl", "annotations.jsonl"):
        left, right = ((tmp_path / run / "run" / name).read_text() for run in "ab")
        assert left == right, name
    for name in ("train", "valid", "test", "objectives"):
        assert hidden[name] == there[name], name
    weights = [(tmp_path / run / "run" / "student" / "model.safetensors").read_bytes() for run in "ab"]
    assert weights[0] == weights[1]
    # the one thing that is known more: how far the panel agrees with what gave way, and never on the test
    splits = there["labels"]["splits"]
    assert {split for split in splits if "gold" in splits[split]} == {"train", "valid"}
    assert splits["train"]["gold"]["n"] == 12
    assert splits["train"]["gold"]["right"] >= 10
    assert not any("gold" in split for split in hidden["labels"]["splits"].values())


def test_labels_of_the_task_stay_where_they_are(tmp_path):
    config = no_gold(tmp_path, "task.hide_answers=false", "task.train=6", recipe="label_only")
    metrics = execute(config).metrics
    assert metrics["labels"]["splits"] == {}
    assert metrics["test"]["label_source"] == "gold"
    assert metrics["train"]["label_source"] == {"gold": 6}
    assert attempts(tmp_path / "tuition.db") == 0


def test_without_a_panel_nothing_is_written_of_labels(tmp_path):
    metrics = execute(experiment(tmp_path, recipe="label_only")).metrics
    assert metrics["labels"] is None
    assert metrics["train"]["label_source"] == {"gold": 12}
    assert not (tmp_path / "run" / "labels.jsonl").exists()


SAID = {"a": ["x", "x", "y", "z"], "b": ["x", "y", "y", None], "c": ["z", "y", "x", None]}


class TestWhoLabels:
    def test_the_majority(self, tmp_path):
        metrics = execute(recorded(tmp_path, SAID, labels=dict.fromkeys(ALL, "majority"))).metrics
        found = label_rows(tmp_path)
        assert [found["test", f"test-{i}"]["label"] for i in range(4)] == ["x", "y", "y", "z"]
        assert found["test", "test-0"]["answers"] == {"a": "x", "b": "x", "c": "z"}
        assert found["test", "test-0"]["confidence"] == pytest.approx(2 / 3)
        assert metrics["test"]["label_source"] == "majority"

    def test_one_teacher_and_an_example_it_left_open_leaves_the_split(self, tmp_path):
        labels = {**dict.fromkeys(ALL, "teacher"), "teacher": "b"}
        metrics = execute(recorded(tmp_path, SAID, labels=labels)).metrics
        assert metrics["labels"]["panel"] == ["b"]
        assert metrics["test"]["label_source"] == "teacher:b"
        assert (metrics["train"]["n"], metrics["valid"]["n"], metrics["test"]["n"]) == (3, 3, 3)
        assert metrics["labels"]["splits"]["test"]["unanswered"] == 1
        assert metrics["labels"]["failures"] == {"b: absent": 3}

    def test_weighed_by_agreement(self, tmp_path):
        n = 20
        said = {"a": [f"w{i}" for i in range(n)], "b": [f"t{i}" for i in range(n)]}
        said |= {"c": [f"t{i}" for i in range(n - 1)] + ["u"], "d": [f"t{i}" for i in range(n - 1)] + ["w19"]}
        config = recorded(tmp_path, said, n=n, labels=ALL, recipe="zero_shot")
        metrics = execute(config).metrics
        reliability = metrics["labels"]["splits"]["test"]["reliability"]
        assert reliability["a"] < 0.3
        assert min(reliability["b"], reliability["c"]) > 0.8
        last = label_rows(tmp_path)["test", "test-19"]
        # two say w19, two say otherwise; the one that never agrees does not count
        assert last["answers"] == {"a": "w19", "b": "t19", "c": "u", "d": "w19"}
        assert last["label"] != "w19" or reliability["d"] > reliability["b"]

    def test_people(self, tmp_path):
        items = [
            {"id": f"{s}-{i}", "answer": f"{s[0]}{i}"} for s in ("train", "valid", "test") for i in range(4)
        ]
        file = write_rows(tmp_path / "people.jsonl", items)
        labels = {**dict.fromkeys(ALL, "file"), "file": file}
        metrics = execute(recorded(tmp_path, SAID, labels=labels, teacher=[])).metrics
        assert metrics["test"]["label_source"] == "human"
        assert metrics["labels"]["panel"] == []
        assert {row["label"] for row in lines(tmp_path / "run" / "predictions.jsonl")} == {
            *(f"v{i}" for i in range(4)),
            *(f"t{i}" for i in range(4)),
        }

    def test_teachers_of_weight_nought_vote_too_and_a_panel_of_its_own_may_be_named(self, tmp_path):
        panel = recorded(tmp_path, SAID).teacher
        silent = [{**table.model_dump(exclude_none=True), "weight": 0.0} for table in panel]
        labels = dict.fromkeys(ALL, "majority")
        assert execute(recorded(tmp_path, SAID, labels=labels, teacher=silent)).metrics["labels"][
            "panel"
        ] == ["a", "b", "c"]
        own = {**labels, "panel": [table.model_dump(exclude_none=True) for table in panel[1:]]}
        other = recorded(tmp_path, SAID, labels=own, teacher=[], out=str(tmp_path / "other"))
        assert execute(other).metrics["labels"]["panel"] == ["b", "c"]

    def test_unsure_training_labels_leave_training(self, tmp_path):
        labels = {**dict.fromkeys(ALL, "majority"), "least_confidence": 0.7}
        said = {"a": ["x", "x", "x", "x"], "b": ["x", "x", "y", "y"], "c": ["x", "x", "z", "x"]}
        metrics = execute(recorded(tmp_path, said, labels=labels)).metrics
        assert metrics["train"]["n"] == 2
        assert metrics["labels"]["splits"]["train"]["unsure"] == 2
        assert metrics["test"]["n"] == 4

    def test_no_label_is_sure_enough(self, tmp_path):
        labels = {**dict.fromkeys(ALL, "majority"), "least_confidence": 1.0}
        with pytest.raises(
            DataError, match=r"none of 4 training labels is as sure as .* = 1 \(4 are less so\)"
        ):
            execute(recorded(tmp_path, {"a": list("xxxx"), "b": list("yyyy")}, labels=labels))

    def test_nobody_could_label_anything(self, tmp_path):
        said = {"a": ["x", None, None, None], "b": [None] * 4}
        with pytest.raises(
            TeacherError, match=r"not one of 4 questions of test got a label .*'b: absent': 4"
        ):
            labels = {**dict.fromkeys(ALL, "teacher"), "teacher": "b"}
            config = recorded(tmp_path, said, labels=labels)
            (tmp_path / "more.jsonl").write_text('{"id": "elsewhere", "rationales": {"b": {"text": "x"}}}\n')
            tables_ = [
                {**table.model_dump(exclude_none=True), "file": [table.file, str(tmp_path / "more.jsonl")]}
                for table in config.teacher
            ]
            execute(recorded(tmp_path, said, labels=labels, teacher=tables_))

    def test_the_order_of_the_panel_decides_a_tie(self, tmp_path):
        execute(recorded(tmp_path, {"a": list("xxxx"), "b": list("yyyy")}, labels=ALL))
        assert {row["label"] for row in label_rows(tmp_path).values()} == {"x"}


class TestOnlyWhatIsLookedAt:
    def test_a_limit_on_the_examination_limits_the_calls(self, tmp_path):
        config = no_gold(
            tmp_path,
            "evaluation.limit=2",
            recipe="zero_shot",
            labels={"test": "majority", "valid": "majority"},
        )
        metrics = execute(config).metrics
        assert attempts(tmp_path / "tuition.db") == 3 * (2 + 2)
        assert (metrics["valid"]["n"], metrics["test"]["n"]) == (2, 2)

    def test_only_the_chosen_training_examples_are_labelled(self, tmp_path):
        metrics = execute(no_gold(tmp_path, "selection.examples=5")).metrics
        assert metrics["train"] == {"n": 5, "label_source": {"weighted": 5}}
        assert attempts(tmp_path / "tuition.db") == 3 * (5 + 6 + 6)

    def test_the_labels_of_the_test_do_not_depend_on_what_is_trained_on(self, tmp_path):
        execute(no_gold(tmp_path))
        first = {key: row for key, row in label_rows(tmp_path).items() if key[0] == "test"}
        execute(no_gold(tmp_path, "selection.examples=5", f"out={tmp_path / 'other' / 'run'}"))
        second = {key: row for key, row in label_rows(tmp_path / "other").items() if key[0] == "test"}
        assert first == second

    def test_a_pool_with_gold_training_demonstrates_with_it(self, tmp_path):
        task = {**HIDDEN, "hide_answers": False}
        labels = {"valid": "majority", "replace": True}
        config = no_gold(tmp_path, "annotation.examples=2", recipe="label_only", task=task, labels=labels)
        execute(config)
        for (request,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts"):
            assert json.loads(request)["messages"][0]["content"].count("Question:") == 3

    def test_what_teachers_said_is_demonstrated_to_no_other_teacher_of_the_panel(self, tmp_path):
        execute(no_gold(tmp_path, "annotation.examples=2", recipe="label_only"))
        for (request,) in rows(tmp_path / "tuition.db", "SELECT request FROM attempts"):
            assert json.loads(request)["messages"][0]["content"].count("Question:") == 1


class TestForcing:
    def test_a_forced_rationale_is_forced_with_the_label_of_the_panel(self, tmp_path):
        execute(no_gold(tmp_path, "annotation.forced=true"))
        labels = {row["label"] for row in label_rows(tmp_path).values() if row["split"] == "train"}
        asked = rows(tmp_path / "tuition.db", "SELECT request FROM attempts WHERE role = 'rationale'")
        assert len(asked) == 36
        for (request,) in asked:
            _, sign, tail = json.loads(request)["messages"][0]["content"].rpartition("\nAnswer: ")
            assert sign
            assert tail.splitlines()[0] in labels


class TestTheBudget:
    # the order is: test, valid, train; teacher after teacher

    def test_spent_within_training_what_is_labelled_is_used(self, tmp_path):
        metrics = execute(no_gold(tmp_path, f"budget.calls={3 * 12 + 5}", recipe="label_only")).metrics
        assert metrics["stopped_by"] == "budget"
        assert metrics["train"] == {"n": 5, "label_source": {"weighted": 5}}
        assert metrics["labels"]["is_spent"] is True
        assert attempts(tmp_path / "tuition.db") == 41

    def test_spent_before_validation_was_whole_the_run_waits_for_more(self, tmp_path):
        config = no_gold(tmp_path, "budget.calls=25", recipe="label_only")
        with pytest.raises(BudgetSpent, match=r"before valid was labelled: bela was not asked about 5 of 6"):
            execute(config)
        assert attempts(tmp_path / "tuition.db") == 25
        metrics = execute(no_gold(tmp_path, "budget.calls=72", recipe="label_only")).metrics
        assert metrics["stopped_by"] == "done"
        assert attempts(tmp_path / "tuition.db") == 72

    def test_more_money_before_anything_is_learnt_labels_the_rest(self, tmp_path):
        forced = ("annotation.forced=true", "budget.calls=41")
        with pytest.raises(BudgetSpent, match="before a single annotation"):
            execute(no_gold(tmp_path, *forced))
        assert len(lines(tmp_path / "run" / "labels.jsonl")) == 24
        metrics = execute(no_gold(tmp_path, forced[0], "budget.calls=108")).metrics
        assert metrics["train"] == {"n": 12, "label_source": {"weighted": 12}}
        assert (metrics["stopped_by"], metrics["labels"]["is_spent"]) == ("done", False)
        assert attempts(tmp_path / "tuition.db") == 108

    def test_spent_before_a_single_training_label(self, tmp_path):
        with pytest.raises(BudgetSpent, match=r"before a single label of train; raise \[budget\]"):
            execute(no_gold(tmp_path, "budget.calls=36", recipe="label_only"))

    def test_money_is_held_too(self, tmp_path):
        with pytest.raises(BudgetSpent, match="before test was labelled"):
            execute(no_gold(tmp_path, "budget.usd=0.002", recipe="label_only"))
        [(paid,)] = rows(tmp_path / "tuition.db", "SELECT SUM(paid_nano) FROM attempts")
        assert 0 < paid <= 2_000_000


def test_a_run_that_is_gone_on_with_reads_its_labels_back(tmp_path, monkeypatch):
    config = no_gold(tmp_path)
    first = execute(config).metrics
    for name in ("done", "metrics.json"):
        (tmp_path / "run" / name).unlink()
    kept = (tmp_path / "run" / "labels.jsonl").read_text()
    monkeypatch.setattr(labeller, "solve", lambda *_, **__: pytest.fail("the panel was asked again"))
    again = execute(config).metrics
    assert again["labels"] == first["labels"]
    assert again["test"] == first["test"]
    assert again["train"] == first["train"]
    assert (tmp_path / "run" / "labels.jsonl").read_text() == kept


class TestWhatIsRefused:
    def test_before_anything_is_spent(self, tmp_path):
        with pytest.raises(ConfigError, match=r"\[student\]"):
            execute(no_gold(tmp_path, "student.model=nowhere/at-all", recipe="label_only"))
        assert attempts(tmp_path / "tuition.db") == 0

    def test_an_unlabelled_split_that_nobody_labels(self, tmp_path):
        with pytest.raises(
            DataError, match=r"test: 6 have no label: .* let teachers label them \(labels\.test\)"
        ):
            execute(no_gold(tmp_path, labels={**ALL, "test": "gold"}))

    def test_a_recording_that_saw_the_answers(self, tmp_path):
        said = {"a": list("xxxx"), "b": list("xxxx")}
        panel = [
            {**table.model_dump(exclude_none=True), "saw_answers": True}
            for table in recorded(tmp_path, said).teacher
        ]
        config = recorded(tmp_path, said, labels=ALL, teacher=panel)
        for start in (execute, plan_of):
            with pytest.raises(ConfigError, match=r"'a' is a recording that was made with the gold answers"):
                start(config)

    def test_a_teacher_that_must_not_be_trained_on(self, tmp_path):
        barred = [*teachers("ada", "bela"), *teachers("chen", train_on_outputs=False)]
        with pytest.raises(TeacherError, match="'chen' has train_on_outputs = false"):
            execute(no_gold(tmp_path, recipe="label_only", teacher=barred))
        # grading by it is no training
        task = {**HIDDEN, "hide_answers": False}
        labels = {"test": "majority", "replace": True}
        config = no_gold(tmp_path, recipe="label_only", teacher=barred, task=task, labels=labels)
        assert (
            execute(config.model_copy(update={"out": str(tmp_path / "graded")})).metrics["test"][
                "label_source"
            ]
            == "majority"
        )

    @pytest.mark.parametrize(
        ("items", "words"),
        [
            (
                [{"id": "test-0", "answer": "x"}],
                "has no label for 3 examples of test: 'test-1', 'test-2', 'test-3'",
            ),
            (
                [{"id": "test-0", "answer": "…"}],
                r"has 1 labels that the task kind 'number' cannot read: 'test-0'",
            ),
        ],
    )
    def test_a_file_that_does_not_do(self, tmp_path, items, words):
        labels = {"test": "file", "valid": "majority", "file": write_rows(tmp_path / "people.jsonl", items)}
        config = recorded(tmp_path, {"a": list("1111"), "b": list("1111")}, labels=labels, recipe="zero_shot")
        if "number" in words:
            config = config.model_copy(update={"task": config.task.model_copy(update={"kind": "number"})})
        for start in (execute, plan_of):
            with pytest.raises(DataError, match=words):
                start(config)

    def test_one_id_in_two_splits(self, tmp_path):
        task = {"kind": "free_text", "drop_overlap": False}
        for split in ("train", "valid", "test"):
            items = [{"id": "1", "question": f"What is {split}?", "answer": "x" if split == "train" else ""}]
            task[split] = write_rows(tmp_path / f"{split}.jsonl", items)
        labels = {"valid": "file", "test": "file"}
        labels["file"] = write_rows(tmp_path / "people.jsonl", [{"id": "1", "answer": "x"}])
        config = experiment(tmp_path, recipe="label_only", task=task, teacher=[], labels=labels)
        with pytest.raises(DataError, match=r"labels '1', which stands in test and in valid; add a column"):
            execute(config)
        told = [{"id": "1", "answer": s, "split": s} for s in ("valid", "test")]
        write_rows(tmp_path / "people.jsonl", told)
        assert execute(config).metrics["valid"]["n"] == 1
        found = {row["split"]: row["label"] for row in lines(tmp_path / "run" / "predictions.jsonl")}
        assert found == {"valid": "valid", "test": "test"}

    @pytest.mark.parametrize(
        ("labels", "words"),
        [
            ({"test": "teacher"}, r"labels\.teacher = '', and the labels of test are by 'teacher'"),
            ({"file": "x.csv"}, r"labels\.file = 'x\.csv', and the labels of no split are by 'file'"),
            (
                {"test": "teacher", "teacher": "adda"},
                "unknown teacher in labels.teacher 'adda'; did you mean 'ada'",
            ),
            (
                {"valid": "majority", "least_confidence": 0.5},
                "wants labels.train to be 'majority' or 'weighted'",
            ),
            (
                {"test": "majority", "panel": teachers("ada")},
                r"by majority \(test\) need two teachers or more, 1 are",
            ),
            ({"test": "majority", "panel": teachers("ada", "ada")}, "names a teacher twice: ada, ada"),
            (
                {"test": "majority", "panel": teachers("ada", "bela", weight=2.0)},
                "has another table for 'ada'",
            ),
            ({"test": "crowd"}, r"labels\.test"),
        ],
    )
    def test_a_table_that_cannot_be(self, tmp_path, labels, words):
        with pytest.raises(ConfigError, match=words):
            no_gold(tmp_path, labels=labels)


class TestThePlan:
    @pytest.mark.parametrize(
        "settings",
        [
            (),
            ("annotation.forced=true",),
            ("annotation.forced=true", "annotation.examples=2"),
            ("recipe=label_only",),
            ("selection.examples=5", "evaluation.limit=3"),
        ],
    )
    def test_it_counts_what_the_panel_is_asked(self, tmp_path, settings):
        config = no_gold(tmp_path, *settings)
        plan = plan_of(config)
        assert (
            "labels: train by weighted, valid by weighted, test by weighted, where there is no gold"
            in plan.notes
        )
        assert not any("have no label" in note for note in plan.notes)
        execute(config)
        assert sum(teacher.calls for teacher in plan.teachers) == attempts(tmp_path / "tuition.db")
        assert plan.known_usd > 0
        paid = execute(config).metrics["spend"]["paid_usd"]
        assert paid <= sum(teacher.high_usd for teacher in plan.teachers)

    def test_where_gold_does_the_panel_costs_nothing(self, tmp_path):
        config = no_gold(tmp_path, "task.hide_answers=false", recipe="label_only")
        assert plan_of(config).teachers == ()


class TestTheRunsBeside:
    def test_they_are_labelled_by_the_panel_of_the_main_run(self, tmp_path):
        config = no_gold(
            tmp_path, 'evaluation.baselines=["zero_shot", "label_only", "single_teacher", "teachers"]'
        )
        for name, beside in baselines(config).items():
            assert [table.name for table in beside.labels.panel] == list(PANEL), name

    def test_without_a_panel_they_are_as_before(self, tmp_path):
        config = experiment(tmp_path, 'evaluation.baselines=["label_only"]')
        assert baselines(config)["label_only"].labels == config.labels


def test_the_part_of_training_that_is_chosen_does_not_depend_on_labels(tmp_path):
    hidden = no_gold(tmp_path, "selection.examples=5")
    there = no_gold(tmp_path, "selection.examples=5", "task.hide_answers=false")
    chosen = [
        [example.id for example in choose_train(config, load_splits(config)[0])] for config in (hidden, there)
    ]
    assert chosen[0] == chosen[1]


def test_one_teacher_baselines_keep_the_panel_and_their_verifier(tmp_path):
    settings = ["annotation.verify=bela", 'evaluation.baselines=["single_teacher"]']
    found = baselines(experiment(tmp_path, *settings, labels={"train": "majority", "replace": True}))
    one = found["step_by_step-ada"]
    assert [(table.name, table.weight) for table in one.teacher] == [("ada", 1.0), ("bela", 0.0)]
    assert [table.name for table in one.labels.panel] == ["ada", "bela"]
