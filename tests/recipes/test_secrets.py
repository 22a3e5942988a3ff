"""A key goes into the header of a request and nowhere else, whatever an endpoint does with it."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest
import tomli_w
from tiny import tables

from loopback import served
from tuition.playground.serving import app

KEY = "sk-tuition/7f3a9c0d+1e2b4856=="
BASIC = base64.b64encode(f"user:{KEY}".encode()).decode()
FORMS = {
    "plain": KEY,
    "with its scheme": f"Bearer {KEY}",
    "url-encoded": quote(KEY, safe=""),
    "url-encoded in part": quote(KEY),
    "url-encoded in small letters": KEY.replace("/", "%2f").replace("+", "%2b").replace("=", "%3d"),
    "url-encoded letter by letter": "".join(f"%{ord(letter):02X}" for letter in KEY),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "base64 without padding": base64.b64encode(KEY.encode()).decode().rstrip("="),
    "base64 for URLs": base64.urlsafe_b64encode(KEY.encode()).decode(),
    "base64 with a user": f"Basic {BASIC}",
    "base64 as a password": base64.b64encode(f":{KEY}".encode()).decode().rstrip("="),
    "base64 as a user": base64.b64encode(f"{KEY}:".encode()).decode(),
    "base64 of a part": base64.b64encode(KEY[:15].encode()).decode(),
    "reversed": KEY[::-1],
    "in capitals": KEY.upper(),
    "in hexadecimal digits": KEY.encode().hex(),
    "its beginning": KEY[:12],
    "its middle": KEY[7:19],
    "its end": f"...{KEY[-12:]}",
    "a reversed part": KEY[:14][::-1],
    "cut in two": f"{KEY[:15]} {KEY[15:]}",
}
"""How an endpoint may repeat a key."""


class Parrot:
    """The playground's server, which says a key in every form: in a header, in every text, in errors."""

    def __init__(self):
        self.inner, self.calls, self.refuses = app(), 0, False

    async def __call__(self, scope, receive, send):
        sent = dict(scope.get("headers", ()))
        assert KEY.encode() in (sent.get(b"authorization") or sent.get(b"x-api-key", b""))
        said = "; ".join(FORMS.values()).encode("utf-8")
        self.calls += 1
        if self.refuses or self.calls % 6 == 0:
            status = 401 if self.refuses else 400
            body = json.dumps({"error": {"message": f"I was sent {said.decode()}", "code": said.decode()}})
            headers = [(b"content-type", b"application/json"), (b"x-echo", said)]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body.encode()})
            return

        async def parroting(message):
            if message["type"] == "http.response.start":
                kept = [pair for pair in message["headers"] if pair[0].lower() != b"content-length"]
                message = {**message, "headers": [*kept, (b"x-echo", said)]}
            elif body := message.get("body"):
                read = json.loads(body)
                read["choices"][0]["message"]["content"] += f" ({said.decode()})"
                read["choices"][0]["message"]["reasoning"] = said.decode()
                message = {**message, "body": json.dumps(read).encode()}
            await send(message)

        await self.inner(scope, receive, parroting)


@pytest.fixture
def parrot():
    one = Parrot()
    with served(one) as one.url:
        yield one


def tuition(folder, parrot, *command):
    """Run a command with the key in the environment, as a user does."""
    table = {"kind": "chat", "name": "far", "model": "program-ada-1", "base_url": parrot.url}
    table |= {"api_key_env": "FAR_KEY", "price_prompt": 1.0, "price_completion": 1.0, "max_tokens": 64}
    told = tables(folder, teacher=[table], annotation={"examples": 0, "max_attempts": 2, "backoff_s": 0.01})
    path = folder / "far.toml"
    path.write_text(tomli_w.dumps(told), encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "tuition", *command, str(path)],
        env={**os.environ, "FAR_KEY": KEY, "PYTHONFAULTHANDLER": "1"},
        capture_output=True,
        timeout=300,
        check=False,
    )


def spilled(folder, *outputs):
    """Where the key is found."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()] if folder else []
    assert folder is None or any(path.suffix == ".db" for path in files)
    held = {str(path): path.read_bytes() for path in files} | dict(enumerate(outputs))
    parts = {KEY[i : i + 12] for i in range(len(KEY) - 11)}
    forms = {*FORMS.values(), BASIC, *parts, *(part[::-1] for part in parts)} - {FORMS["cut in two"]}
    return [(place, form) for place, content in held.items() for form in forms if form.encode() in content]


def test_what_an_endpoint_repeats_in_any_form_is_masked_by_a_probe(tmp_path, parrot):
    parrot.refuses = True
    told = tuition(tmp_path, parrot, "probe")
    assert told.returncode == 0, told.stderr.decode()
    assert b"HTTP 401: I was sent ***; Bearer ***; ***" in told.stdout
    assert spilled(None, told.stdout, told.stderr) == []


def test_nothing_that_a_run_leaves_behind_holds_the_key(tmp_path, parrot):
    done = tuition(tmp_path, parrot, "run", "--yes")
    assert done.returncode == 0, done.stderr.decode()
    assert parrot.calls >= 12
    for name in ("annotations.jsonl", "events.jsonl", "report.html", "MODEL_CARD.md", "student"):
        assert (tmp_path / "run" / name).exists()
    assert spilled(tmp_path, done.stdout, done.stderr) == []
    assert b"***" in (tmp_path / "run" / "annotations.jsonl").read_bytes(), "what was said was masked"


def test_a_run_that_fails_does_not_show_the_key(tmp_path, parrot):
    parrot.refuses = True
    failed = tuition(tmp_path, parrot, "run", "--yes")
    assert failed.returncode == 2
    assert b"FAR_KEY" in failed.stderr or b"key" in failed.stderr
    assert b"***" in failed.stderr
    assert spilled(tmp_path, failed.stdout, failed.stderr) == []


@pytest.mark.parametrize(
    ("command", "entry", "told"),
    [
        (("run", "--yes"), 0, b"looks like a key; put the NAME of an environment variable there"),
        (("probe",), 0, b"looks like a key; put the NAME of an environment variable there"),
        (("check",), 7, b"setting 'teacher.7.api_key_env': there is no entry '7'"),
    ],
)
def test_a_key_where_its_name_belongs_is_neither_told_nor_kept(tmp_path, command, entry, told):
    table = tables(tmp_path, teacher=[{"kind": "chat", "name": "far", "api_key_env": "SOME_KEY"}])
    (tmp_path / "far.toml").write_text(tomli_w.dumps(table), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "tuition", *command, "far.toml", f"teacher.{entry}.api_key_env={KEY}"],
        capture_output=True,
        cwd=tmp_path,
        timeout=100,
    )
    assert done.returncode == 2
    assert told in done.stderr
    assert KEY.encode() not in done.stdout + done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["far.toml"], "nothing was written"
