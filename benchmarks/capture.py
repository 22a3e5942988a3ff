"""What `tuition capture` adds to a call: the same requests straight to an endpoint and through it, in turns.

Endpoint, capture and client are processes of one machine, the endpoint answers at once, and each request goes
over a connection that is kept. Of a stream of 42 parts, sent at once, the first part is timed, and the whole.
Other work on the machine counts in: the committed result was made with `chrt -r 5` before the command.
"""

import contextlib
import json
import multiprocessing
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import frame
import httpx2

TEXT = "The order was sent on Monday, and it will be there by Thursday. " * 20
PARTS = 40
BODY = {
    "model": "m",
    "messages": [{"role": "user", "content": "Where is my order? Mail me: jo@shop.example."}],
}


async def endpoint(scope, receive, send):
    """Answer at once, in one piece or in many."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    is_streamed = json.loads(body)["stream"]
    head = {"id": "c", "created": 1, "model": "m"}
    if is_streamed:
        kind, parts = b"text/event-stream", [TEXT[i::PARTS] for i in range(PARTS)]
        choices = [{"index": 0, "delta": {"content": part}, "finish_reason": None} for part in parts]
        choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
        said = [b"data: " + json.dumps({**head, "choices": [one]}).encode() + b"\n\n" for one in choices]
        said.append(b"data: [DONE]\n\n")
    else:
        message = {"role": "assistant", "content": TEXT}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        kind, said = b"application/json", [json.dumps({**head, "choices": choices}).encode()]
    length = [] if is_streamed else [(b"content-length", str(len(said[0])).encode())]
    start = {"type": "http.response.start", "status": 200}
    await send({**start, "headers": [(b"content-type", kind), *length]})
    for part in said:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def serve(pipe):
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets=None):
            await super().startup(sockets)
            pipe.send(self.servers[0].sockets[0].getsockname()[1])

    config = uvicorn.Config(endpoint, port=0, lifespan="off", log_level="critical", access_log=False)
    Server(config).run()


@contextlib.contextmanager
def both(folder):
    """Start the endpoint and the capture before it; give their addresses."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,), daemon=True)
    process.start()
    direct = f"http://127.0.0.1:{ours.recv()}/v1"
    words = [sys.executable, "-m", "tuition", "capture", "--upstream", direct, "--port", "0"]
    log = Path(folder) / "log"
    with log.open("w") as file:
        capture = subprocess.Popen(words, cwd=folder, stdout=file, stderr=file)
    try:
        while not (found := re.search(r"running on (http://\S+)", log.read_text())):
            time.sleep(0.05)
        yield {"direct": direct, "through": f"{found[1]}/v1"}
    finally:
        capture.terminate()
        process.terminate()
        capture.wait()
        process.join()


def timed(client, address, *, stream):
    """Milliseconds to the first part of the answer, and to its end."""
    start, first = time.perf_counter(), None
    with client.stream("POST", f"{address}/chat/completions", json={**BODY, "stream": stream}) as answer:
        for _ in answer.iter_raw():
            first = first or time.perf_counter()
    end = time.perf_counter()
    return 1000 * (first - start), 1000 * (end - start)


def measured(client, addresses, *, stream, calls):
    """One run: each address in turn, the first of each pair by turns too."""
    times = {name: [] for name in addresses}
    for i in range(calls):
        for name in sorted(addresses, reverse=i % 2 == 0):
            times[name].append(timed(client, addresses[name], stream=stream))
    row = {"kind": "stream" if stream else "whole", "calls": calls}
    for place, what in enumerate(("first_ms", "end_ms")):
        found = {name: [one[place] for one in both] for name, both in times.items()}
        row |= {f"{name}_{what}": round(statistics.median(values), 3) for name, values in found.items()}
        pairs = [b - a for a, b in zip(found["direct"], found["through"], strict=True)]
        row[f"added_{what}"] = round(statistics.median(pairs), 3)
    return row


def main():
    quick = frame.arguments(__doc__).quick
    calls, repetitions = (40, 2) if quick else (300, 7)
    runs = []
    with (
        tempfile.TemporaryDirectory() as folder,
        both(folder) as addresses,
        httpx2.Client(timeout=60) as client,
    ):
        for stream in (False, True):
            measured(client, addresses, stream=stream, calls=20)
        for repetition in range(repetitions):
            for stream in (False, True):
                row = measured(client, addresses, stream=stream, calls=calls)
                runs.append({"repetition": repetition, **row})
    summary = {
        kind: {name: frame.median(runs, name, kind=kind) for name in runs[0] if name.endswith("_ms")}
        for kind in ("whole", "stream")
    }
    packages = ("httpx2", "uvicorn", "starlette")
    frame.write("capture", __doc__, runs=runs, ratios={}, summary=summary, quick=quick, packages=packages)


if __name__ == "__main__":
    main()
