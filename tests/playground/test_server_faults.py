"""Every fault of the server as a plain client meets it: status, body, connection, payment."""

import json
import time
from email.utils import parsedate_to_datetime

import httpx2
import pytest
from served import BODY, running

from tuition.playground.serving import FAULTS, Faults, ServerConfig, app

MESSAGES = {key: BODY[key] for key in ("model", "messages", "max_tokens", "temperature")}
VERSION = {"anthropic-version": "2023-06-01"}
REFUSING = {name: fault.refusal for name, fault in FAULTS.items() if fault.refusal}
ANSWER = "The answer is March 24."


def rows(ledger):
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []


def chat(client, **changes):
    headers = {"X-Client-Request-Id": "tag-1"}
    return client.post("/v1/chat/completions", json=BODY | changes, headers=headers)


def messages(client, **changes):
    headers = {**VERSION, "X-Client-Request-Id": "tag-1"}
    return client.post("/v1/messages", json=MESSAGES | changes, headers=headers)


ASK = {"openai": chat, "anthropic": messages}
QUICK = {"slow_s": 0.2, "hang_s": 0.2, "retry_after_s": 7}
CASES = [(form, name) for form in ASK for name, fault in FAULTS.items() if form in fault.forms]


def attempt(ask, client):
    try:
        return ask(client)
    except httpx2.HTTPError as error:
        return error


@pytest.fixture(scope="module")
def met(tmp_path_factory):
    """What every call of one server for each form came to, a good one before and behind each fault."""
    found = {}
    for form, ask in ASK.items():
        names = [name for of, name in CASES if of == form]
        plan = [name for fault in names for name in ("", fault)] + [""]
        ledger = tmp_path_factory.mktemp(form) / "server.jsonl"
        calls = []
        with running(app(Faults(plan=plan, **QUICK), ledger)) as client:
            for _ in plan:
                seen = len(rows(ledger))
                calls.append((attempt(ask, client), rows(ledger)[seen:]))
        found |= {(form, name): calls[2 * i : 2 * i + 3] for i, name in enumerate(names)}
    return found


@pytest.mark.parametrize(("form", "name"), CASES)
def test_every_fault_is_paid_as_declared_and_spoils_no_other_call(met, form, name):
    before, spoilt, after = met[form, name]
    for reply, paid in (before, after):
        assert ANSWER in reply.text
        assert [row["fault"] for row in paid] == [""]
    assert [row["fault"] for row in spoilt[1]] == [name] * FAULTS[name].is_paid
    assert {row["tag"] for _, paid in (before, spoilt, after) for row in paid} == {"tag-1"}


@pytest.mark.parametrize("name", REFUSING)
def test_refusals_in_both_forms(met, name):
    refusal = REFUSING[name]
    openai, anthropic = (met[form, name][1][0] for form in ASK)
    assert openai.status_code == refusal.status
    assert anthropic.status_code == (402 if name == "quota" else refusal.status)
    if refusal.is_page:
        assert openai.headers["content-type"].startswith("text/html") and "<html>" in openai.text
        return
    assert openai.json()["error"]["message"] == refusal.message == anthropic.json()["error"]["message"]
    assert openai.json()["error"]["code"] == refusal.code
    assert anthropic.json()["type"] == "error"


def test_how_long_to_wait_is_said_in_seconds_as_a_date_or_not_at_all(met):
    waits = {name: met["openai", name][1][0].headers.get("retry-after") for name in REFUSING}
    assert waits["rate_limit"] == "7"
    assert waits["rate_limit_date"].endswith(" GMT")
    assert parsedate_to_datetime(waits["rate_limit_date"]).timestamp() > time.time() - 60
    assert set(waits.values()) == {"7", waits["rate_limit_date"], None}


@pytest.mark.parametrize("form", ASK)
@pytest.mark.parametrize("name", ["drop", "cut_early", "cut", "hang", "bad_gzip"])
def test_connections_that_bring_nothing(met, form, name):
    expected = {"bad_gzip": httpx2.DecodingError, "cut": httpx2.RemoteProtocolError}
    lost = (httpx2.RemoteProtocolError, httpx2.ReadError)
    assert isinstance(met[form, name][1][0], expected.get(name, lost))


@pytest.mark.parametrize("name", ["slow", "drip"], ids=["late", "in drops"])
def test_answers_that_take_their_time_come_whole(met, name):
    reply = met["openai", name][1][0]
    assert ANSWER in reply.text
    assert reply.elapsed.total_seconds() >= QUICK["slow_s"] * 0.9


def test_bodies_that_are_none(met):
    body = {name: met["openai", name][1][0] for _, name in CASES}
    with pytest.raises(json.JSONDecodeError):
        body["broken_json"].json()
    assert isinstance(body["wrong_type"].json(), list)
    assert body["page"].headers["content-type"].startswith("text/html")
    with pytest.raises(UnicodeDecodeError):
        body["bad_bytes"].content.decode()
    assert body["error_in_200"].json()["error"]["message"] == "the upstream provider failed"


@pytest.mark.parametrize(
    ("name", "content", "finish"),
    [
        ("null_content", None, "stop"),
        ("empty", "", "stop"),
        ("exhausted", "", "length"),
        ("filtered", "", "content_filter"),
        ("refusal", None, "stop"),
    ],
)
def test_contents_that_are_none(met, name, content, finish):
    choice = met["openai", name][1][0].json()["choices"][0]
    native = met["anthropic", name][1][0].json()
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, finish)
    stops = {"length": "max_tokens", "content_filter": "refusal"}
    stop = "refusal" if name == "refusal" else stops.get(finish, "end_turn")
    assert native["stop_reason"] == stop
    assert bool(choice["message"]["refusal"]) == (name == "refusal")


def test_contents_that_mislead(met):
    body = {name: met["openai", name][1][0].json() for name in ("no_usage", "zero_usage", "other_model")}
    assert "usage" not in body["no_usage"]
    assert body["zero_usage"]["usage"]["total_tokens"] == 0
    assert body["other_model"]["model"] == "program-other-9"
    for name in ("no_usage", "zero_usage"):
        [row] = met["openai", name][1][1]
        assert row["prompt_tokens"] and row["completion_tokens"]
    text = met["openai", "garbage"][1][0].json()["choices"][0]["message"]["content"]
    assert "\ud83d" in text and "\x00" in text and text.endswith(ANSWER)
    whole = met["openai", "truncated"][0][0].json()["choices"][0]["message"]["content"]
    choice = met["openai", "truncated"][1][0].json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (whole[: len(whole) // 2], "length")


def test_several_answers_in_one_call(tmp_path):
    ledger = tmp_path / "server.jsonl"
    plan = ("", "extra_choice", "missing_choice", "no_choices")
    with running(app(Faults(plan=plan), ledger)) as client:
        replies = [chat(client, n=3, temperature=1).json() for _ in plan]
    texts = [[choice["message"]["content"] for choice in reply["choices"]] for reply in replies]
    assert [len(found) for found in texts] == [3, 4, 2, 0]
    assert [len(set(found)) for found in texts] == [3, 3, 2, 0], "each draws its own words"
    for row, reply in zip(rows(ledger), replies, strict=True):
        assert row["completion_tokens"] == reply["usage"]["completion_tokens"] > 0


def test_a_client_that_goes_away_ends_the_waiting(tmp_path):
    ledger = tmp_path / "server.jsonl"
    begun = time.monotonic()
    with running(app(Faults(hang=1, hang_s=60), ledger)) as client, pytest.raises(httpx2.ReadTimeout):
        client.post("/v1/chat/completions", json=BODY, timeout=0.1)
    assert time.monotonic() - begun < 30, "the server ends before the hanging does"
    assert [row["fault"] for row in rows(ledger)] == ["hang"]


def test_a_batch_meets_faults_of_contents_alone():
    assert not [name for name in ("drop", "cut", "hang", "slow") if "batch" in FAULTS[name].forms]
    with running(app(Faults(cut=1), config=ServerConfig(concurrency=1))) as client:
        line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": BODY}
        content = "\n".join(json.dumps(line | {"custom_id": name}) for name in "ab")
        file = client.post(
            "/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content)}
        ).json()
        made = {"input_file_id": file["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.post("/v1/batches", json=made).json()
        while batch["status"] != "completed":
            time.sleep(0.01)
            batch = client.get(f"/v1/batches/{batch['id']}").json()
        written = client.get(f"/v1/files/{batch['output_file_id']}/content").text
    assert written.count(ANSWER) == 2
