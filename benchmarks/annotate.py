"""Thousands of calls to a slow endpoint: ours beside two tools for the same work and a plain loop; on Linux.

A loopback server answers after 0.2 s, and 64 calls may be in flight. Ours reserves and settles each attempt
in a store on disk. Beside it, each in a process and an environment of its own, at the best settings found
(annotate_peers/): distilabel and bespokelabs-curator, the peers, and a plain loop over the openai client,
which keeps nothing. Equal prompts; every reply is compared with what the server must have said; the clients
take turns. `calls_vs_ideal` is our calls per second over 64 / 0.2 s, or over what the server can do at all
where that is less; `calls_vs_best_peer` over the faster peer's. `*_vs_best_peer` of memory and CPU seconds:
below 1, ours takes less. `peak_mb` is the client's first process, `tree_mb` the most all its processes held
at one moment, looked at twice a second.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import frame
from annotate_peers.server import answer_to

CLIENTS = Path(__file__).parent / "annotate_peers"
LATENCY_S = 0.2
AT_ONCE = 64
PEERS = ("distilabel", "curator")
PACKAGES = {
    # It imports requests, which what it depends on no longer brings.
    "distilabel": ["distilabel[openai]", "requests"],
    "curator": ["bespokelabs-curator"],
    "openai": ["openai"],
}
LONGEST_S = 900
SAMPLE_S = 0.5


def prompts(n):
    sale = "Question {}: A shop sells {} apples and {} pears. How many pieces of fruit does it sell in all?"
    end = " Think step by step and end with the answer."
    return [sale.format(i, 3 * i + 1, 7 * i % 97) + end for i in range(n)]


def environment(name, work):
    """Make a virtual environment for a peer, or take the one made before; give its interpreter."""
    folder = work / name
    python, mark = folder / "bin" / "python", folder / "installed"
    if not mark.exists():
        print(f"installing {' '.join(PACKAGES[name])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"pip: {last_line(done.stderr)}")
        mark.touch()
    return python


def version(python, package):
    package = package.partition("[")[0]
    ask = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


@contextlib.contextmanager
def server():
    command = [sys.executable, CLIENTS / "server.py", "--latency", str(LATENCY_S)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def counted(url):
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{url}/count") as response:
        return json.load(response)


def run(name, python, asked, *, url):
    """Let one client ask everything in a process of its own; give what it and the server measured."""
    with tempfile.TemporaryDirectory() as spare:
        folder = Path(spare)
        (folder / "prompts").write_text(json.dumps(asked))
        orders = {"url": url, "prompts": folder / "prompts", "folder": folder, "out": folder / "out"}
        options = [f"--{key}={value}" for key, value in {**orders, "at-once": AT_ONCE}.items()]
        server_url = "/".join(url.split("/")[:3])
        counted(server_url)
        load = os.getloadavg()[0]
        with (folder / "log").open("w") as log:
            command = [python, CLIENTS / f"by_{name}.py", *options]
            process = subprocess.Popen(command, env=plain(folder), stdout=log, stderr=log)
            tree_mb = watch(process)
        if process.returncode:
            raise RuntimeError(last_line((folder / "log").read_text(errors="replace")))
        told = json.loads((folder / "out").read_text())
    if told.pop("texts") != [answer_to(prompt) for prompt in asked]:
        raise RuntimeError("its replies are not what the server said")
    return {"requests": len(asked), **told, "tree_mb": tree_mb, **counted(server_url), "load": load}


def plain(home):
    """The surroundings of a client: no proxy between it and the server, no cache but in its own folder."""
    kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    return kept | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def watch(process):
    """Wait for a process; give the most memory that it and its children held at one moment, in MB."""
    most, start = 0.0, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(SAMPLE_S)
            return most
        most = max(most, sum(held_mb(pid) for pid in family(process.pid)))
        if time.monotonic() - start > LONGEST_S:
            process.kill()


def family(pid):
    """A process and its descendants."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found.extend(map(int, (task / "children").read_text().split()))
    return found


def held_mb(pid):
    """Memory of a process, pages shared with others counted by its part; 0 once it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def clients(work):
    """Interpreters by client, versions of the peers' packages, and why a peer is not here."""
    pythons, versions, absent = {"tuition": sys.executable}, {}, {}
    for name, packages in PACKAGES.items():
        try:
            pythons[name] = environment(name, work)
            versions[name] = version(pythons[name], packages[0])
        except (OSError, subprocess.CalledProcessError, RuntimeError) as error:
            absent[name] = str(error)
    return pythons, versions, absent


def measure(work, asked, repetitions):
    pythons, versions, absent = clients(work)
    runs = []

    def note(name, python, way, repetition):
        if name in absent:
            return
        try:
            told = run(name, python, asked, url=url + way)
        except RuntimeError as error:
            absent[name] = str(error)
            return
        latency_s = LATENCY_S if way == "/v1" else 0.0
        runs.append({"repetition": repetition, "client": name, "latency_s": latency_s, **told})
        print(f"{name}, {latency_s} s: {told['wall_s']:.2f} s", flush=True)

    with server() as url:
        for repetition in range(repetitions):
            note("nothing", sys.executable, "/now/v1", repetition)
            note("nothing", sys.executable, "/v1", repetition)
            names = list(pythons)
            turn = repetition % len(names)
            for name in names[turn:] + names[:turn]:
                note(name, pythons[name], "/v1", repetition)
    for name in ("tuition", "nothing"):
        if name in absent:
            raise SystemExit(f"{name} failed: {absent[name]}")
    return runs, versions, absent


def main():
    arguments = frame.arguments(__doc__, work="folder for the peers' environments; one made before is used")
    size, repetitions = (300, 2) if arguments.quick else (5_000, 3)
    with tempfile.TemporaryDirectory() as spare:
        work = Path(arguments.work or spare).absolute()
        runs, versions, absent = measure(work, prompts(size), repetitions)
    medians = {
        name: {
            field: frame.median(runs, field, client=name, latency_s=LATENCY_S)
            for field in ("wall_s", "cpu_s", "peak_mb", "tree_mb")
        }
        for name in dict.fromkeys(run["client"] for run in runs)
    }
    calls = {name: size / found["wall_s"] for name, found in medians.items()}
    ceiling = size / frame.median(runs, "wall_s", client="nothing", latency_s=0.0)
    ideal = min(AT_ONCE / LATENCY_S, ceiling)
    ours, peers = medians["tuition"], [name for name in PEERS if name in medians]
    best = max(peers, key=calls.get, default=None)
    ratios = {"calls_vs_ideal": calls["tuition"] / ideal}
    for name in ("openai", "nothing"):
        ratios[f"calls_vs_{name}"] = calls["tuition"] / calls[name] if name in calls else None
    ratios["calls_vs_best_peer"] = calls["tuition"] / calls[best] if best else None
    for name, field in (("cpu", "cpu_s"), ("memory", "peak_mb")):
        ratios[f"{name}_vs_best_peer"] = ours[field] / medians[best][field] if best else None
    frame.write(
        "annotate",
        __doc__,
        runs=runs,
        ratios={name: ratio and round(ratio, 3) for name, ratio in ratios.items()},
        summary={
            "best_peer": best,
            "peer_versions": versions,
            "not_run": absent,
            "ideal_calls_per_s": round(AT_ONCE / LATENCY_S, 1),
            "server_calls_per_s": round(ceiling, 1),
            "calls_per_s": {name: round(value, 1) for name, value in calls.items()},
            "cpu_ms_per_call": {name: round(1000 * m["cpu_s"] / size, 2) for name, m in medians.items()},
            "peak_mb": {name: round(found["peak_mb"], 1) for name, found in medians.items()},
            "tree_mb": {name: round(found["tree_mb"], 1) for name, found in medians.items()},
        },
        quick=arguments.quick,
        packages=("httpx2", "pydantic"),
    )


if __name__ == "__main__":
    main()
