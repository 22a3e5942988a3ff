"""Run the tests with the newest release of every package; the upper bounds of pyproject.toml are ignored.

Usage: newest.py ENVIRONMENT TORCH [TEST]... The environment is made anew, torch comes as its line says, warnings are
shown and fail nothing. The result, with date and versions, takes the place of the last one in docs/versions.md.
"""

import datetime
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "versions.md"
BEGIN, END = "<!-- newest -->\n", "<!-- /newest -->\n"
EXTRAS = ("train", "serve", "data", "test")


def requirements():
    """What the project and its tests need, without upper bounds, and not the project itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = list(project["dependencies"])
    for extra in EXTRAS:
        wanted += project["optional-dependencies"][extra]
    return [
        re.sub(r",?(<|==)[\w.*]+", "", one) for one in wanted if not one.startswith(("tuition[", "torch>"))
    ]


def main(place, torch, *tests):
    environment = Path(place).absolute()
    shutil.rmtree(environment, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = str(environment / "bin" / "python")

    def install(*words):
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", *words], check=True, cwd=ROOT)

    install("pip")
    install(torch)
    # torch is named in the same install, so that no requirement changes its version.
    install("--upgrade-strategy", "eager", torch, *requirements())
    install("--no-deps", "--editable", ".")
    command = [python, "-m", "pytest", "-q", "-W", "default", *tests]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    print(done.stdout)
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=json"], check=True, stdout=subprocess.PIPE, text=True
    )
    installed = {row["name"].lower().replace("_", "-"): row["version"] for row in json.loads(listed.stdout)}
    names = [re.match(r"[\w-]+", one)[0] for one in (torch, *requirements())]
    versions = ", ".join(f"{name} {installed[name]}" for name in dict.fromkeys(names))
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    write(
        f"{datetime.date.today()}, Python {sys.version.split()[0]}: `pytest {' '.join(tests)}`: "
        f"{done.stdout.strip().splitlines()[-1].strip('= ')}.",
        "".join(f"\n- failed: `{name}`" for name in failed),
        f"\n{versions}.",
    )
    return done.returncode


def write(*parts):
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, behind = rest.partition(END)
    text = "\n".join(filter(None, parts))
    lines = "\n".join(wrapped(line) for line in text.splitlines())
    PAGE.write_text(f"{before}{BEGIN}\n{lines}\n\n{END}{behind}", encoding="utf-8")


def wrapped(line, width=120):
    """Break a line of Markdown at blanks."""
    rows = [""]
    for word in line.split(" "):
        if rows[-1] and len(rows[-1]) + 1 + len(word) > width:
            rows.append("")
        rows[-1] += f" {word}" if rows[-1] else word
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
