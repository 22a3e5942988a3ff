import json
import logging
import re
import subprocess
import sys
import tomllib

import pytest

from tuition.core.errors import ConfigError, DataError
from tuition.core.run import Run, code_revision, run_id, versions

CONFIG = 'recipe = "tinyllm"\nseed = 3\n[budget]\ncalls = 5\n[training]\nsteps = 9\n'


def test_the_configuration_is_written_first_and_done_last(tmp_path):
    run = Run(tmp_path / "r", config_text=CONFIG)
    assert tomllib.loads((run.path / "config.toml").read_text())["seed"] == 3
    assert not run.is_done
    run.event("annotated", kept=7)
    run.finish({"accuracy": 0.5})
    assert run.is_done
    assert json.loads((run.path / "metrics.json").read_text()) == {"accuracy": 0.5}
    assert [event["event"] for event in run.events()] == ["started", "annotated", "done"]


def test_a_run_is_gone_on_with_under_its_name(tmp_path):
    first = Run(tmp_path / "r", config_text=CONFIG)
    first.close()
    second = Run(tmp_path / "r", config_text=CONFIG.replace("calls = 5", "calls = 50"))
    assert second.is_resumed
    assert second.id == first.id
    assert second.config_hash == first.config_hash
    assert [event["event"] for event in second.events()] == ["started", "resumed"]


def test_another_configuration_is_refused(tmp_path):
    Run(tmp_path / "r", config_text=CONFIG).close()
    with pytest.raises(ConfigError, match=r"training.steps is 9 there and 10 here. Choose another `out`"):
        Run(tmp_path / "r", config_text=CONFIG.replace("steps = 9", "steps = 10"))


def test_many_differences_are_named_and_counted(tmp_path):
    run = Run(tmp_path / "r", config_text=CONFIG)
    other = CONFIG.replace("tinyllm", "elad").replace("seed = 3", "seed = 4").replace("9", "8") + "lr = 0.1\n"
    with pytest.raises(ConfigError) as refused:
        Run(run.path, config_text=other)
    text = str(refused.value)
    assert (
        "recipe is 'tinyllm' there and 'elad' here; seed is 3 there and 4 here; training.lr is None" in text
    )
    assert "; and 1 more. Choose another `out`, or remove the folder yourself; `tuition resume" in text


def test_what_the_folder_holds_is_filled_up_before_it_is_compared(tmp_path):
    Run(tmp_path / "r", config_text=CONFIG).close()

    def filled(held):
        return {**held, "training": {"lr": 0.5, **held["training"]}}

    again = Run(tmp_path / "r", config_text=f"{CONFIG}lr = 0.5\n", completed=filled)
    assert again.is_resumed
    assert tomllib.loads((again.path / "config.toml").read_text())["training"] == {"steps": 9, "lr": 0.5}


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and is no run folder; choose another `out`"):
        Run(tmp_path, config_text=CONFIG)
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


def test_a_run_has_its_name_before_it_is_begun(tmp_path):
    name = run_id(tmp_path / "deep" / "my run")
    assert re.fullmatch(r"my-run-[0-9a-f]{12}", name)
    assert run_id(tmp_path / "deep" / "my run") == name
    run = Run(tmp_path / "deep" / "my run", config_text=CONFIG)
    assert (run.id, run.is_resumed) == (name, False)
    assert run_id(run.path) == name


def test_a_folder_of_something_else_gets_no_name(tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(ConfigError, match="exists and is no run folder; choose another `out`"):
        run_id(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]


@pytest.mark.parametrize("name", [".run_id.draft", ".config.toml.draft"])
def test_a_run_killed_at_its_first_write_can_be_begun(tmp_path, name):
    (tmp_path / name).write_text("ha")
    assert not Run(tmp_path, config_text=CONFIG).is_resumed


def test_a_damaged_configuration_is_named(tmp_path):
    (tmp_path / "config.toml").write_text("seed = = 3")
    with pytest.raises(DataError, match=r"config.toml' is damaged"):
        Run(tmp_path, config_text=CONFIG)


HOLD = """
import sys
from pathlib import Path
from tuition.core.run import Run
run = Run(Path(sys.argv[1]), config_text=sys.argv[2])
print("held", flush=True)
sys.stdin.read()
run.close()
"""


def test_one_process_at_a_time(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "r"), CONFIG]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="is being run by another process"):
        Run(tmp_path / "r", config_text=CONFIG)
    other.communicate()
    Run(tmp_path / "r", config_text=CONFIG).close()


def test_an_event_cut_by_a_kill_is_passed_over(tmp_path):
    run = Run(tmp_path / "r", config_text=CONFIG)
    with (run.path / "events.jsonl").open("a") as file:
        file.write('{"time": 1, "eve')
    run.event("annotated")
    run.event("trained")
    assert [event["event"] for event in run.events()] == ["started", "annotated", "trained"]
    lines = (run.path / "events.jsonl").read_text().splitlines()
    assert len(lines) == 4, "no line is blank"


def test_a_folder_is_written_whole_or_not_at_all(tmp_path):
    run = Run(tmp_path / "r", config_text=CONFIG)

    def fail(folder):
        (folder / "half").write_text("x")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run.write_folder("student", fail)
    assert not (run.path / "student").exists()
    run.write_folder("student", lambda folder: (folder / "whole").write_text("x"))
    assert (run.path / "student" / "whole").exists()


def test_time_between_starts_does_not_count(tmp_path):
    run = Run(tmp_path / "r", config_text=CONFIG)
    rows = [(0, "started"), (10, "trained"), (1000, "resumed"), (1005, "done")]
    text = "\n".join(json.dumps({"time": time, "event": event}) for time, event in rows)
    (run.path / "events.jsonl").write_text(text)
    assert run.wall_s == 15


def test_versions_name_the_source():
    assert versions()["code"] == code_revision()
    assert len(code_revision()) == 12
    assert "pydantic" in versions()


def test_what_is_warned_of_while_a_run_is_open_is_an_event_of_it(tmp_path):
    log = logging.getLogger("tuition.anywhere")
    log.warning("before")
    run = Run(tmp_path / "r", config_text=CONFIG)
    log.warning("the endpoint takes no %s", "temperature")
    log.info("not worth a word")
    run.close()
    log.warning("after")
    events = [event for event in run.events() if event["event"] == "warning"]
    assert [event["message"] for event in events] == ["the endpoint takes no temperature"]
