"""The endpoint of `annotate.py`: a chat endpoint whose answer follows from the prompt; no dependency.

`/v1/chat/completions` answers after `--latency` seconds, `/now/v1/chat/completions` at once; `/count` gives
how many calls came since it was asked last and how many of them were in flight at most. Prints its port.
"""

import argparse
import asyncio
import hashlib
import json

REASONS = (
    "The question names two amounts and asks for their sum.",
    "The first amount is carried over as it stands.",
    "The second amount is added to it, place by place.",
    "Nothing is left over, so no place is carried.",
    "A look from the other side gives the same.",
)


def answer_to(prompt):
    """The text for a prompt: some four hundred letters, different for each."""
    mark = hashlib.sha256(prompt.encode()).hexdigest()
    shift = int(mark[:4], 16) % len(REASONS)
    steps = "\n".join(REASONS[shift:] + REASONS[:shift])
    return f"{steps}\nAs {mark[:16]} shows, the answer is {int(mark[16:20], 16)}."


def completion(asked):
    prompt = asked["messages"][-1]["content"]
    text = answer_to(prompt)
    counts = {"prompt_tokens": len(prompt) // 4, "completion_tokens": len(text) // 4}
    message = {"role": "assistant", "content": text}
    return {
        "id": "c-" + hashlib.sha256(text.encode()).hexdigest()[:12],
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {**counts, "total_tokens": sum(counts.values())},
    }


class Tally:
    def __init__(self, latency_s):
        self.latency_s = latency_s
        self.calls = self.in_flight = self.most = 0

    def read(self):
        told = {"calls": self.calls, "at_once": self.most}
        self.calls, self.most = 0, self.in_flight
        return told


class Connection(asyncio.Protocol):
    """One connection; it sends one request at a time, as HTTP/1.1 clients do."""

    def __init__(self, tally):
        self.tally = tally
        self.read = bytearray()

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.read += data
        head, mark, rest = self.read.partition(b"\r\n\r\n")
        if not mark:
            return
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if len(rest) < length:
            return
        self.read = rest[length:]
        self.respond(head.split(b" ", 2)[1], bytes(rest[:length]))

    def respond(self, path, body):
        if not path.endswith(b"/chat/completions"):
            self.send(self.tally.read())
            return
        asked = json.loads(body)
        if not asked["messages"]:
            # One client looks for limits in the headers of an answer to nothing.
            self.send({"error": {"message": "no messages"}}, "400 Bad Request")
            return
        tally = self.tally
        tally.calls += 1
        tally.in_flight += 1
        tally.most = max(tally.most, tally.in_flight)
        if path.startswith(b"/now/"):
            self.finish(completion(asked))
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(tally.latency_s, self.finish, completion(asked))

    def finish(self, value):
        self.tally.in_flight -= 1
        self.send(value)

    def send(self, value, status="200 OK"):
        body = json.dumps(value).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, required=True, help="seconds until an answer leaves")
    tally = Tally(parser.parse_args().latency)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(tally), "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
