import json
import sys

import httpx2
import pytest
from served import BODY, running

from tuition.core.config import override, parse
from tuition.core.errors import ConfigError, MissingExtra
from tuition.playground.serving import Faults, app, serve


def post(client, **changes):
    return client.post("/v1/chat/completions", json=BODY | changes)


def rows(ledger):
    return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []


def test_a_real_request_is_answered_and_its_payment_written_down(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(ledger=ledger)) as client:
        models = [entry["id"] for entry in client.get("/v1/models").json()["data"]]
        reply = post(client).json()
    assert "program-chen-1" in models
    assert reply["choices"][0]["message"]["content"].endswith("The answer is March 24.")
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["model"] == "program-chen-1"
    [row] = rows(ledger)
    assert row["id"] == reply["id"]
    assert row["prompt_tokens"] == reply["usage"]["prompt_tokens"] > 0
    assert row["completion_tokens"] == reply["usage"]["completion_tokens"] > 0
    total = row["prompt_tokens"] + row["completion_tokens"]
    assert reply["usage"]["total_tokens"] == total


def test_asking_again_draws_another_answer_unless_the_seed_or_temperature_forbids(tmp_path):
    def text(client, **changes):
        return post(client, **changes).json()["choices"][0]["message"]["content"]

    with running(app()) as client:
        assert text(client) == text(client)
        assert text(client, temperature=1) != text(client, temperature=1)
        assert text(client, temperature=1, seed=2) == text(client, temperature=1, seed=2)


def test_a_bound_on_tokens_is_kept(tmp_path):
    with running(app()) as client:
        reply = post(client, max_completion_tokens=5).json()
    assert reply["choices"][0]["finish_reason"] == "length"
    assert reply["usage"]["completion_tokens"] <= 5


def test_bad_requests_and_unknown_models_say_so_and_cost_nothing(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(ledger=ledger)) as client:
        broken = client.post("/v1/chat/completions", content=b"{")
        without = client.post("/v1/chat/completions", json={"model": "program-ada-1"})
        unknown = post(client, model="program-ada")
    assert (broken.status_code, without.status_code, unknown.status_code) == (400, 400, 404)
    assert "messages: Field required" in without.json()["error"]["message"]
    assert "did you mean 'program-ada-1'" in unknown.json()["error"]["message"]
    assert rows(ledger) == []


@pytest.mark.parametrize(
    ("kind", "status", "header"),
    [("rate_limit", 429, "1"), ("rate_limit_silent", 429, None), ("server_error", 500, None)],
)
def test_refusals_cost_nothing(tmp_path, kind, status, header):
    ledger = tmp_path / "server.jsonl"
    with running(app(Faults(**{kind: 1}), ledger)) as client:
        reply = post(client)
    assert reply.status_code == status
    assert reply.headers.get("retry-after") == header
    assert rows(ledger) == []


def test_a_cut_connection_is_paid(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(Faults(cut=1), ledger)) as client, pytest.raises(httpx2.RemoteProtocolError):
        post(client)
    assert [row["fault"] for row in rows(ledger)] == ["cut"]


def test_broken_json_and_an_empty_text_are_paid(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(Faults(broken_json=1), ledger)) as client, pytest.raises(json.JSONDecodeError):
        post(client).json()
    with running(app(Faults(empty=1), ledger)) as client:
        assert post(client).json()["choices"][0]["message"]["content"] == ""
    assert [(row["fault"], row["completion_tokens"] > 0) for row in rows(ledger)] == [
        ("broken_json", True),
        ("empty", False),
    ]


def test_a_slow_answer_outlasts_the_client(tmp_path):
    ledger = tmp_path / "server.jsonl"
    with running(app(Faults(slow=1, slow_s=0.5), ledger)) as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/v1/chat/completions", json=BODY, timeout=0.1)
        assert [row["fault"] for row in rows(ledger)] == ["slow"]


def test_faults_come_at_their_shares_and_by_their_seed():
    faults = Faults(seed=1, rate_limit=0.2, cut=0.1)
    drawn = [faults.draw(call) for call in range(2000)]
    assert drawn == [faults.draw(call) for call in range(2000)]
    assert drawn != [Faults(seed=2, rate_limit=0.2, cut=0.1).draw(call) for call in range(2000)]
    assert abs(drawn.count("rate_limit") / 2000 - 0.2) < 0.03
    assert abs(drawn.count("cut") / 2000 - 0.1) < 0.03
    assert set(drawn) == {"rate_limit", "cut", ""}


def test_shares_above_one_are_refused():
    with pytest.raises(ConfigError, match=r"shares of faults add up to 1.2, at most 1"):
        parse(Faults, {"cut": 0.6, "slow": 0.6}, where="here")
    with pytest.raises(ConfigError, match=r"'shares.cut' is 2"):
        parse(Faults, {"cut": 2}, where="here")


def test_unknown_faults_are_told_with_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown key 'cuts'; did you mean 'cut'\?"):
        parse(Faults, {"cuts": 0.1}, where="here")
    with pytest.raises(ConfigError, match=r"unknown fault 'cuts'; did you mean 'cut'\?"):
        parse(Faults, {"shares": {"cuts": 0.1}}, where="here")


def test_faults_of_batches_have_a_place_of_their_own():
    faults = parse(Faults, override({}, ["batch.expired=0.5", "cut=0.1"]), where="--fault")
    assert (faults.batch.expired, faults.shares) == (0.5, {"cut": 0.1})
    with pytest.raises(ConfigError, match=r"unknown key 'batch.expires'; did you mean 'expired'"):
        parse(Faults, {"batch": {"expires": 1}}, where="here")


def test_a_plan_goes_before_the_shares():
    faults = Faults(server_error=1, plan=("", "cut", ""))
    assert [faults.draw(call) for call in range(5)] == ["", "cut", "", "server_error", "server_error"]
    with pytest.raises(ConfigError, match=r"unknown fault 'cuts'; did you mean 'cut'\?"):
        parse(Faults, {"plan": ["cuts"]}, where="here")


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(MissingExtra, match=r"pip install 'tuition\[serve\]'"):
        app()


def test_a_missing_uvicorn_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtra, match=r"'uvicorn' is not installed"):
        serve(port=0)
