"""What 0.1.0 wrote is read as it was meant: `tests/fixtures/v0.1.0/README.md` says how it was made."""

import gzip
import json
import shutil
import tomllib
from pathlib import Path

import pytest
import tomli_w
from tiny import attempts, lines, rows

from tuition import __version__
from tuition.core.config import read_toml
from tuition.core.records import Request
from tuition.core.rows import FORMATS
from tuition.core.store import Store
from tuition.core.store.schema import SCHEMA_VERSION
from tuition.experiment import defaults
from tuition.experiment.config import dump, resolve
from tuition.operate.compare import compare_runs
from tuition.tasks.kinds import Mixed
from tuition.upkeep import verify_store

OLD = Path(__file__).parents[1] / "fixtures" / "v0.1.0"
UNFINISHED = ("asking", "halfway", "training")
KEPT = "SELECT key FROM attempts WHERE state = 'kept'"


@pytest.fixture
def old(tmp_path):
    """A copy of the workspace of 0.1.0 beside the command, its store in place."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    (tmp_path / "tuition.db").write_bytes(gzip.decompress((OLD / "tuition.db.gz").read_bytes()))
    return tmp_path


@pytest.fixture
def another_reader(monkeypatch):
    """A program whose readings are none of those before."""
    monkeypatch.setattr(Mixed, "version", "another")


def test_the_fixture_is_of_that_version_and_small():
    metrics = json.loads((OLD / "runs" / "finished" / "metrics.json").read_text())
    assert metrics["versions"]["tuition"] == "0.1.0" != __version__
    assert sum(path.stat().st_size for path in OLD.rglob("*") if path.is_file()) < 300_000


@pytest.mark.parametrize("name", ["finished", "rounds"])
def test_a_finished_run_is_done(old, tuition, name):
    made = attempts(old / "tuition.db")
    before = (old / "runs" / name / "metrics.json").read_bytes()
    for said in (tuition("run", f"{name}.toml"), tuition("resume", f"runs/{name}")):
        assert said.code == 0, said.error
        assert "nothing was done" in said.out or f"{name} itself was finished before" in said.out
    assert (old / "runs" / name / "metrics.json").read_bytes() == before
    assert attempts(old / "tuition.db") == made


def test_a_finished_run_is_shown_with_its_own_reader(old, tuition, another_reader):
    said = tuition("show", "runs/finished")
    assert (said.code, said.err) == (0, "")
    assert "read by mixed 2" in said.out
    shown = {row["name"]: row for row in tuition("show", "runs/finished", "--json").json}
    assert shown["finished"]["reader"] == "mixed 2"
    own = json.loads((old / "runs" / "finished" / "teacher-ada" / "metrics.json").read_text())
    assert shown["teacher-ada"]["accuracy"] == own["test"]["accuracy"]


@pytest.mark.parametrize(
    ("command", "leaves"),
    [
        (("report", "runs/finished"), "runs/finished/report.html"),
        (("report", "runs/rounds"), "runs/rounds/report.html"),
        (("compare", "runs/finished", "runs/finished/label_only"), None),
        (("curve", "runs/finished", "runs/rounds", "--out", "c.svg"), "c.svg"),
        (("export", "runs/finished", "--out", "lessons.jsonl", "--form", "trl"), "lessons.jsonl"),
        (("export", "runs/rounds", "--out", "lessons.jsonl", "--form", "trl"), "lessons.jsonl"),
        (("list", "runs"), None),
        (("store", "info", "tuition.db"), None),
        (("store", "verify", "tuition.db"), None),
    ],
    ids=lambda value: "-".join(value[:2]).replace("/", "-") if isinstance(value, tuple) else "",
)
def test_every_command_reads_what_is_finished(old, tuition, command, leaves):
    said = tuition(*command)
    assert said.code == 0, said.error
    assert leaves is None or (old / leaves).stat().st_size > 0


@pytest.mark.parametrize("name", UNFINISHED)
def test_an_interrupted_run_goes_on_and_buys_nothing_that_it_had(old, tuition, name):
    store = old / "tuition.db"
    bought, made = rows(store, KEPT), attempts(store)
    cut_off = "SELECT key FROM attempts WHERE state != 'kept' AND run LIKE ?"
    unseen = rows(store, cut_off, f"{name}-%")
    said = tuition("run", f"{name}.toml", "--yes")
    assert said.code == 0, said.error
    assert (old / "runs" / name / "done").exists()
    later = rows(store, "SELECT key FROM attempts WHERE id > ?", made)
    assert not set(bought) & set(later)
    # What was under way when it was killed is asked again: nobody saw the answers.
    assert (set(later), len(later)) == (set(unseen), {"asking": 6, "halfway": 3, "training": 0}[name])
    assert verify_store(store).faults == ()
    held = tomllib.loads((old / "runs" / name / "config.toml").read_text())
    assert held["config_version"] == 1, "its defaults stay those it was begun with"
    events = [row["event"] for row in lines(old / "runs" / name / "events.jsonl")]
    assert events.count("resumed") == 1
    again = tuition("run", f"{name}.toml")
    assert (again.code, attempts(store)) == (0, made + len(later))


@pytest.mark.parametrize("name", UNFINISHED)
def test_a_run_that_two_readers_read_says_so(old, tuition, another_reader, name):
    assert tuition("run", f"{name}.toml", "--yes").code == 0
    metrics = json.loads((old / "runs" / name / "metrics.json").read_text())
    assert metrics["readers"] == ["mixed 2", "mixed another"]
    assert (metrics["test"] or metrics["valid"])["reader"] == "mixed another"
    warned = [row["message"] for row in lines(old / "runs" / name / "events.jsonl") if "message" in row]
    assert any("begun with the reader 'mixed 2' and goes on with 'mixed another'" in one for one in warned)
    [row, *_] = [one for one in tuition("show", f"runs/{name}", "--json").json if one["name"] == name]
    assert "read by mixed 2, then by mixed another" in row["remark"]


def test_runs_of_two_readers_are_compared_with_a_warning(old, tuition):
    path = old / "runs" / "finished" / "label_only" / "metrics.json"
    path.write_text(path.read_text().replace('"task_version": "2"', '"task_version": "3"'))
    said = tuition("compare", "runs/finished", "runs/finished/label_only")
    assert "Warning: graded by mixed 2 against mixed 3: the difference holds" in said.out
    assert "split, read by mixed 2 and mixed 3" in " ".join(said.out.split())
    assert compare_runs(old / "runs/finished", path.parent)["readers"] == ["mixed 2", "mixed 3"]
    assert "graded by different readers" in tuition("curve", "runs/finished", str(path.parent)).out
    assert {row["reader"] for row in tuition("show", "runs/finished", "--json").json} == {
        "mixed 2",
        "mixed 3",
    }
    assert "reader" in tuition("show", "runs/finished").out
    tuition("report", "runs/finished")
    assert "<td>mixed 3<td" in (old / "runs" / "finished" / "report.html").read_text()


def test_a_finished_run_keeps_its_configuration(old, tuition):
    said = tuition(
        "run", "finished.toml", "training.steps=3", "seed=4", "training.lr=0.1", "store=x.db", "task.seed=1"
    )
    assert said.code == 2
    assert (
        "holds another configuration: seed is 3 there and 4 here; task.seed is 0 there and 1 here;"
        in said.error
    )
    assert "; and 1 more. Choose another `out`, or remove the folder" in said.error
    assert "`tuition show runs/finished` takes it as it is" in said.error


# ---- defaults that changed since ----


@pytest.fixture
def changed(monkeypatch):
    """A program in which defaults changed since 0.1.0: here some that the file leaves open."""
    then = {
        "training.warmup_steps": 0,
        "teacher.temperature": 0.25,
        "evaluation.max_tokens": 5,
        "task.valid_share": 0.25,
        "rounds.begin": "last",
    }
    monkeypatch.setitem(defaults.CHANGED, 1, then)
    return then


def test_what_a_file_leaves_open_counts_as_its_version_says(old, changed):
    tables = read_toml(old / "finished.toml")
    for out, version, wanted in (
        ("runs/new", None, (0.1, None, (None, None))),
        ("runs/new", 1, (0.25, 5, (0.25, 0.25))),
        ("runs/finished", None, (0.25, 5, (0.25, 0.25))),
        ("runs/finished", 2, (0.1, None, (None, None))),
    ):
        pinned = {} if version is None else {"config_version": version}
        config = resolve({**tables, "out": str(old / out), **pinned}, where="x")
        found = (
            config.task.valid_share,
            config.evaluation.max_tokens,
            tuple(t.temperature for t in config.teacher),
        )
        assert found == wanted, (out, version)
        again = tomllib.loads(dump(config))
        assert resolve(again, where="again") == config


def test_a_value_that_is_given_stands_whatever_the_version(old, changed):
    tables = {
        **read_toml(old / "finished.toml"),
        "config_version": 1,
        "task": {"train": "t.jsonl", "valid_share": 0.5},
    }
    config = resolve(tables, ("evaluation.max_tokens=9",), where="x")
    assert (config.task.valid_share, config.evaluation.max_tokens) == (0.5, 9)


@pytest.mark.parametrize("name", ["finished", "asking"])
def test_a_key_that_an_old_folder_lacks_counts_as_its_default_of_then(old, tuition, name, monkeypatch):
    """As if `task.valid_share` were newer than 0.1.0: with today's default, then with another one of then."""

    def forget():
        for path in (old / "runs" / name).rglob("config.toml"):
            held = tomllib.loads(path.read_text())
            held["task"].pop("valid_share", None)
            path.write_text(tomli_w.dumps(held))

    forget()
    assert tuition("run", f"{name}.toml", "--yes").code == 0
    monkeypatch.setitem(defaults.CHANGED, 1, {**defaults.CHANGED[1], "task.valid_share": 0.25})
    forget()
    assert tuition("run", f"{name}.toml", "--yes").code == 0
    said = tuition("run", f"{name}.toml", "task.valid_share=0.1")
    assert "holds another configuration: task.valid_share is 0.25 there and 0.1 here." in said.error


def test_a_configuration_of_a_newer_version_is_refused(old, tuition):
    said = tuition("check", "finished.toml", "out=new", "config_version=9")
    assert (
        "finished.toml has config_version = 9, and this program knows 1 to 2; use the version" in said.error
    )
    path = old / "runs" / "finished" / "config.toml"
    path.write_text("config_version = 9\n" + path.read_text())
    said = tuition("run", "finished.toml")
    assert "the run in 'runs/finished' has config_version = 9, and this program knows 1 to 2" in said.error
    said = tuition("check", "finished.toml", "out=new", "config_version='new'")
    assert "config_version is 'new'; it is a whole number, or left out" in said.error


# ---- formats ----


@pytest.mark.parametrize(
    ("file", "command"),
    [
        ("metrics.json", ("show", "runs/finished")),
        ("metrics.json", ("report", "runs/finished")),
        ("metrics.json", ("curve", "runs/finished")),
        ("metrics.json", ("compare", "runs/finished", "runs/finished/label_only")),
        ("metrics.json", ("run", "finished.toml")),
        ("annotations.jsonl", ("export", "runs/finished", "--out", "lessons.jsonl", "--form", "trl")),
        ("events.jsonl", ("run", "training.toml", "--yes")),
        ("annotations.jsonl", ("run", "training.toml", "--yes")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_a_file_of_a_newer_format_is_refused(old, tuition, file, command):
    folder = "training" if "training.toml" in command else "finished"
    path = old / "runs" / folder / file
    path.write_text(path.read_text().replace("{", '{"format": 7, ', 1))
    said = tuition(*command)
    assert said.code == 2
    assert (
        f"{file}' is of format 7, and this program reads up to {FORMATS[file]}; use the version of tuition"
        in said.error
    )


# ---- the store ----


def test_the_store_opens_with_every_row_and_is_copied_where_it_changes(old):
    path = old / "tuition.db"
    before = {table: rows(path, f"SELECT COUNT(*) FROM {table}") for table in ("attempts", "replies", "uses")}
    kept = rows(path, "SELECT key, reply FROM replies ORDER BY key")
    with Store(path) as store:
        name = (old / "runs" / "finished" / "run_id").read_text()
        spent = store.spend(name).to_json()
    assert spent == json.loads((old / "runs" / "finished" / "metrics.json").read_text())["spend"]
    assert {table: rows(path, f"SELECT COUNT(*) FROM {table}") for table in before} == before
    assert rows(path, "SELECT key, reply FROM replies ORDER BY key") == kept
    assert verify_store(path).faults == ()
    assert len(list(old.glob("tuition.schema-2-*.db"))) == (SCHEMA_VERSION > 2)


def test_every_request_of_the_store_has_the_key_it_had(old):
    found = rows(old / "tuition.db", "SELECT key, request FROM attempts")
    assert len(found) > 40
    assert [(key,) for key, _ in found] == [(Request.from_json(json.loads(text)).key,) for _, text in found]
