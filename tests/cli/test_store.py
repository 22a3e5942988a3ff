"""`tuition store` as a person types it."""

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from tuition.core.budget import Cost, Price
from tuition.core.records import Failure, Message, Reply, Request, Usage
from tuition.core.store import Place, Store

PRICE = Price(prompt=1_000_000, completion=2_000_000)
USAGE = Usage(prompt_tokens=10, completion_tokens=20)
CUT = Failure(kind="timeout", message="no answer", is_retryable=True, is_paid=None)


@pytest.fixture
def filled(tmp_path):
    """A store with two answers and a call with an unknown outcome."""
    with Store(tmp_path / "tuition.db") as store:
        for name, failure in (("a", None), ("b", None), ("c", CUT)):
            request = Request(
                endpoint="http://x/v1",
                model="m",
                messages=(Message(role="user", content=name),),
                teacher="ada",
                role="rationale",
                tag=f"tag-{name}",
            )
            outcome = store.reserve(
                request, Cost(nano=100, tokens=60), place=Place(run="r1"), price=PRICE
            ).result(10)
            reply = Reply(text="because", usage=USAGE, raw="body" * 5000, failure=failure)
            store.settle(outcome.attempt_id, reply, cost=Cost.of(USAGE, PRICE), is_paid=True).result(10)
    (tmp_path / "server.jsonl").write_text(
        "".join(
            json.dumps({"tag": f"tag-{name}", "prompt_tokens": 10, "completion_tokens": n, "time": 0}) + "\n"
            for name, n in (("a", 20), ("b", 25), ("c", 1), ("x", 1))
        )
    )
    return Path("tuition.db")


def words(said):
    return " ".join(said.out.split())


def test_info(tuition, filled):
    said = tuition("store", "info")
    assert said.code == 0
    assert "tuition.db: 3 calls, 2 answers" in words(said)
    assert "schema 2, 1 runs." in words(said)
    assert "Used: $0.000000; paid: $0.000000." in words(said)
    assert "Next: tuition store verify tuition.db" in words(said)
    found = tuition("store", "info", filled, "--json").json
    assert (found["attempts"], found["paid_usd"]) == (3, 2e-7)
    assert found["teachers"][0] | {"kept": 2, "unknown": 1, "lost": 0} == found["teachers"][0]


def test_verify_and_repair(tuition, filled):
    assert tuition("store", "verify").code == 0
    with contextlib.closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE sums SET nano = 1 WHERE scope = 'r1'")
    said = tuition("store", "verify", filled)
    assert said.code == 1
    assert (
        "1 sums that are not those of the attempts: r1: [1, 120, 3] noted, [200, 120, 3] counted."
        in words(said)
    )
    assert "tuition store verify --repair recomputes them." in words(said)
    found = tuition("store", "verify", filled, "--json")
    assert (found.code, found.json["faults"][0]["count"]) == (1, 1)
    mended = tuition("store", "verify", filled, "--repair")
    assert mended.code == 0
    assert "mended: sums that are not those of the attempts" in words(mended)
    assert tuition("store", "verify", filled, "--json").json["faults"] == []


def test_reconcile(tuition, filled):
    said = tuition("store", "reconcile", filled, "server.jsonl")
    assert said.code == 0
    for sentence in (
        "server.jsonl: 4 charges, 87 tokens, from 1970-01-01 00:00:00+00:00 to 1970-01-01 00:00:00+00:00.",
        "1 unknown outcomes were charged",
        "0 were not charged; 0 remain unknown.",
        "1 settled calls agree, 1 differ; 0 are under way.",
        "1 charges name no call of this store and 0 name none at all: 11 tokens",
        "tag-b",
        "Money in the store: $0.000000 before, $0.000000 now.",
    ):
        assert sentence in words(said)
    again = tuition("store", "reconcile", filled, "server.jsonl", "--complete", "--json").json
    assert (again["lost"], again["agreed"], again["differing"], again["strange"]) == (0, 2, 1, 1)
    assert again["usd_before"] == again["usd_after"] == pytest.approx(112e-9)


def test_reconcile_with_a_list_that_is_complete_since(tuition, filled):
    Path("list.csv").write_text("tag,prompt_tokens,completion_tokens\ntag-a,10,20\ntag-b,10,20\n")
    asked = ("store", "reconcile", filled, "list.csv", "--complete", "--json")
    refused = tuition(*asked)
    assert refused.code == 2
    assert "'list.csv' has no times" in refused.error
    asked = (*asked, "--until", "2999-12-31")
    assert tuition(*asked, "--since", "2999-01-01").json["freed"] == 0
    assert tuition(*asked[:-1], "2000-01-01").json["freed"] == 0
    with contextlib.closing(sqlite3.connect(filled)) as connection, connection:
        connection.execute("UPDATE attempts SET started_at = 1767268800")
    assert tuition(*asked, "--since", "2026-01-01T08:00:00-05:00").json["freed"] == 0, "that is 13:00 in UTC"
    said = tuition(*(word for word in asked if word != "--json"), "--since", "2026-01-01T06:30:00-05:00")
    assert "1 were not charged; 0 remain unknown." in words(said)
    assert "The list counts as complete up to 2999-12-31 00:00:00+00:00; what began later" in words(said)
    refused = tuition(*asked, "--since", "soon")
    assert refused.code == 2
    assert "--since 'soon' is no time; expected such as 2026-01-31" in refused.error


def test_charges_of_calls_that_were_thought_free(tuition, filled):
    Path("none.jsonl").write_text('{"tag": "tag-a", "prompt_tokens": 10, "completion_tokens": 20}\n')
    tuition("store", "reconcile", filled, "none.jsonl", "--complete", "--until", "2999-01-01")
    said = tuition("store", "reconcile", filled, "server.jsonl")
    assert "1 were thought to have cost nothing, and are charged now." in words(said)


def test_times_in_milliseconds_and_counts_that_are_none(tuition, filled):
    row = {"tag": "tag-c", "prompt_tokens": 1, "completion_tokens": 1, "time": 1732000000000}
    Path("ms.jsonl").write_text(json.dumps(row))
    said = tuition("store", "reconcile", filled, "ms.jsonl")
    assert "from 2024-11-19 07:06:40+00:00" in words(said)
    Path("much.jsonl").write_text(json.dumps(row | {"prompt_tokens": 2**63}))
    refused = tuition("store", "reconcile", filled, "much.jsonl")
    assert refused.code == 2
    assert "'much.jsonl' row 1: 9223372036854775808 is no count of tokens" in refused.error


def test_merging_says_what_was_brought_up_to_date(tuition, filled):
    tuition("store", "export", filled, "rows.jsonl")
    tuition("store", "import", "other.db", "rows.jsonl")
    tuition("store", "reconcile", filled, "server.jsonl")
    assert "1 of those have their outcome now." in words(tuition("store", "merge", "other.db", filled))


def test_export_import_and_merge(tuition, filled):
    for form in ("jsonl", "parquet"):
        out = f"rows.{form}"
        said = tuition("store", "export", filled, out, "--form", form)
        assert f"Wrote {out}: 3 calls." in words(said)
        added = tuition("store", "import", f"{form}.db", out)
        assert f"{form}.db: 3 calls and 2 answers added, 0 were there already." in words(added)
        assert tuition("store", "import", f"{form}.db", out, "--json").json["known"] == 3
    merged = tuition("store", "merge", filled, "jsonl.db", "--out", "both.db", "--json").json
    assert (merged["path"], merged["attempts"], merged["known"]) == ("both.db", 3, 3)
    assert tuition("store", "verify", "both.db").code == 0
    refused = tuition("store", "export", filled, "rows.jsonl")
    assert refused.code == 2
    assert "'rows.jsonl' exists already; name a file that does not, or remove it" in refused.error
    assert tuition("store", "export", filled, "more.jsonl", "--json").json == {
        "path": "more.jsonl",
        "rows": 3,
    }


def test_compact(tuition, filled):
    said = tuition("store", "compact", filled, "--drop-raw")
    assert "2 raw bodies dropped." in words(said)
    assert "MB before" in words(said)
    found = tuition("store", "compact", filled, "--json").json
    assert found["emptied"] == 0
    assert found["bytes_after"] <= found["bytes_before"]


@pytest.mark.parametrize("verb", ["info", "verify", "compact"])
def test_a_store_that_is_not_there(tuition, verb):
    said = tuition("store", verb, "absent.db")
    assert said.code == 2
    assert "there is no store 'absent.db'; correct the path" in said.error
    assert not Path("absent.db").exists()


def test_a_list_that_cannot_be_read(tuition, filled):
    said = tuition("store", "reconcile", filled, "absent.jsonl")
    assert said.code == 2
    assert "no file 'absent.jsonl'" in said.error
    Path("sums.csv").write_text("day,amount\nMonday,3\n")
    said = tuition("store", "reconcile", filled, "sums.csv")
    assert said.code == 2
    assert "row 1 says no tokens" in said.error


def test_redact(tuition, filled, monkeypatch):
    said = tuition("store", "redact", filled, "--where", "because")
    assert said.code == 2
    assert "tuition.db: 2 calls hold that, 2 of them with an answer." in words(said)
    assert "nothing was redacted; add --yes to take the texts out for good" in said.error
    assert b"because" in filled.read_bytes()
    said = tuition("store", "redact", filled, "--where", "because", "--yes", "--json").json
    assert (said["calls"], said["answers"], said["runs"], said["folders"]) == (2, 2, ["r1"], [])
    assert b"because" not in filled.read_bytes()
    said = tuition("store", "redact", filled, "--where", "because", "--yes")
    assert said.code == 0
    assert "Nothing in tuition.db holds that; nothing was changed." in words(said)
    assert tuition("store", "verify", filled).code == 0
    Path("runs/mine").mkdir(parents=True)
    Path("runs/mine/run_id").write_text("r1")
    said = tuition("store", "redact", filled, "--where", "no answer", "--yes")
    assert "1 calls hold that, 0 of them with an answer." in words(said)
    assert "May hold the text too: runs/mine" in words(said)
    assert "Next: tuition store verify tuition.db" in words(said)
