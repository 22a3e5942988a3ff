"""Makes the toys of this folder importable, and keeps proxies of the machine out of its tests."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def endpoint():
    """A real server, shared by the tests of a module."""
    from endpoints import Script, serving

    script = Script()
    with serving(script) as url:
        script.url = url
        yield script


@pytest.fixture
def server(endpoint):
    """The same server, which has forgotten what was asked before."""
    endpoint.__init__()
    return endpoint
