"""Which small faults the tests notice: a module is changed in one place at a time, and its own tests run.

    python benchmarks/mutants.py core/budget.py tasks/numbers.py --seconds 600

Without a module it takes those of `mutants.toml`, which also names tests that do not mirror their module, and
the survivors that may live, each with its reason. A change is of an operator, a comparison, a boundary, a
constant, a condition or a returned value, or leaves a statement out. The tests run in a copy of the checkout,
each time in a fork of one process that has loaded the libraries, the quickest first, until one fails.
Each mutant is written to `results/mutants.json` at once; a second start goes on, and tries survivors again.
Exit code 1: a survivor has no reason, a reason has no survivor, or more than 5 in 100 survived.
"""

import argparse
import ast
import hashlib
import importlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from mutate import mutants

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "mutants.json"
LISTS = tomllib.loads((ROOT / "benchmarks" / "mutants.toml").read_text())
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "runs", "dist", "build", "site", "results")
LIBRARIES = ("numpy", "pydantic", "httpx2", "sqlite3", "genai_prices", "hypothesis.strategies")
OPTIONS = ("-xq", "-pno:cacheprovider", "-p_hypothesis_pytestplugin", "-ppytest_timeout")


class Watch:
    """Runs the quickest tests first; remembers which one failed first, and how long each one took."""

    def __init__(self, before):
        self.before, self.failed, self.seconds = before, "", Counter()

    def pytest_collection_modifyitems(self, items):
        items.sort(key=lambda item: self.before.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report):
        self.seconds[report.nodeid] += report.duration
        self.failed = self.failed or report.failed * report.nodeid

    def pytest_collectreport(self, report):
        self.failed = self.failed or report.failed * f"{report.nodeid} (import)"


def run_tests(copy, tests, before, *, limit_s):
    """Run tests in a fork; say whether they pass, which one failed first, and the seconds of each."""
    found = copy / "watch.json"
    found.write_text('["out of time", {}]')
    child = os.fork()
    if child == 0:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit_s), int(limit_s)))
        resource.setrlimit(resource.RLIMIT_DATA, (4 << 30, 4 << 30))
        os.chdir(copy)
        output = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        watch = Watch(before)
        code = pytest.main([*OPTIONS, f"--basetemp={copy}/tmp", *tests], plugins=[watch])
        found.write_text(json.dumps([watch.failed, watch.seconds]))
        os._exit(int(code))
    until, (ended, status) = time.monotonic() + 8 * limit_s, (0, 0)
    while not ended and time.monotonic() < until:
        time.sleep(0.005)
        ended, status = os.waitpid(child, os.WNOHANG)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # processes that the tests left, or the tests where they hang
    status = status if ended else os.waitpid(child, 0)[1]
    return status == 0, *json.loads(found.read_text())


def evaluate(module, copy, rows, *, until, most, seed):
    """Try the module's mutants and fill its rows; yield after each one."""
    place, text = copy / "src" / "tuition" / module, (ROOT / "src" / "tuition" / module).read_text()
    found, source = list(mutants(text)), hashlib.sha256(text.encode()).hexdigest()[:16]
    if rows.get("source") != source:
        rows.update(source=source, killed={}, survived={})
    rows["mutants"], names = len(found), {name for name, _, _ in found}
    for outcome in ("killed", "survived"):
        rows[outcome] = {name: told for name, told in rows[outcome].items() if name in names}
    tests = LISTS["tests"].get(module, [str(Path("tests", module).with_name(f"test_{place.name}"))])
    place.write_text(ast.unparse(ast.parse(text)))
    sys.dont_write_bytecode = False
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    passes, failed, seconds = run_tests(copy, tests, {}, limit_s=300)
    limit_s = 10 + 4 * (resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before)
    if not passes:
        output = (copy / "output.txt").read_text()
        sys.exit(f"{module}: {failed or 'no test'} fails before anything is changed:\n{output}")
    sys.dont_write_bytecode = True
    for path in place.parent.glob(f"__pycache__/{place.stem}.*"):
        path.unlink()  # a mutant may be as old and as long as what it was made from
    random.Random(seed).shuffle(found)
    found.sort(key=lambda mutant: mutant[0] not in rows["survived"])
    for name, line, changed in found[:most]:
        if name not in rows["killed"] and time.monotonic() < until:
            place.write_text(changed)
            passes, failed, _ = run_tests(copy, tests, seconds, limit_s=limit_s)
            rows["survived"].pop(name, None)
            rows["survived" if passes else "killed"][name] = line if passes else failed
            yield
    place.write_text(text)


def report(module, rows):
    """Print the results of a module's mutants; return whether few enough survive, each with a reason."""
    reasons, killed, survived = LISTS["accepted"].get(module, {}), rows["killed"], rows["survived"]
    n = len(killed) + len(survived)
    counts = f"{rows['mutants']} mutants, {n} tried, {len(killed)} killed, {len(survived)} survived"
    print(f"{module}: {counts}", flush=True)
    for name, line in sorted(survived.items(), key=lambda item: item[1]):
        print(f"  line {line}  {name}  [{reasons.get(name, 'NO REASON')}]")
    stale = sorted(reasons.keys() - survived.keys()) if n == rows["mutants"] else []
    for name in stale:
        print(f"  no survivor, though mutants.toml has a reason: {name}")
    return survived.keys() <= reasons.keys() and not stale and 20 * len(survived) <= n


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="paths below src/tuition; none: those of mutants.toml")
    parser.add_argument("--seconds", type=float, default=3600, help="when to stop")
    parser.add_argument("--most", type=int, help="how many mutants of a module, drawn by the seed; all")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    until, are_fine = time.monotonic() + options.seconds, []
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"what": __doc__, "modules": {}}
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        copy = shutil.copytree(ROOT, Path(folder, "copy"), ignore=LEFT_OUT)
        os.environ |= {"PYTHONPATH": f"{copy}/src", "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        sys.path.insert(0, f"{copy}/src")
        for library in LIBRARIES:
            importlib.import_module(library)
        for module in options.modules or LISTS["modules"]:
            rows = results["modules"].setdefault(module, {})
            for _ in evaluate(module, copy, rows, until=until, most=options.most, seed=options.seed):
                whole = RESULTS.with_suffix(".part")
                whole.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
                whole.replace(RESULTS)
            are_fine.append(report(module, rows))
    sys.exit(not all(are_fine))


if __name__ == "__main__":
    main()
