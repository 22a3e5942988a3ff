"""What README and docs show is what there is: configurations, commands, files."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from tuition.cli.main import app
from tuition.core.config import read_toml
from tuition.experiment.config import code_named, dump, resolve

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
CONFIGS = sorted((ROOT / "configs").glob("*.toml"))
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(tuition [^`\n]+)`")
_SHELLS = ("console", "sh", "bash", "shell")


def name_of(path):
    return str(path.relative_to(ROOT))


def blocks(page, *languages):
    return [text for language, text in _FENCE.findall(page.read_text()) if language in languages]


def command_lines(page):
    """Every line a reader may type: in fenced blocks, in indented ones, and within a sentence."""
    text = page.read_text()
    lines = []
    for block in blocks(page, *_SHELLS):
        # where commands have a prompt, the other lines are what they print
        typed = [line for line in block.splitlines() if line.startswith("$ ")]
        lines += typed or block.splitlines()
    lines += [line for line in text.splitlines() if line.startswith("    make ")]
    lines += _INLINE.findall(text)
    return [line.strip().removeprefix("$ ").partition(" #")[0].strip() for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_toml_block_is_toml_and_every_whole_configuration_resolves(page):
    for block in blocks(page, "toml"):
        tables = tomllib.loads(block)
        if "recipe" in tables and not code_named(tables):  # what names code of its own is only parsed here
            config = resolve({"out": "runs/x", **tables}, where=name_of(page))
            assert resolve(tomllib.loads(dump(config)), where="dumped") == config


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_every_published_configuration_resolves(path):
    config = resolve(read_toml(path), where=name_of(path))
    assert resolve(tomllib.loads(dump(config)), where="dumped") == config
    assert path.read_text().startswith("# "), "a published configuration says what it is"


def test_there_are_published_configurations():
    assert CONFIGS


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_that_is_shown_exists(page):
    for line in command_lines(page):
        words = shlex.split(line.replace("…", ""))
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        checks = {"tuition": check_tuition, "make": check_make, "pytest": check_path, "python": check_path}
        checks.get(words[0], check_known)(words)


def check_tuition(words):
    command, rest = typer.main.get_command(app), words[1:]
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"no command {rest[0]!r} in {words}"
        command, rest = command.commands[rest[0]], rest[1:]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for word in rest:
        assert not word.startswith("--") or word.partition("=")[0] in options, (
            f"no option {word!r} in {words}"
        )
        if word.startswith("configs/"):
            assert (ROOT / word).exists(), word


def check_make(words):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(words[1:]) <= set(targets), words


def check_path(words):
    """Whatever looks like a path, behind pytest or python, is there."""
    paths = [word.partition("::")[0] for word in words[1:] if "/" in word]
    assert paths or "-m" in words or len(words) == 1, words
    for path in paths:
        assert (ROOT / path).exists(), path


def check_known(words):
    known = ("pip", "git", "cd", "export", "grep", "du")
    assert words[0] in known, f"{words[0]!r} is shown, and nothing checks it"


def test_every_link_leads_to_a_file():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{name_of(page)}: {target}"


_NAMED = re.compile(r"`([\w/]*/\w+\.py)(?:(::?)(\w+)(…?))?`")
_TEST = re.compile(r"`…(?:::)?(test_\w+)(…?)`")


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "recipes").glob("*.md")), ids=name_of)
def test_functions_and_tests_that_a_page_names_are_there(page):
    text = page.read_text()
    found = _NAMED.findall(text)
    assert len(found) > 5
    for path, _, name, is_cut in found:
        file = next(
            (base / path for base in (ROOT, ROOT / "src" / "tuition") if (base / path).exists()), None
        )
        assert file is not None, path
        if name:
            end = r"\w*\b" if is_cut else r"\b"
            assert re.search(rf"^\s*(?:def|class) {name}{end}", file.read_text(), re.MULTILINE), (path, name)
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for name, is_cut in _TEST.findall(text):
        assert re.search(rf"def {name}{'' if is_cut else '[(]'}", tests), name
