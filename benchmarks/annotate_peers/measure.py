"""What every client of `annotate.py` shares: its orders, and what it tells of itself; no dependency."""

import argparse
import gc
import json
import resource
import time
from pathlib import Path


def measured(ask):
    """Call `ask(prompts, url=…, at_once=…, folder=…)`, which gives a text a prompt in order; measure it.

    The clock runs from prompts in memory to replies in memory; what was imported before is not in it, what
    `ask` itself opens, starts and writes is. CPU seconds are of this process and of those it waited for.
    """
    parser = argparse.ArgumentParser()
    for name in ("url", "prompts", "folder", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--at-once", type=int, required=True)
    orders = parser.parse_args()
    prompts = json.loads(Path(orders.prompts).read_text())
    gc.collect()
    cpu, start = cpu_s(), time.perf_counter()
    texts = ask(prompts, url=orders.url, at_once=orders.at_once, folder=Path(orders.folder))
    wall_s = time.perf_counter() - start
    told = {"wall_s": wall_s, "cpu_s": cpu_s() - cpu, "peak_mb": peak_mb(), "texts": texts}
    Path(orders.out).write_text(json.dumps(told))


def cpu_s():
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def peak_mb():
    """Most memory this process held. `ru_maxrss` would count what its parent held when it was started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
