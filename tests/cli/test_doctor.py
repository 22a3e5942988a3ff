"""`tuition doctor`: what is here, what is missing, and what the endpoints of a configuration say."""

import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "playground"))

from served import running

from tuition.playground.serving import app


def far(client, **more):
    return {
        "kind": "chat",
        "name": "far",
        "model": "program-ada-1",
        "base_url": f"{client.base_url}/v1",
        **more,
    }


def by_what(said):
    return {row["what"]: row for row in said.json}


def test_what_is_here_is_shown_within_80_columns(tuition, monkeypatch):
    monkeypatch.setenv("A_RATHER_LONG_NAME_OF_A_PROVIDER_API_KEY", "a-secret-of-many-letters")
    said = tuition("doctor")
    assert (said.code, said.err) == (0, "")
    assert max(map(len, said.out.splitlines())) <= 80
    for word in (
        "Python",
        "disk",
        "memory",
        "cores",
        "packages",
        "extra train",
        "torch",
        "CPU",
        "A_RATHER_LONG_NAME",
    ):
        assert word in said.out
    assert "a-secret" not in said.out
    assert said.out.endswith("Nothing is wrong. Next: tuition init\n")


def test_versions_and_missing_extras(tuition, monkeypatch):
    found = by_what(tuition("doctor", "--json"))
    assert f"numpy {metadata.version('numpy')}" in found["packages"]["found"]
    real = metadata.version

    def version(name):
        if name in ("openpyxl", "math-verify"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    said = tuition("doctor", "--json")
    data = by_what(said)["extra data"]
    assert (said.code, data["state"]) == (0, "note")
    assert data["found"] == "missing: openpyxl; pip install 'tuition[data]'"


def test_without_torch_it_says_so(tuition, monkeypatch):
    monkeypatch.delitem(sys.modules, "tuition.student.load", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert by_what(tuition("doctor", "--json"))["torch"]["found"].startswith("cannot be loaded: ")


def test_endpoints_are_asked_only_if_wanted(tuition, write):
    with running(app()) as client:
        name = write(teacher=[far(client)])
        quiet, asked = tuition("doctor", name, "--json"), tuition("doctor", name, "--ask", "--json")
    assert by_what(quiet)["teacher far"]["found"] == "needs no key; its endpoint was not asked (--ask does)"
    assert (asked.code, by_what(asked)["teacher far"]["state"]) == (0, "ok")
    assert "answers and lists" in by_what(asked)["teacher far"]["found"]


def test_nobody_there_and_no_key_are_faults(tuition, write, monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    near = {"kind": "chat", "name": "near", "model": "m", "base_url": "http://127.0.0.1:9/v1"}
    name = write(teacher=[near, {**near, "name": "locked", "api_key_env": "NO_SUCH_KEY"}])
    began = time.monotonic()
    said = tuition("doctor", name, "--ask")
    assert time.monotonic() - began < 30
    assert said.code == 1
    assert "2 things will not work as they are." in said.out
    found = by_what(tuition("doctor", name, "--ask", "--json"))
    assert (
        "takes its key from the environment variable 'NO_SUCH_KEY', which is not set"
        in found["teacher locked"]["found"]
    )
    assert found["teacher near"]["state"] == "fault"


@pytest.mark.parametrize("free", [1 << 20])
def test_a_full_disk_is_a_fault(tuition, monkeypatch, free):
    import shutil

    usage = shutil.disk_usage(".")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    said = tuition("doctor", "--json")
    assert said.code == 1
    assert by_what(said)["disk"]["found"] == "0.0 GiB free here; a run may not fit"
