"""Every Python block of the pages for Python users is run, in order, in a folder of its own.

A block whose first line is `# NAME` is written into that file; the others share one namespace.
"""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "docs" / "how-to" / "python.md",
    ROOT / "docs" / "how-to" / "own-words.md",
    ROOT / "docs" / "how-to" / "labels-and-fields.md",
    *sorted((ROOT / "docs" / "extend").glob("*.md")),
]
_BLOCK = re.compile(r"^```(python|toml)\n(?:# ([\w.]+\.(?:py|toml))\n)?(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_its_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    known = dict(sys.modules)
    namespace, ran = {"__name__": "a_notebook"}, 0
    try:
        for language, file, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if file:
                Path(file).write_text(text, encoding="utf-8")
            elif language == "python":
                exec(compile(text, str(page), "exec"), namespace)
                ran += 1
    finally:
        for name in set(sys.modules) - set(known):
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
                del sys.modules[name]
    assert ran or page.stem == "index"
