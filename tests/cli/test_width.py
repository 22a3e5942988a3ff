"""Tables fit the terminal: real runs, shown on 160, 80, 60 and 40 columns."""

import gzip
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

import tuition.cli.show as module

OLD = Path(__file__).parents[1] / "fixtures" / "v0.1.0"


@pytest.fixture
def shown(tuition, tmp_path, monkeypatch):
    """Runs of 0.1.0, a main run with baselines and teachers and one in rounds, as a command shows them."""
    shutil.copytree(OLD / "runs", tmp_path / "runs")
    (tmp_path / "tuition.db").write_bytes(gzip.decompress((OLD / "tuition.db.gz").read_bytes()))

    def show(width, *words):
        monkeypatch.setattr(module._OUT, "width", width)
        said = tuition(*words)
        assert said.code == 0, said.err
        return said.out.splitlines()

    return show


COMMANDS = {
    "show": ("show", "runs/finished"),
    "curve": ("curve", "runs/rounds", "runs/finished"),
    "list": ("list", "runs"),
    "keys": ("keys", "student"),
    "store": ("store", "info", "tuition.db"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_table_fits_and_breaks_no_word(shown, command):
    wide = shown(160, *COMMANDS[command])
    words = " ".join(wide).replace("─", " ")
    for width in (80, 60, 40):
        text = "\n".join(shown(width, *COMMANDS[command]))
        text = re.sub(r"  no room here.*?shows\s+it\n", "", text, flags=re.DOTALL)
        # sentences are left for the terminal to wrap, so that a command can be copied
        table = [line for line in text.splitlines() if line not in wide]
        assert max(map(cell_len, table), default=0) <= width
        found = {word.rstrip(":;,") for line in table for word in line.split() if set(word) != {"─"}}
        assert [word for word in found if f" {word}" not in f" {words}"] == [], text


def test_remarks_give_way_first_then_intervals(shown):
    wide, narrow, narrower = (shown(width, *COMMANDS["show"]) for width in (160, 80, 60))
    assert "remark" in wide[1] and not any("remark" in line for line in narrow[1:3])
    student = next(line for line in narrow if line.startswith("label_only"))
    assert "[" in student
    assert any("needs no question: " in line for line in narrow)
    assert "[" not in next(line for line in narrower if line.startswith("label_only"))
    assert any("no room here for" in line and "the intervals of right %" in line for line in narrower)


def test_a_pipe_is_as_wide_as_COLUMNS_says(tmp_path):
    code = "from tuition.cli.show import print_table; print_table('t', [{'a': 'word ' * 30}])"
    for width in (60, 80):
        environment = os.environ | {"COLUMNS": str(width)}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
        )
        assert max(map(len, done.stdout.splitlines())) == width
