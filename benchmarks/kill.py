"""What is left of the money when a process is killed again and again: every payment, held against the ledger.

Each run asks 300 questions of the playground's server, which has faults and keeps its own list of payments.
Its process is killed (SIGKILL) at random moments and started again until it is finished, with `on_unknown` =
"ask_again". A run is a process that calls `annotation.ask` through a `Store`; `tuition run` would load torch
at every start, which has nothing to do with money. Children are forked from a clean process that has loaded
what they need.

Further ways to be disturbed, one run each: a disk that is full (a small tmpfs where one can be mounted),
files that may not grow (RLIMIT_FSIZE), a store that another program locks, two processes on one store, a wall
clock set back (by patching `time.time` in the child, for it cannot be done to a whole machine).

What is promised is counted in `violations`; a run with one is an error, and its folder is kept. With
`--out DIR` the last run's list of payments and its store stay as `DIR/server.jsonl` (one line a payment, by
the server's own count) and `DIR/tuition.db`, for anyone to compare.
"""

import json
import multiprocessing
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import frame
import kill_child

from tuition.core.budget import Cost, price_of
from tuition.core.records import Usage
from tuition.playground.serving import FAULTS, Faults
from tuition.upkeep import reconcile_store, verify_store

N = 300
RUNS = 200
LATENCY_S = 0.01
PRICE = price_of(prompt=kill_child.PRICE["price_prompt"], completion=kill_child.PRICE["price_completion"])
SHARES = {
    "rate_limit": 0.004,
    "rate_limit_silent": 0.004,
    "overloaded": 0.004,
    "overloaded_529": 0.004,
    "server_error": 0.01,
    "bad_gateway": 0.01,
    "timeout_408": 0.005,
    "timeout_504": 0.01,
    "timeout_524": 0.01,
    "drop": 0.01,
    "cut_early": 0.01,
    "cut": 0.02,
    "hang": 0.001,
    "broken_json": 0.01,
    "wrong_type": 0.005,
    "page": 0.005,
    "bad_gzip": 0.005,
    "bad_bytes": 0.01,
    "error_in_200": 0.01,
    "no_choices": 0.01,
    "null_content": 0.005,
    "empty": 0.01,
    "truncated": 0.01,
    "other_model": 0.01,
    "garbage": 0.01,
    "no_usage": 0.01,
    "zero_usage": 0.005,
}
"""Faults after which a call can still be answered; a reply that is exhausted twice is final."""
UNSEEN = (
    *("timeout_504", "timeout_524", "drop", "cut_early", "cut", "hang"),
    *("broken_json", "wrong_type", "page", "bad_gzip"),
)
"""Those that leave open whether the call was charged."""
KILLS_AT_MOST = 6
VARIANTS = ("disk full", "files bounded", "store locked", "two processes", "clock set back")


class Server:
    """The server of one run, in its own process, and what it says was paid."""

    def __init__(self, context, folder, *, seed):
        self.folder = folder
        self.faults = {"seed": seed, "shares": SHARES, "retry_after_s": 0, "hang_s": 60.0}
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=kill_child.serve, args=(theirs, folder, self.faults, LATENCY_S), daemon=True
        )
        self._process.start()
        self.url = f"http://127.0.0.1:{ours.recv()}/v1"

    def close(self):
        self._process.kill()
        self._process.join()

    def payments(self):
        path = self.folder / "server.jsonl"
        whole = path.read_text().rpartition("\n")[0] if path.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    def fault_of(self):
        """What happened to each call, by its tag."""
        drawn = Faults(**self.faults)
        tags = (self.folder / "arrivals").read_text().splitlines()
        return {tag: drawn.draw(i) for i, tag in enumerate(tags)}


def owed(payments):
    usages = (
        Usage(prompt_tokens=row["prompt_tokens"], completion_tokens=row["completion_tokens"])
        for row in payments
    )
    return sum(Cost.of(usage, PRICE).nano for usage in usages)


def attempts_of(path):
    """Every attempt; none while the store is being made."""
    with closing(sqlite3.connect(path, timeout=60)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            return connection.execute("SELECT * FROM attempts ORDER BY id").fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" not in str(error):
                raise
            return []


def charged(attempts):
    return sum(row["paid_nano"] if row["state"] in _SETTLED else row["worst_nano"] for row in attempts)


_SETTLED = ("kept", "failed", "lost")


class Run:
    """One run: its processes, its kills, and what was found wrong."""

    def __init__(self, context, folder, *, seed, n, variant=""):
        self.context, self.seed, self.n, self.variant = context, seed, n, variant
        self.folder, self.path = folder, folder / "tuition.db"
        self.random = random.Random(f"{seed}/{variant}")
        self.kills = self.starts = self.checks = 0
        self.processes = 1
        self.wrong = []
        self.server = None

    def start(self, **options):
        self.starts += 1
        settings = {"n": self.n, "said": self.folder / "said", **options}
        process = self.context.Process(
            target=kill_child.ask, args=(self.path, self.server.url), kwargs=settings, daemon=True
        )
        process.start()
        return process

    def kill(self, process):
        process.kill()
        process.join()
        self.kills += 1
        self.check_money()
        under_way = sum(row["state"] == "open" for row in attempts_of(self.path)) if self.path.exists() else 0
        self.claim(
            under_way <= kill_child.CONCURRENCY * self.processes, f"a kill left {under_way} calls open"
        )

    def moment(self):
        return self.random.uniform(0.05, 1.5)

    def until_done(self, **options):
        """Start again and again; from some point on, without killing."""
        while True:
            process = self.start(**options)
            moment = self.moment()
            process.join(moment / 2)
            self.check_money()
            process.join(moment / 2 if self.kills < KILLS_AT_MOST else 120)
            if process.is_alive():
                self.kill(process)
            elif process.exitcode == 0:
                return
            else:
                self.claim(False, f"a process ended with {process.exitcode}")
                return

    def claim(self, holds, what):
        if not holds:
            self.wrong.append(what)

    def check_money(self):
        """The list is read before the ledger: what is on it by then must be covered."""
        self.checks += 1
        listed = owed(self.server.payments())
        held = charged(attempts_of(self.path)) if self.path.exists() else 0
        self.claim(held >= listed, f"the ledger holds {held} where the server lists {listed}")

    def check_end(self):
        """Hold the ledger against the list when everything is over."""
        self.check_money()
        payments, attempts, drawn = self.server.payments(), attempts_of(self.path), self.server.fault_of()
        by_tag = Counter(row["tag"] for row in attempts)
        tags = Counter(row["tag"] for row in payments)
        self.claim(set(tags.values()) <= {1}, "a tag was paid twice")
        self.claim(all(by_tag[tag] == 1 for tag in tags), "a payment is not exactly one attempt")
        self.claim(all(row["state"] != "open" for row in attempts), "an attempt is still open")
        self.check_keys(attempts)
        unknown = [row for row in attempts if row["state"] == "unknown"]
        # A process that ends by itself, its disk full, says of calls under way that it broke them off.
        orphans = [row for row in unknown if row["ended_at"] is None or "broken off" in row["failure"]]
        unseen = [row for row in unknown if row not in orphans]
        allowed = kill_child.CONCURRENCY * self.kills
        self.claim(len(orphans) <= allowed, f"{len(orphans)} attempts were orphaned by {self.kills} kills")
        strange = [drawn.get(row["tag"]) for row in unseen if drawn.get(row["tag"]) not in UNSEEN]
        self.claim(not strange, f"outcomes unknown without a reason: {strange[:3]}")
        with closing(sqlite3.connect(self.path)) as connection:
            nano = connection.execute("SELECT SUM(nano) FROM sums WHERE scope IN ('r', 'r2')").fetchone()[0]
        self.claim(nano == charged(attempts), f"the sums hold {nano}, the attempts {charged(attempts)}")
        return {"orphans": len(orphans), "unseen": len(unseen), **self.reconcile(payments)}

    def check_keys(self, attempts):
        kept = set()
        for row in attempts:
            self.claim(row["key"] not in kept, f"{row['key'][:8]} was asked again after it was kept")
            if row["state"] == "kept":
                kept.add(row["key"])
        # By question, for a longer reply may stand in the place of one that was cut off.
        answered = {row["example_id"] for row in attempts if row["state"] == "kept"}
        self.claim(len(answered) == self.n, f"{self.n - len(answered)} questions have no answer")

    def reconcile(self, payments):
        found = reconcile_store(
            self.path,
            self.folder / "server.jsonl",
            is_complete=True,
            until=time.time(),
            endpoint=self.server.url,
        )
        after, listed = charged(attempts_of(self.path)), owed(payments)
        self.claim(after == listed, f"after reconciling the ledger holds {after}, the server lists {listed}")
        clean = (found.unknown, found.strange, found.untagged, found.doubled, found.differing)
        self.claim(
            not any(clean), f"reconciling left unknown, strange, untagged, doubled, differing: {clean}"
        )
        faults = verify_store(self.path).faults
        self.claim(not faults, f"verify finds {faults[:2]}")
        return {"lost": found.lost, "freed": found.freed, "nano_after": after, "nano_listed": listed}

    def carry_out(self):
        begun = time.perf_counter()
        self.folder.mkdir(parents=True)
        self.server = Server(self.context, self.folder, seed=self.seed)
        try:
            _DISTURBANCES[self.variant](self)
            counts = self.check_end()
        finally:
            self.server.close()
        attempts = attempts_of(self.path)
        states = Counter(row["state"] for row in attempts)
        return {
            "seed": self.seed,
            "variant": self.variant,
            "n": self.n,
            "starts": self.starts,
            "kills": self.kills,
            "checks": self.checks,
            "attempts": len(attempts),
            "kept": states["kept"],
            "payments": len(self.server.payments()),
            **counts,
            "faults": len([fault for fault in self.server.fault_of().values() if fault]),
            "wall_s": round(time.perf_counter() - begun, 2),
            "violations": self.wrong,
        }


def disk_full(run):
    """Let the disk fill up; where no small one can be mounted, it is the same as `files_bounded`."""
    place = run.folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        files_bounded(run)
        return
    run.path = place / "tuition.db"
    try:
        no_room(run, lambda: subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True))
    finally:
        for file in place.glob("tuition.db*"):
            shutil.copy(file, run.folder)
        subprocess.run(["umount", "-l", str(place)], check=True)
        run.path = run.folder / "tuition.db"


def files_bounded(run):
    """Let no file grow beyond half a megabyte."""
    no_room(run, lambda: None, bytes_at_most=500_000)


def no_room(run, make_room, **options):
    """Ask until there is no room, make some, go on; nothing that was settled before may be gone."""
    process = run.start(**options)
    process.join(120)
    run.claim(process.exitcode == kill_child.STORE_FAILED, f"a full disk ended with {process.exitcode}")
    said = run.folder / "said"
    words = said.read_text() if said.exists() else ""
    run.claim("make room" in words.lower(), f"a full disk is told as {words!r}")
    # Whatever was under way could not be settled, as after a kill.
    run.kills += 1
    run.check_money()
    kept = {row["key"] for row in attempts_of(run.path) if row["state"] == "kept"}
    run.claim(0 < len(kept) < run.n, f"the disk was full when {len(kept)} replies were kept")
    make_room()
    run.until_done()
    still = {row["key"] for row in attempts_of(run.path) if row["state"] == "kept"}
    run.claim(kept <= still, "a kept reply is gone")


def store_locked(run):
    """Lock the store for seconds while a process runs, and while one starts."""
    process = run.start()
    process.join(0.7)
    for _ in range(2):
        ours, theirs = run.context.Pipe()
        locker = run.context.Process(target=kill_child.hold, args=(run.path, theirs, 2.5), daemon=True)
        locker.start()
        run.claim(ours.recv(), "the store could not be locked")
        run.check_money()
        if process.is_alive():
            process.join(1.0)
        if process.is_alive():
            run.kill(process)
        process = run.start()
        locker.join()
    process.join(120)
    run.claim(process.exitcode == 0, f"behind a lock a process ended with {process.exitcode}")


def two_processes(run):
    """Let two runs ask the same questions at once; kill now this one, now that one."""
    names, alive, run.processes = {"r", "r2"}, {}, 2
    while names:
        for name in sorted(names - set(alive)):
            alive[name] = run.start(run=name)
        time.sleep(run.moment())
        for name, process in list(alive.items()):
            if not process.is_alive():
                run.claim(process.exitcode == 0, f"one of two ended with {process.exitcode}")
                names.discard(name)
                del alive[name]
        if alive and run.kills < KILLS_AT_MOST:
            name = run.random.choice(sorted(alive))
            run.kill(alive.pop(name))


def clock_set_back(run):
    """Set the wall clock back between starts by an hour and a day, and in the middle of one."""
    for options in ({}, {"clock_back_s": 3600.0}, {"clock_jump_s": 7200.0}, {"clock_back_s": 86400.0}):
        process = run.start(**options)
        process.join(run.random.uniform(0.4, 0.9))
        if process.is_alive():
            run.kill(process)
    run.until_done(clock_back_s=600.0)


_DISTURBANCES = {
    "": Run.until_done,
    "disk full": disk_full,
    "files bounded": files_bounded,
    "store locked": store_locked,
    "two processes": two_processes,
    "clock set back": clock_set_back,
}


def context_with(modules):
    """Processes that are forked from one that has loaded these, and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(modules)
    return context


def carry_out_all(folder, *, runs, n):
    """Carry out all runs; yield the row of each."""
    context = context_with(
        ["kill_child", "uvicorn", "httpx2", "tuition.teachers.http.chat", "starlette.routing"]
    )
    plan = [("", seed) for seed in range(runs)] + [(variant, 0) for variant in VARIANTS]
    for variant, seed in plan:
        place = folder / (variant.replace(" ", "-") or f"run-{seed:03}")
        row = Run(context, place, seed=seed, n=n, variant=variant).carry_out()
        leave(place, folder)
        if not row["violations"]:
            shutil.rmtree(place)
        yield row


def leave(place, folder):
    """Leave a run's list and its store, journal included, in a folder, in the place of the run's before."""
    shutil.copy(place / "server.jsonl", folder)
    (folder / "tuition.db").unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(place / "tuition.db")) as of_run,
        closing(sqlite3.connect(folder / "tuition.db")) as left,
    ):
        of_run.backup(left)


def main():
    arguments = frame.arguments(
        __doc__.partition("\n")[0], out="folder for the last run's list and store, and for runs that fail"
    )
    quick = arguments.quick
    folder = Path(arguments.out or tempfile.mkdtemp(prefix="kill-"))
    rows = []
    for row in carry_out_all(folder, runs=3 if quick else RUNS, n=N):
        rows.append(row)
        print(
            f"{row['variant'] or row['seed']}: {row['kills']} kills, {row['wall_s']} s",
            *row["violations"],
            file=sys.stderr,
        )
    totals = {
        name: sum(row[name] for row in rows)
        for name in (
            "kills",
            "checks",
            "attempts",
            "payments",
            "orphans",
            "unseen",
            "lost",
            "freed",
            "faults",
        )
    }
    violations = sum(len(row["violations"]) for row in rows)
    frame.write(
        "kill",
        __doc__,
        runs=rows,
        ratios={"attempts_per_question": totals["attempts"] / sum(row["n"] for row in rows)},
        summary={"runs": len(rows), **totals, "violations": violations},
        quick=quick,
        packages=("httpx2", "pydantic", "uvicorn"),
    )
    print(f"list of payments and store of the last run: {folder}/server.jsonl, {folder}/tuition.db")
    if violations:
        sys.exit(f"{violations} violations; the stores are in {folder}")


assert set(SHARES) <= set(FAULTS)

if __name__ == "__main__":
    main()
