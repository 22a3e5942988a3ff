import errno
import os
import subprocess
import sys

import pytest
import typer.main
from tiny import teachers

from tuition import __version__
from tuition.cli import check
from tuition.cli.main import app
from tuition.core.errors import (
    BudgetSpent,
    ConfigError,
    DataError,
    MissingExtra,
    StoreError,
    TeacherError,
    TrainingError,
)
from tuition.operate import execute as executing

COMMANDS = sorted(typer.main.get_command(app).commands)
GROUPS = {name: sorted(typer.main.get_command(app).commands[name].commands) for name in ("batch", "store")}
ENDING = [[name] for name in COMMANDS if name not in ("playground", "serve", "capture", *GROUPS)]
ENDING += [[group, name] for group, names in GROUPS.items() for name in names]


def process(*arguments, folder):
    command = [sys.executable, "-m", "tuition", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=100)


def test_the_commands_are_these():
    known = "advise batch capture cascade check compare curve demo doctor errors export import init keys list"
    more = "pilot playground predict probe report resume run serve show stepwise store"
    assert " ".join(COMMANDS) == f"{known} {more}"


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), ["playground", "serve"]])
def test_every_command_has_help(tuition, command):
    said = tuition(*command, "--help")
    assert said.code == 0
    assert "Usage: tuition" in said.out
    assert said.err == ""


@pytest.mark.parametrize("command", ENDING, ids=" ".join)
def test_every_command_that_ends_takes_json(tuition, command):
    assert "--json" in tuition(*command, "--help").out


def test_json_stands_alone_and_for_one_command(tuition):
    assert tuition("init", "a.toml", "--json").json == {"config": "a.toml"}
    assert tuition("init", "b.toml").out.startswith("Wrote b.toml. Next: ")


def test_the_version(tuition):
    assert tuition("--version").out.strip() == __version__


def test_without_a_command_there_is_help(tuition):
    said = tuition()
    assert "Usage: tuition" in said.out + said.err


def test_an_unknown_command_is_the_users_mistake(tuition):
    said = tuition("rnu")
    assert said.code == 2
    assert "No such command 'rnu'" in said.err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("no"), 2),
        (DataError("no"), 2),
        (TeacherError("no"), 2),
        (MissingExtra("torch", "train"), 2),
        (BudgetSpent("no"), 3),
        (StoreError("no"), 1),
        (TrainingError("no"), 1),
    ],
)
def test_each_error_is_one_text_and_one_code(tuition, monkeypatch, error, code):
    def broken(*_, **__):
        raise error

    monkeypatch.setattr(check, "resolved", broken)
    said = tuition("check", "any.toml")
    assert said.code == code
    assert said.err == f"error: {error}\n"
    assert said.out == ""


@pytest.mark.parametrize(
    ("fault", "code", "text"),
    [
        (
            OSError(errno.ENOSPC, "No space left on device", "card.md"),
            1,
            "No space left on device: 'card.md'",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "No space left on device"),
        (OSError(errno.ELOOP, "Too many levels", "a"), 1, "Too many levels: 'a'"),
        (FileNotFoundError(errno.ENOENT, "No such file", "a"), 2, "No such file: 'a'"),
    ],
)
def test_a_file_that_cannot_be_written_is_one_sentence(tuition, monkeypatch, fault, code, text):
    def broken(*_, **__):
        raise fault

    monkeypatch.setattr(check, "resolved", broken)
    said = tuition("check", "any.toml")
    assert (said.code, said.err, said.out) == (code, f"error: {text}\n", "")


def test_a_fault_that_names_no_file_keeps_its_trace(tuition, monkeypatch):
    def broken(*_, **__):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(check, "resolved", broken)
    with pytest.raises(OSError, match="Bad file descriptor"):
        tuition("check", "any.toml")


def test_an_interruption_says_how_to_go_on(tuition, write, monkeypatch):
    def broken(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(executing, "execute_all", broken)
    said = tuition("run", write(recipe="label_only", teacher=[]))
    assert said.code == 1
    assert "error: interrupted; what was paid and computed is kept" in said.error
    assert "the same command goes on from here" in said.error


def test_the_exit_codes_of_a_process(tmp_path, write):
    write(recipe="ask_teacher", teacher=teachers("ada"))
    assert process("check", "tiny.toml", folder=tmp_path).returncode == 0
    wrong = process("check", "tyni.toml", folder=tmp_path)
    assert wrong.returncode == 2
    assert wrong.stderr.count("error: ") == 1
    assert "Traceback" not in wrong.stderr
    spent = process("run", "tiny.toml", "budget.calls=3", "--json", folder=tmp_path)
    assert spent.returncode == 3
    assert "error: the budget was spent" in spent.stderr


@pytest.mark.parametrize("code", ["import tuition", "import tuition.cli.main", "import tuition.cli.run"])
def test_nothing_heavy_is_loaded_by(code):
    heavy = "{'torch', 'transformers', 'peft', 'accelerate', 'httpx2'}"
    script = f"{code}; import sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_help_loads_neither_torch_nor_transformers():
    script = (
        "import sys\nsys.argv = ['tuition', '--help']\nfrom tuition.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'transformers', 'tuition.recipes'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip().endswith("[]"), done.stderr


def test_the_next_command_is_shown_as_it_can_be_typed(tmp_path):
    """By the path that was typed; by the bare name where the shell finds the same program by it."""
    script = tmp_path / "an env" / "bin" / "tuition"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!{sys.executable}\nfrom tuition.cli.main import main\nmain()\n")
    script.chmod(0o755)

    def shown(*command, path=""):
        environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
        (tmp_path / "a b.toml").unlink(missing_ok=True)
        line = subprocess.run(
            [*command, "init", "a b.toml"],
            **{"cwd": tmp_path, "env": environment, "capture_output": True, "text": True, "timeout": 100},
        ).stdout
        typed = line.partition("Next: ")[2]
        done = subprocess.run(
            typed, shell=True, cwd=tmp_path, env=environment, capture_output=True, timeout=100
        )
        assert done.returncode == 0, (typed, done.stderr)
        return typed.strip()

    assert shown("an env/bin/tuition") == "'an env/bin/tuition' check 'a b.toml'"
    assert shown("tuition", path=script.parent) == "tuition check 'a b.toml'"
    assert shown(sys.executable, "-m", "tuition") == f"{sys.executable} -m tuition check 'a b.toml'"
