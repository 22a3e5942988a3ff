"""The smallest runs: twelve playground questions, program teachers, a student of one layer."""

import hashlib
import json
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path

from tuition.core.config import read_toml
from tuition.core.run import Run
from tuition.experiment.bench import open_bench
from tuition.experiment.config import dump, resolve

TINY = Path(__file__).with_name("tiny.toml")


def tables(folder, **changed):
    """The tables of the tiny run, its folder and its store within `folder`; None takes a table out."""
    whole = {**read_toml(TINY), "out": str(folder / "run"), "store": str(folder / "tuition.db"), **changed}
    return {key: value for key, value in whole.items() if value is not None}


def experiment(folder, *settings, **changed):
    return resolve(tables(folder, **changed), settings, where="tiny", trust=True)


def teachers(*names, **more):
    return [{"kind": "playground", "name": name, **more} for name in names]


@contextmanager
def bench_of(config):
    """An open bench, as a recipe begins; again with the same configuration it goes on."""
    run = Run(Path(config.out), config_text=dump(config))
    try:
        with open_bench(config, run) as bench:
            yield bench
    finally:
        run.close()


def rows(store, query, *values):
    """Ask the store by SQL; a store that was never made has no rows."""
    if not Path(store).exists():
        return []
    with closing(sqlite3.connect(store)) as connection:
        connection.row_factory = sqlite3.Row
        return [tuple(row) for row in connection.execute(query, values)]


def attempts(store):
    """How many calls were made, whatever came of them."""
    return sum(count for (count,) in rows(store, "SELECT COUNT(*) FROM attempts"))


def hashes(folder):
    """What every file of a folder holds."""
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def lines(path):
    """The rows of a JSONL file."""
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines() if line]
