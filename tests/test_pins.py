"""What `make` installs is pinned in one file and torch in one line, and the pins lie within the bounds."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINES = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
PINS = dict(line.split("==") for line in LINES if not line.startswith("#"))
PINS = {canonicalize_name(name): version for name, version in PINS.items()}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
INSTALLING = ("Makefile", ".ci/run", ".ci/newest.py", "constraints.txt", "pyproject.toml")


def requirements():
    project = PYPROJECT["project"]
    extras = project["optional-dependencies"].values()
    every = [
        *PYPROJECT["build-system"]["requires"],
        *project["dependencies"],
        *(one for e in extras for one in e),
    ]
    return sorted({one for one in every if not one.startswith("tuition[")})


@pytest.mark.parametrize("wanted", requirements())
def test_every_requirement_is_pinned_within_its_bounds(wanted):
    requirement = Requirement(wanted)
    [torch] = re.findall(r"torch==([\d.]+)$", MAKEFILE, re.MULTILINE)
    version = torch if requirement.name == "torch" else PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version), f"{wanted} is pinned as {version}; run: make pin"


@pytest.mark.parametrize("wanted", requirements())
def test_every_requirement_has_both_bounds(wanted):
    operators = {one.operator for one in Requirement(wanted).specifier}
    assert operators in ({">=", "<"}, {"=="}), wanted


def test_pins_are_names_with_exact_versions():
    assert len(PINS) > 50
    assert "torch" not in PINS, "it comes by its own line"
    assert [line for line in LINES[1:] if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_torch_has_its_version_in_one_line_and_no_registry_is_named():
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in INSTALLING}
    assert [name for name, text in texts.items() if re.search("torch==[0-9]", text)] == ["Makefile"]
    assert [name for name, text in texts.items() if re.search("://|index-url|find-links", text)] == []


def test_what_a_landing_must_pass_installs_by_make_alone():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert not re.search(r"pip\S* install", script)
    installs = [
        line for line in MAKEFILE.splitlines() if re.search(r"pip install .*", line) and "$(BIN)" in line
    ]
    assert all("constraints.txt" in line or "$(PINNED)" in line for line in installs), installs
