"""No client at all: bytes on sockets, which is what the server itself and this machine can do."""

import asyncio
import json

import measure


class Caller(asyncio.Protocol):
    def __init__(self, take, texts, done):
        self.take, self.texts, self.done = take, texts, done
        self.read = bytearray()

    def connection_made(self, transport):
        self.transport = transport
        self.send()

    def send(self):
        self.i, request = next(self.take, (None, None))
        if request is None:
            self.transport.close()
            self.done.set_result(None)
        else:
            self.transport.write(request)

    def data_received(self, data):
        self.read += data
        head, mark, rest = self.read.partition(b"\r\n\r\n")
        if not mark or len(rest) < int(head.rpartition(b" ")[2]):
            return
        self.texts[self.i] = json.loads(rest)["choices"][0]["message"]["content"]
        self.read.clear()
        self.send()


async def call_all(prompts, url, at_once):
    host, path = url.removeprefix("http://").split("/", 1)
    requests = []
    for prompt in prompts:
        asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": prompt}], "max_tokens": 256}
        body = json.dumps(asked).encode()
        head = (
            f"POST /{path}/chat/completions HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    take, texts = iter(enumerate(requests)), [""] * len(prompts)
    loop = asyncio.get_running_loop()
    done = [loop.create_future() for _ in range(at_once)]
    name, _, port = host.partition(":")
    for future in done:
        await loop.create_connection(lambda future=future: Caller(take, texts, future), name, int(port))
    await asyncio.gather(*done)
    return texts


def ask(prompts, *, url, at_once, folder):
    return asyncio.run(call_all(prompts, url, at_once))


if __name__ == "__main__":
    measure.measured(ask)
