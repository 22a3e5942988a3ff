"""Code from outside: found by its place or an entry point, and run only where it is installed or trusted."""

import json
import sys
from importlib import metadata
from pathlib import Path

import pytest

import tuition
from tuition.core import plugins
from tuition.core.errors import ConfigError
from tuition.core.plugins import Kind, admit, check_whole, find, plugged

KIND = Kind(name="thing", group="tuition.things", needs=("read", "grade"))
TABLES = {"recipe": "label_only", "out": "run", "task": {"source": "playground"}}
LOUD = "raise SystemExit('this code has run')\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, and nothing admitted before."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plugins, "_admitted", set())
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def install(folder, name, *, files=None, url=None):
    """Describe a package in a folder as an installer does."""
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "RECORD").write_text("".join(f"{file},,\n" for file in files or [f"{name}.py"]))
    if url:
        (about / "direct_url.json").write_text(json.dumps({"url": url, "dir_info": {"editable": True}}))
    return about


@pytest.mark.parametrize(
    ("key", "changed"),
    [
        ("recipe", {"recipe": "loud_code:RECIPE"}),
        ("task.source", {"task": {"source": "loud_code:Source"}}),
        ("task.kind", {"task": {"kind": "loud_code:Task"}}),
        ("teacher.0.kind", {"teacher": [{"kind": "loud_code:Teacher", "name": "a"}]}),
        ("labels.panel.0.kind", {"labels": {"panel": [{"kind": "loud_code:Teacher", "name": "a"}]}}),
        ("selection.strategy", {"selection": {"strategy": "loud_code:BY"}}),
        ("annotator", {"recipe": "elad", "annotator": "loud_code:mend"}),
    ],
)
def test_code_that_a_configuration_names_is_named_and_not_imported(here, key, changed):
    (here / "loud_code.py").write_text(LOUD)
    place = "loud_code:" + str(changed).partition("loud_code:")[2].partition("'")[0]
    with pytest.raises(ConfigError) as told:
        tuition.load_config({**TABLES, **changed})
    assert (
        f"the tables names code that no installed package has; none of it was imported:\n  {key} = {place!r}"
        in str(told.value)
    )
    assert "Read it, then add --trust (in Python: trust=True), or install it as a package" in str(told.value)
    assert "loud_code" not in sys.modules


def test_all_of_it_is_named_at_once(here):
    (here / "loud_code.py").write_text(LOUD)
    teachers = [{"kind": "loud_code:A", "name": "a"}, {"kind": "loud_code:B", "name": "b"}]
    with pytest.raises(
        ConfigError, match=r"teacher\.0\.kind = 'loud_code:A'\n  teacher\.1\.kind = 'loud_code:B'"
    ):
        tuition.load_config({**TABLES, "teacher": teachers})


def test_trusted_code_is_found_in_the_working_directory(here):
    (here / "quiet_code.py").write_text("PART = 3\n")
    with pytest.raises(ConfigError, match=r"the thing's file names code .*\n  thing = 'quiet_code:PART'"):
        find(KIND, "quiet_code:PART", where="the thing's file: ")
    admit({"thing": "quiet_code:PART"}, where="f", trust=True)
    assert find(KIND, "quiet_code:PART") == 3
    assert sys.path[-1] == str(here)


def test_the_whole_program_may_be_trusting(here, monkeypatch):
    (here / "quiet_code.py").write_text("PART = 4\n")
    monkeypatch.setattr(plugins, "_trusts_all", True)
    assert find(KIND, "quiet_code:PART") == 4


@pytest.mark.parametrize(
    "place", ["os:system", "sys:exit", "subprocess:Popen", "antigravity:fly", "__main__:X"]
)
def test_the_standard_library_and_a_notebook_are_no_installed_package(here, place):
    with pytest.raises(
        ConfigError, match=f"no installed package has; none of it was imported:\n  k = '{place}'"
    ):
        admit({"k": place}, where="f")


@pytest.mark.parametrize("place", ["tuition.core.errors:ConfigError", "numpy.linalg:norm", "pytest:raises"])
def test_what_is_installed_needs_no_trust(here, place):
    admit({"k": place}, where="f")
    assert callable(find(KIND, place))


def test_a_module_beside_a_description_of_ones_own_is_not_installed(here, monkeypatch):
    """A folder from somewhere may hold code and a description that calls it installed."""
    (here / "loud_code.py").write_text(LOUD)
    install(here, "loud_code")
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    with pytest.raises(ConfigError, match="loud_code:X"):
        admit({"k": "loud_code:X"}, where="f")
    points = metadata.EntryPoints([metadata.EntryPoint("loud", "loud_code:X", "tuition.things")])
    mine = metadata.PathDistribution(here / "loud_code-1.0.dist-info")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point._for(mine) for point in points])
    assert plugged(KIND) == {}


def test_a_module_that_hides_an_installed_one_is_not_installed(here, monkeypatch):
    site = here / "site"
    install(site, "some_code")
    (site / "some_code.py").write_text("PART = 5\n")
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    admit({"k": "some_code:PART"}, where="f")
    (here / "other").mkdir()
    (here / "other" / "some_code.py").write_text(LOUD)
    monkeypatch.setattr(sys, "path", [str(here / "other"), *sys.path])
    with pytest.raises(ConfigError, match="some_code:PART"):
        admit({"k": "some_code:PART"}, where="f")


@pytest.mark.parametrize("how", ["a path file", "a finder"])
def test_a_package_that_is_worked_on_in_place_is_installed(here, monkeypatch, how):
    source = here / "project" / "src"
    source.mkdir(parents=True)
    (source / "work_code.py").write_text("PART = 6\n")
    about = install(here / "site", "work_code", files=["_work.pth"], url=(here / "project").as_uri())
    (here / "site" / "_work.pth").write_text(f"{source}\n" if how == "a path file" else "import finder\n")
    if how == "a finder":
        (about / "top_level.txt").write_text("work_code\n")
    monkeypatch.setattr(sys, "path", [str(here / "site"), str(source), *sys.path])
    admit({"k": "work_code:PART"}, where="f")
    (source / "other_code.py").write_text(LOUD)
    if how == "a finder":
        with pytest.raises(ConfigError, match="other_code:PART"):
            admit({"k": "other_code:PART"}, where="f")


def test_code_that_is_nowhere_is_told_as_python_tells_it(here):
    with pytest.raises(
        ConfigError, match=r"thing 'nowhere\.x:Y' cannot be made: No module named 'nowhere'.* docs/ext"
    ):
        find(KIND, "nowhere.x:Y")
    with pytest.raises(
        ConfigError, match=r"teacher 'a': unknown thing 'ony'; did you mean 'one'.*docs/extend/thing\.md"
    ):
        find(KIND, "ony", {"one": 1}, where="teacher 'a': ")


def test_what_is_missing_is_said_in_one_sentence():
    class Half:
        read = None

    text = r"^thing 'mine:Half': class Half lacks grade; docs/extend/thing\.md says what it must have\.$"
    for made in (Half, Half()):
        with pytest.raises(ConfigError, match=text):
            check_whole(KIND, made, "mine:Half")


def test_every_kind_has_its_page():
    from tuition.annotation.revise import ANNOTATOR
    from tuition.recipes import RECIPE
    from tuition.selection import STRATEGY
    from tuition.tasks import TASK
    from tuition.tasks.load import SOURCE
    from tuition.teachers import TEACHER

    for kind in (ANNOTATOR, RECIPE, STRATEGY, TASK, SOURCE, TEACHER):
        page = Path(__file__).parents[2] / kind.page
        text = page.read_text(encoding="utf-8")
        assert [need for need in kind.needs if need not in text] == [], page
        assert kind.group in text, page
