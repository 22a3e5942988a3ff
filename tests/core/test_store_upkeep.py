import contextlib
import dataclasses
import json
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import (
    PLACE,
    PRICE,
    REPLY,
    WORST,
    buy,
    failed,
    request,
    reserve,
    run_script,
    settle,
    states,
    sums,
)

from tuition.core.budget import Cost
from tuition.core.errors import DataError, StoreError
from tuition.core.records import Usage
from tuition.core.store import Kept, Place, Reserved, Store, writer
from tuition.upkeep import (
    compact_store,
    export_store,
    import_rows,
    merge_stores,
    reconcile_store,
    store_info,
    verify_store,
)
from tuition.upkeep.charges import Charge, read_charges

LATER = 4e9
"""The lists here say no times; they were fetched after every call."""


def ask(store, name, *, tag="", price=PRICE, worst=WORST, place=PLACE, endpoint="http://x/v1"):
    tagged = dataclasses.replace(request(name), tag=tag, endpoint=endpoint)
    outcome = store.reserve(tagged, worst, place=place, price=price).result(10)
    assert isinstance(outcome, Reserved)
    return outcome.attempt_id


def keep(store, name, usage=REPLY.usage, **more):
    attempt_id = ask(store, name, **more)
    settle(store, attempt_id, dataclasses.replace(REPLY, usage=usage))
    return attempt_id


def lose(store, name, **more):
    """Make a call whose end nobody saw."""
    attempt_id = ask(store, name, **more)
    settle(store, attempt_id, failed("timeout", is_retryable=True, is_paid=None))
    return attempt_id


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def charge(tag, prompt=10, completion=20, **more):
    return {"tag": tag, "prompt_tokens": prompt, "completion_tokens": completion, **more}


def alter(path, statement, *values):
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tuition.db"


class TestInfo:
    def test_counts_by_teacher_and_run(self, path):
        with Store(path) as store:
            keep(store, "a")
            keep(store, "b", place=Place(run="r2"))
            assert isinstance(reserve(store, "a", place=Place(run="r3")), Kept)
            settle(store, ask(store, "c"), failed())
            lose(store, "d", tag="gone")
            store.open_batch("b1", place=PLACE, teacher="t", endpoint="e").result(10)
        write(listed := path.with_name("list.jsonl"), [charge("gone", 1, 1)])
        reconcile_store(path, listed)
        with Store(path) as store:
            lose(store, "e")
            ask(store, "f")
            found = store_info(path)
        assert found.runs == ("r1", "r2", "r3")
        assert (found.attempts, found.replies, found.schema) == (6, 2, 2)
        [teacher] = found.teachers
        assert (teacher.calls, teacher.kept, teacher.failed, teacher.unknown, teacher.lost, teacher.open) == (
            *(6, 2, 1, 1, 1, 1),
        )
        assert (found.used_usd, found.paid_usd) == (1e-7, pytest.approx((100 + 3 + 100 + 100) / 1e9))
        assert [batch["name"] for batch in found.batches] == ["b1"]
        assert found.bytes >= path.stat().st_size > 0

    def test_unknown_price_is_unknown_money(self, path):
        with Store(path) as store:
            attempt_id = ask(store, "a", price=None, worst=Cost(nano=None, tokens=60))
            store.settle(attempt_id, REPLY, cost=Cost(nano=None, tokens=30), is_paid=True).result(10)
            keep(store, "b")
        found = store_info(path)
        assert (found.used_usd, found.paid_usd) == (None, None)

    def test_used_is_paid_to_the_last_digit_where_nothing_else_was_bought(self, path):
        # 0.1 + 0.2 + 0.3 dollars, added up as floats, are 0.6000000000000001.
        with Store(path) as store:
            for i, teacher in enumerate(("a", "b", "c"), start=1):
                asked = request(teacher, teacher)
                outcome = store.reserve(asked, WORST, place=PLACE, price=PRICE).result(10)
                cost = Cost(nano=i * 100_000_000, tokens=30)
                store.settle(outcome.attempt_id, REPLY, cost=cost, is_paid=True).result(10)
        found = store_info(path)
        assert (found.used_usd, found.paid_usd) == (0.6, 0.6)
        assert sum(teacher.used_usd for teacher in found.teachers) != 0.6

    def test_empty_store(self, path):
        Store(path).close()
        found = store_info(path)
        assert (found.attempts, found.replies, found.runs, found.used_usd, found.paid_usd) == (
            0,
            0,
            (),
            0,
            0.0,
        )

    def test_there_must_be_one(self, path):
        with pytest.raises(DataError, match=r"there is no store '.*tuition\.db'; correct the path"):
            store_info(path)
        Store(path.with_name("tuitoin.db")).close()
        with pytest.raises(DataError, match=r"did you mean 'tuitoin\.db'\?"):
            store_info(path)
        assert not path.exists()
        with pytest.raises(DataError, match=r"is a folder; name the store in it, such as 'tuitoin\.db'"):
            store_info(path.parent)


class TestVerify:
    def test_a_sound_store_has_no_faults(self, path):
        with Store(path) as store:
            keep(store, "a")
            lose(store, "b")
            settle(store, ask(store, "c"), failed())
            ask(store, "d")
        found = verify_store(path)
        assert (found.attempts, found.faults, found.repaired, found.bought_twice) == (4, (), (), 0)

    @pytest.mark.parametrize(
        ("statement", "what", "where"),
        [
            (
                "DELETE FROM replies WHERE attempt_id = 1",
                "kept attempts without a reply under their key",
                "attempt 1",
            ),
            (
                "UPDATE attempts SET key = 'x' WHERE id = 3",
                "attempts whose key is not their request's",
                "attempt 3",
            ),
            ("UPDATE attempts SET request = '{' WHERE id = 3", "attempts whose key is not", "attempt 3"),
            ("UPDATE attempts SET request = '[1]' WHERE id = 3", "attempts whose key is not", "attempt 3"),
            (
                "UPDATE attempts SET tokens = NULL WHERE id = 3",
                "settled attempts without a count",
                "attempt 3",
            ),
            (
                "UPDATE attempts SET failure = NULL WHERE id = 3",
                "failed attempts that do not say why",
                "attempt 3",
            ),
            (
                "UPDATE replies SET attempt_id = 99",
                "rows that refer to a row that is not there",
                "replies row 1",
            ),
            ("UPDATE replies SET attempt_id = 3", "replies whose attempt is not a kept one", "reply "),
            (
                "INSERT INTO uses VALUES ('r9', 'k', 0, 't', '')",
                "uses of a reply that is not there",
                "run r9, key k",
            ),
            (
                "UPDATE attempts SET state = 'open', batch = 'b9' WHERE id = 2",
                "open attempts of a batch that is over or was never made",
                "attempt 2",
            ),
        ],
    )
    def test_each_fault_is_named(self, path, statement, what, where):
        with Store(path) as store:
            keep(store, "a")
            lose(store, "b")
            settle(store, ask(store, "c"), failed())
        alter(path, statement)
        found = [fault for fault in verify_store(path).faults if fault.what.startswith(what)]
        assert len(found) == 1, verify_store(path).faults
        assert found[0].where[0].startswith(where)
        assert found[0].count >= 1
        assert found[0].remedy

    def test_wrong_sums_are_recomputed_when_asked(self, path):
        with Store(path) as store:
            for i in range(5):
                keep(store, str(i), place=Place(run="r1", round=i % 2, group="all"))
            lose(store, "x")
            right = (sums(store), sums(store, "all"), sums(store, "r1/round/1"))
        alter(path, "UPDATE sums SET nano = nano - 40 WHERE scope = 'r1'")
        alter(path, "DELETE FROM sums WHERE scope = 'all'")
        alter(path, "INSERT INTO sums VALUES ('nobody', 1, 1, 1)")
        [fault] = verify_store(path).faults
        assert (fault.what, fault.count) == ("sums that are not those of the attempts", 3)
        assert fault.where[0] == "all: [0, 0, 0] noted, [250, 150, 5] counted"
        assert "tuition store verify --repair" in fault.remedy
        assert len(verify_store(path).faults) == 1, "looking mends nothing"
        mended = verify_store(path, repair=True)
        assert (mended.faults, mended.repaired) == ((), (fault,))
        assert verify_store(path).faults == ()
        with Store(path) as store:
            assert (sums(store), sums(store, "all"), sums(store, "r1/round/1")) == right

    def test_repair_alters_nothing_else(self, path):
        with Store(path) as store:
            keep(store, "a")
        alter(path, "DELETE FROM replies")
        found = verify_store(path, repair=True)
        assert found.faults[0].what == "kept attempts without a reply under their key"
        assert found.repaired == ()

    def test_an_answer_bought_twice_is_money_and_no_fault(self, path):
        with Store(path) as store:
            late = lose(store, "a")
            keep(store, "a")
            settle(store, late)
        found = verify_store(path)
        assert (found.faults, found.bought_twice) == ((), 1)

    def test_a_damaged_file_is_said(self, path):
        with Store(path) as store:
            for i in range(200):
                store.reserve(request(f"{i}"), WORST, place=PLACE)
        with path.open("r+b") as file:
            file.seek(10 * 4096)
            file.write(b"\xff" * 4096 * 20)
        try:
            faults = verify_store(path).faults
        except StoreError as error:
            assert "malformed" in str(error)
        else:
            assert faults[0].what == "damage to the file"


class TestReconcile:
    def test_unknown_outcomes_that_were_charged_are_lost_at_what_they_cost(self, path):
        with Store(path) as store:
            attempt_id = lose(store, "a", tag="ta")
            lose(store, "b", tag="tb")
            assert sums(store) == (200, 120, 2)
        listed = write(path.with_name("server.jsonl"), [charge("ta", 3, 4, time=100.0)])
        found = reconcile_store(path, listed)
        assert (found.rows, found.tokens, found.lost, found.freed, found.unknown) == (1, 7, 1, 0, 1)
        assert (found.usd_before, found.usd_after) == (2e-7, pytest.approx(111e-9))
        assert states(path) == ["lost", "unknown"]
        with Store(path) as store:
            assert sums(store) == (111, 67, 2)
            spend = store.spend("r1")
            assert (spend.paid_usd, spend.failed_usd, spend.unknown) == (
                pytest.approx(111e-9),
                pytest.approx(11e-9),
                1,
            )
            with store.read() as connection:
                query = "SELECT worst_nano, paid_nano FROM attempts WHERE state = 'lost'"
                assert [tuple(row) for row in connection.execute(query)] == [(100, 11)]
            assert isinstance(reserve(store, "a", asks_again=False), Reserved), (
                "lost is free to be asked again"
            )
            settle(store, attempt_id)
            assert sums(store) == (50 + 100 + 100, 30 + 60 + 60, 3), "an answer that comes after all"
        assert verify_store(path).faults == ()

    def test_what_a_list_lacks_cost_nothing_only_where_it_is_complete(self, path):
        with Store(path) as store:
            keep(store, "a", tag="ta")
            lose(store, "b", tag="tb")
            lose(store, "untagged")
            lose(store, "c", tag="tc", endpoint="http://other/v1")
            store.open_batch("b1", place=PLACE, teacher="t", endpoint="http://x/v1").result(10)
            tagged = dataclasses.replace(request("d"), tag="td")
            store.reserve(tagged, WORST, place=PLACE, price=PRICE, batch="b1").result(10)
            before = sums(store)
        listed = write(path.with_name("list.jsonl"), [charge("ta")])
        found = reconcile_store(path, listed)
        assert (found.agreed, found.freed, found.unknown) == (1, 0, 3)
        found = reconcile_store(path, listed, is_complete=True, until=LATER)
        assert (found.freed, found.unknown, found.differing) == (1, 2, 0)
        assert states(path) == ["kept", "failed", "unknown", "unknown", "open"], (
            "nothing is said of other endpoints, of what has no tag, and of what is under way"
        )
        with Store(path) as store:
            assert sums(store) == (before[0] - 100, before[1] - 60, 5)
            with store.read() as connection:
                row = connection.execute(
                    "SELECT failure, paid_nano, tokens FROM attempts WHERE id = 2"
                ).fetchone()
            assert json.loads(row["failure"])["kind"] == "timeout"
            assert (row["paid_nano"], row["tokens"]) == (0, 0)
            assert isinstance(reserve(store, "b", asks_again=False), Reserved)
        found = reconcile_store(path, listed, is_complete=True, until=LATER, endpoint="http://other/v1")
        assert found.freed == 1
        assert verify_store(path).faults == ()

    def test_a_list_may_be_complete_from_some_time_on(self, path):
        with Store(path) as store:
            keep(store, "a", tag="ta")
            lose(store, "b", tag="tb")
        listed = write(path.with_name("list.jsonl"), [charge("ta")])
        alter(path, "UPDATE attempts SET started_at = 1000")
        assert reconcile_store(path, listed, is_complete=True, until=LATER, since=1000.5).freed == 0
        assert reconcile_store(path, listed, is_complete=True, until=LATER, since=1000).freed == 1

    def test_killed_calls_without_a_failure_are_settled_too(self, path):
        with Store(path) as store:
            keep(store, "z", tag="tz")
            for name in ("a", "b"):
                ask(store, name, tag=f"t{name}")
        found = reconcile_store(
            path,
            write(path.with_name("l.jsonl"), [charge("tz"), charge("ta")]),
            is_complete=True,
            until=LATER,
        )
        assert (found.lost, found.freed) == (1, 1)
        assert states(path) == ["kept", "lost", "failed"]
        with Store(path) as store:
            assert isinstance(reserve(store, "b"), Reserved)

    def test_settled_calls_are_compared_and_left_alone(self, path):
        with Store(path) as store:
            keep(store, "a", tag="ta")
            keep(store, "b", tag="tb")
            settle(store, ask(store, "c", tag="tc"), failed())
            keep(store, "d", tag="td")
            before = sums(store)
        rows = [charge("ta"), charge("tb", 10, 25), charge("tc", 1, 1)]
        found = reconcile_store(path, write(path.with_name("l.jsonl"), rows), is_complete=True, until=LATER)
        assert (found.agreed, found.charged, found.differing) == (1, 1, 2)
        assert [
            (one.tag, one.state, one.tokens, one.listed_tokens, one.usd, one.listed_usd)
            for one in found.differences
        ] == [
            ("tb", "kept", 30, 35, 5e-8, 6e-8),
            ("td", "kept", 30, 0, 5e-8, 0.0),
        ]
        assert states(path) == ["kept", "kept", "failed", "kept"]
        with Store(path) as store:
            assert sums(store) == (before[0] + 3, before[1] + 2, before[2]), "a failure that was charged"
        assert verify_store(path).faults == ()

    def test_a_list_is_complete_up_to_its_last_time(self, path):
        with Store(path) as store:
            keep(store, "a", tag="ta")
            lose(store, "b", tag="tb")
            lose(store, "c", tag="tc")
        for i, started_at in enumerate((1000, 1001, 1100), start=1):
            alter(path, f"UPDATE attempts SET started_at = {started_at} WHERE id = {i}")
        listed = write(path.with_name("list.jsonl"), [charge("ta", time=1050)])
        found = reconcile_store(path, listed, is_complete=True)
        assert (found.until, found.freed, found.unknown) == (1050.0, 1, 1)
        assert states(path) == ["kept", "failed", "unknown"]
        found = reconcile_store(path, listed, is_complete=True, until=1100)
        assert (found.until, found.freed, found.unknown) == (1100, 1, 0)
        assert reconcile_store(path, listed).until is None

    def test_a_list_without_times_does_not_say_up_to_when_it_is_complete(self, path):
        with Store(path) as store:
            lose(store, "a", tag="ta")
            lose(store, "b", tag="tb")
        listed = write(path.with_name("list.jsonl"), [charge("ta")])
        with pytest.raises(DataError, match=r"has no times, .* say when it was fetched: --until"):
            reconcile_store(path, listed, is_complete=True)
        assert states(path) == ["unknown", "unknown"], "nothing is changed before"

    def test_a_failure_thought_free_that_was_charged_costs_what_the_list_says(self, path):
        with Store(path) as store:
            settle(store, ask(store, "a", tag="ta"), failed("server", is_retryable=True))
            lose(store, "b", tag="tb")
            keep(store, "z", tag="tz")
        free = write(path.with_name("l.jsonl"), [charge("tz")])
        assert reconcile_store(path, free, is_complete=True, until=LATER).freed == 1
        listed = write(path.with_name("m.jsonl"), [charge("tz"), charge("ta", 3, 4), charge("tb", 1, 1)])
        found = reconcile_store(path, listed)
        assert (found.charged, found.agreed, found.differing) == (2, 1, 0)
        again = reconcile_store(path, listed)
        assert (again.charged, again.agreed, again.differing) == (0, 3, 0)
        assert states(path) == ["failed", "failed", "kept"]
        with Store(path) as store:
            assert sums(store) == (50 + 11 + 3, 30 + 7 + 2, 3)
            with store.read() as connection:
                failures = connection.execute(
                    "SELECT failure FROM attempts WHERE state = 'failed'"
                ).fetchall()
        assert [json.loads(row["failure"])["is_paid"] for row in failures] == [True, True]
        assert verify_store(path).faults == ()

    @pytest.mark.parametrize("kinds", ["uuu", "uee", "eue", "eee", "uke", "fke", "fff"])
    def test_samples_of_one_call_bear_its_charge_together(self, path, kinds):
        guess = Usage(prompt_tokens=5, completion_tokens=2, is_estimated=True)
        known = Usage(prompt_tokens=0, completion_tokens=6)
        with Store(path) as store:
            for i, kind in enumerate(kinds):
                more = {"tag": f"call.{i}" if i else "call"}
                match kind:
                    case "u":
                        lose(store, f"s{i}", **more)
                    case "e":
                        keep(store, f"s{i}", guess, **more)
                    case "k":
                        keep(store, f"s{i}", known, **more)
                    case "f":
                        settle(store, ask(store, f"s{i}", **more), failed())
        listed = write(path.with_name("l.jsonl"), [charge("call", 10, 15)])
        found = reconcile_store(path, listed)
        assert (found.unknown, found.differing) == (0, 0)
        settled = found.lost + found.freed + found.counted + found.charged
        assert settled == (len(kinds) - kinds.count("k") - kinds.count("f") or 1)
        with Store(path) as store:
            assert sums(store) == (40, 25, 3)
        again = reconcile_store(path, listed)
        assert (again.agreed, again.lost, again.freed, again.counted, again.charged) == (1, 0, 0, 0, 0)
        assert verify_store(path).faults == ()

    def test_samples_that_were_charged_one_by_one_bear_their_own(self, path):
        with Store(path) as store:
            for i in range(3):
                lose(store, f"s{i}", tag=f"call.{i}" if i else "call")
            keep(store, "x", tag="alone")
            lose(store, "y", tag="alone.1")
        rows = [charge("call", 1, 1), charge("call.2", 2, 2), charge("alone")]
        found = reconcile_store(path, write(path.with_name("l.jsonl"), rows))
        assert (found.lost, found.freed, found.unknown) == (2, 0, 2), (
            "nothing says that they were not charged"
        )
        assert states(path) == ["lost", "unknown", "lost", "kept", "unknown"]
        rows = [*rows, charge("alone.1", 4, 4)]
        assert reconcile_store(path, write(path.with_name("m.jsonl"), rows)).lost == 1
        with Store(path) as store:
            assert sums(store) == (3 + 6 + 100 + 50 + 12, 2 + 4 + 60 + 30 + 8, 5)

    def test_payments_the_store_knows_nothing_of_are_said(self, path):
        with Store(path) as store:
            keep(store, "a", tag="ta")
        rows = [charge("ta"), charge("stranger", 5, 5), {"prompt_tokens": 7, "completion_tokens": 0}]
        found = reconcile_store(path, write(path.with_name("l.jsonl"), rows))
        assert (found.strange, found.untagged, found.strange_tokens, found.agreed) == (1, 1, 17, 1)
        assert reconcile_store(path, write(path.with_name("e.jsonl"), [])).rows == 0

    def test_a_call_charged_twice_costs_both(self, path):
        with Store(path) as store:
            lose(store, "a", tag="ta")
        found = reconcile_store(path, write(path.with_name("l.jsonl"), [charge("ta"), charge("ta")]))
        assert (found.lost, found.doubled, found.rows) == (1, 1, 2)
        with Store(path) as store:
            assert sums(store) == (100, 60, 1)

    def test_calls_under_way_are_left_alone(self, path):
        with Store(path) as store:
            ask(store, "a", tag="ta")
            found = reconcile_store(
                path, write(path.with_name("l.jsonl"), [charge("ta")]), is_complete=True, until=LATER
            )
            assert (found.under_way, found.lost, found.unknown) == (1, 0, 0)
            assert states(path) == ["open"]

    def test_samples_of_one_call_are_held_against_one_charge(self, path):
        halves = (Usage(prompt_tokens=10, completion_tokens=7), Usage(prompt_tokens=0, completion_tokens=8))
        with Store(path) as store:
            for i, usage in enumerate(halves):
                keep(store, f"s{i}", usage, tag=f"call.{i}" if i else "call")
            lose(store, "x", tag="gone")
            lose(store, "y", tag="gone.1")
        listed = write(path.with_name("l.jsonl"), [charge("call", 10, 15), charge("gone", 10, 15)])
        found = reconcile_store(path, listed, is_complete=True, until=LATER)
        assert (found.agreed, found.differing, found.lost, found.freed) == (1, 0, 1, 1)
        with Store(path) as store:
            assert sums(store)[1] == 25 + 25, "as the list has it"
        wrong = write(path.with_name("w.jsonl"), [charge("call", 10, 16)])
        assert reconcile_store(path, wrong).differing == 1

    def test_what_the_list_does_not_say_of_the_cache_is_no_difference(self, path):
        with Store(path) as store:
            keep(store, "a", Usage(prompt_tokens=10, cached_tokens=4, completion_tokens=2), tag="ta")
        assert reconcile_store(path, write(path.with_name("l.jsonl"), [charge("ta", 10, 2)])).agreed == 1
        rows = [charge("ta", 10, 2, cached_tokens=5)]
        assert reconcile_store(path, write(path.with_name("m.jsonl"), rows)).differing == 1

    def test_unknown_price_stays_unknown(self, path):
        with Store(path) as store:
            lose(store, "a", tag="ta", price=None, worst=Cost(nano=None, tokens=60))
        found = reconcile_store(path, write(path.with_name("l.jsonl"), [charge("ta", 3, 4)]))
        assert (found.lost, found.usd_before, found.usd_after) == (1, None, None)
        with Store(path) as store:
            assert sums(store) == (0, 7, 1)
            assert store.spend("r1").failed_usd is None

    def test_reconciling_twice_changes_nothing_more(self, path):
        with Store(path) as store:
            for i in range(1200):
                store.reserve(
                    dataclasses.replace(request(str(i)), tag=f"t{i}"), WORST, place=PLACE, price=PRICE
                )
        rows = [charge(f"t{i}", i % 7, 3) for i in range(0, 1200, 2)]
        listed = write(path.with_name("l.jsonl"), rows)
        first = reconcile_store(path, listed, is_complete=True, until=LATER)
        assert (first.lost, first.freed, first.unknown) == (600, 600, 0)
        with Store(path) as store:
            exact = sum(row["prompt_tokens"] + 2 * row["completion_tokens"] for row in rows)
            assert sums(store) == (exact, first.tokens, 1200)
        second = reconcile_store(path, listed, is_complete=True, until=LATER)
        assert (second.lost, second.freed, second.agreed, second.differing) == (0, 0, 600, 0)
        assert second.usd_before == second.usd_after == first.usd_after
        assert verify_store(path).faults == ()


class TestCharges:
    @pytest.mark.parametrize(
        ("row", "tag", "usage"),
        [
            ({"client_request_id": "x", "input_tokens": 3, "output_tokens": 4}, "x", (3, 0, 4)),
            ({"custom_id": "x", "response": {"body": {"usage": charge("")}}}, "x", (10, 0, 20)),
            ({"metadata": {"tag": "x"}, "usage": {"prompt_tokens": 1}}, "x", (1, 0, 0)),
            ({"metadata.tag": "x", "prompt_tokens": "5", "completion_tokens": "6"}, "x", (5, 0, 6)),
            (charge("x", 9, 1, prompt_tokens_details={"cached_tokens": 8}), "x", (9, 8, 1)),
            (charge("x", 9, 1, input_cached_tokens=2), "x", (9, 2, 1)),
            (
                {
                    "tag": "x",
                    "input_tokens": 5,
                    "cache_read_input_tokens": 100,
                    "cache_creation_input_tokens": 10,
                    "output_tokens": 1,
                },
                "x",
                (115, 100, 1),
            ),
            ({"output_tokens": 4}, "", (0, 0, 4)),
        ],
    )
    def test_forms(self, tmp_path, row, tag, usage):
        [found] = read_charges(write(tmp_path / "l.jsonl", [row]))
        counts = found.usage
        assert (found.tag, (counts.prompt_tokens, counts.cached_tokens, counts.completion_tokens)) == (
            tag,
            usage,
        )

    def test_csv_and_times(self, tmp_path):
        file = tmp_path / "usage.csv"
        file.write_text("tag,prompt_tokens,completion_tokens,time\nx,1,2,2026-01-02T03:04:05Z\ny,3,4,soon\n")
        assert list(read_charges(file)) == [
            Charge(tag="x", usage=Usage(prompt_tokens=1, completion_tokens=2), time=1767323045.0),
            Charge(tag="y", usage=Usage(prompt_tokens=3, completion_tokens=4)),
        ]

    @pytest.mark.parametrize(
        ("time", "seconds"),
        [
            (1732000000, 1732000000.0),
            (1732000000000, 1732000000.0),
            ("1732000000000", 1732000000.0),
            (1732000000000000, 1732000000.0),
            ("2026-01-02T03:04:05-05:00", 1767341045.0),
        ],
    )
    def test_units_and_zones_of_times(self, tmp_path, time, seconds):
        [found] = read_charges(write(tmp_path / "l.jsonl", [charge("x", time=time)]))
        assert found.time == seconds

    def test_lines_that_tell_of_an_error_are_no_charge(self, tmp_path):
        usage = {"prompt_tokens": 1, "completion_tokens": 2}
        rows = [
            {"custom_id": "a", "response": {"status_code": 200, "body": {"usage": usage}}, "error": None},
            {"custom_id": "b", "response": {"status_code": 500, "body": {"error": {}}}},
            {"custom_id": "c", "response": None, "error": {"code": "batch_expired"}},
            {"custom_id": "d", "response": {"status_code": 200, "body": {"error": {"message": "no"}}}},
            {"custom_id": "e", "result": {"type": "errored", "error": {}}},
            {"custom_id": "f", "result": {"type": "succeeded", "message": {"usage": {"input_tokens": 3}}}},
            {"tag": "g", "usage": None},
            {"custom_id": "h", "response": {"status_code": 400, "body": {"usage": usage}}},
        ]
        found = list(read_charges(write(tmp_path / "l.jsonl", rows)))
        assert [(one.tag, one.usage.prompt_tokens) for one in found] == [("a", 1), ("f", 3), ("h", 1)]

    @pytest.mark.parametrize(
        ("row", "said"),
        [
            ({"tag": "x", "amount": 3}, r"row 1 says no tokens; expected prompt_tokens or input_tokens and"),
            (charge("x", -1), r"row 1: -1 is no count of tokens; expected a whole number"),
            (charge("x", "many"), r"row 1: 'many' is no count of tokens"),
            (charge("x", 1.5), r"row 1: 1\.5 is no count of tokens"),
            (charge("x", 2**63), r"row 1: 9223372036854775808 is no count .*, of one call, up to 1000000000"),
            (charge("x", time=1e30), r"row 1: 1e\+30 is no time; expected such as 2026-01-31T12:00:00Z"),
            (charge("x", time=-1), r"row 1: -1 is no time"),
            ({"custom_id": "x", "response": {"status_code": 200, "body": {}}}, "row 1 says no tokens"),
        ],
    )
    def test_rows_that_cannot_be_read(self, tmp_path, row, said):
        with pytest.raises(DataError, match=said):
            list(read_charges(write(tmp_path / "l.jsonl", [row])))


def content(path):
    """Everything in a store but the ids and owners."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        attempts = [
            dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY started_at, key")
        ]
        for row in attempts:
            del row["id"]
        others = (
            "SELECT key, sample, reply FROM replies ORDER BY key",
            "SELECT * FROM uses ORDER BY run, key",
            "SELECT * FROM sums ORDER BY scope",
        )
        return attempts, *([tuple(row) for row in connection.execute(query)] for query in others)


def fill(path, names="abc", run="r1"):
    with Store(path) as store:
        for name in names:
            keep(store, name, tag=f"t{name}{run}", place=Place(run=run, group="all"))
            assert isinstance(reserve(store, name, place=Place(run=f"{run} again")), Kept)
        settle(store, ask(store, f"failed{run}", place=Place(run=run)), failed(is_paid=True))
        lose(store, f"lost{run}", place=Place(run=run))


class TestTransfer:
    @pytest.mark.parametrize("form", ["jsonl", "parquet"])
    def test_out_and_in_again(self, path, form):
        fill(path)
        out = path.with_name(f"rows.{form}")
        assert export_store(path, out, form=form) == 5
        other = path.with_name("other.db")
        carried = import_rows(other, out)
        assert (carried.attempts, carried.replies, carried.known, carried.unknown) == (5, 3, 0, 0)
        assert content(other) == content(path)
        assert verify_store(other).faults == ()
        with Store(path) as one, Store(other) as two:
            assert one.spend("r1") == two.spend("r1")
            assert one.spend("r1 again") == two.spend("r1 again")
        again = import_rows(other, out)
        assert (again.attempts, again.replies, again.known) == (0, 0, 5)
        assert content(other) == content(path)

    def test_packed_lines(self, path):
        fill(path)
        export_store(path, out := path.with_name("rows.jsonl.gz"))
        assert import_rows(path.with_name("other.db"), out).attempts == 5

    def test_an_exported_line_can_be_read(self, path):
        fill(path, "a")
        export_store(path, out := path.with_name("rows.jsonl"))
        row = json.loads(out.read_text().splitlines()[0])
        assert row["request"]["messages"] == [{"role": "user", "content": "a"}]
        assert row["reply"]["text"] == "because"
        assert [use["run"] for use in row["uses"]] == ["r1", "r1 again"]
        assert row["price"] == {"prompt": 1_000_000, "completion": 2_000_000, "cached": None}

    def test_empty_store(self, path):
        Store(path).close()
        for form in ("jsonl", "parquet"):
            out = path.with_name(f"rows.{form}")
            assert export_store(path, out, form=form) == 0
            assert import_rows(path.with_name(f"{form}.db"), out).attempts == 0

    def test_open_calls_become_unknown_outcomes(self, path):
        with Store(path) as store:
            ask(store, "a", tag="ta")
            store.open_batch("b1", place=PLACE, teacher="t", endpoint="e").result(10)
            store.reserve(request("b"), WORST, place=PLACE, price=PRICE, batch="b1").result(10)
            export_store(path, out := path.with_name("rows.jsonl"))
        carried = import_rows(path.with_name("other.db"), out)
        assert (carried.attempts, carried.unknown) == (2, 2)
        assert states(path.with_name("other.db")) == ["unknown", "unknown"]
        assert verify_store(path.with_name("other.db")).faults == ()

    def test_rows_that_are_none(self, path):
        fill(path, "a")
        export_store(path, out := path.with_name("rows.jsonl"))
        row = json.loads(out.read_text().splitlines()[0])
        for change, said in [
            ({"key": "0" * 64}, "row 1 is no row of a store .*is not its request's"),
            ({"state": "bought"}, "IntegrityError: CHECK constraint failed"),
            ({"worst_nano": "much"}, "IntegrityError: cannot store TEXT value"),
            ({"worst_tokens": None}, "IntegrityError: NOT NULL constraint failed"),
            ({"request": None}, "TypeError"),
            ({"request": "[" * 100_000}, r"row 1 is no row of a store \(RecursionError"),
            ({"worst_nano": 2**70}, "OverflowError"),
        ]:
            bad = write(path.with_name("bad.jsonl"), [{**row, **change}])
            with pytest.raises(DataError, match=said):
                import_rows(path.with_name("other.db"), bad)
        assert states(path.with_name("other.db")) == []
        with pytest.raises(DataError, match="expected what 'tuition store export' writes"):
            import_rows(path.with_name("other.db"), write(path.with_name("bad.jsonl"), [{"question": "?"}]))

    def test_nothing_is_overwritten(self, path):
        fill(path, "a")
        out = path.with_name("rows.jsonl")
        out.write_text("mine")
        with pytest.raises(DataError, match="exists already; name a file that does not, or remove it"):
            export_store(path, out)
        with pytest.raises(DataError, match=r"should hold Parquet; end its name in \.parquet"):
            export_store(path, path.with_name("rows.json"), form="parquet")
        with pytest.raises(DataError, match="is of no known form"):
            export_store(path, path.with_name("rows.txt"))
        for name in ("rows.csv", "rows.CSV.gz"):
            with pytest.raises(DataError, match=r"a CSV cannot be imported again; end the name in \.jsonl"):
                export_store(path, path.with_name(name))
            assert not path.with_name(name).exists()
        assert out.read_text() == "mine"

    @settings(max_examples=10, deadline=None)
    @given(text=st.text(max_size=20).filter(lambda text: "\x00" not in text), tag=st.text("ab.1", max_size=4))
    def test_any_text_comes_back(self, tmp_path_factory, text, tag):
        folder = tmp_path_factory.mktemp("t")
        text = text.encode("utf-8", "replace").decode()
        with Store(folder / "a.db") as store:
            attempt_id = ask(store, text, tag=tag)
            settle(store, attempt_id, dataclasses.replace(REPLY, text=text, raw=text))
        for form in ("jsonl", "parquet"):
            export_store(folder / "a.db", folder / f"r.{form}", form=form)
            import_rows(folder / f"{form}.db", folder / f"r.{form}")
            assert content(folder / f"{form}.db") == content(folder / "a.db")


HOLDER = """
    import sys, time
    from pathlib import Path
    from tuition.core.budget import Cost
    from tuition.core.records import Message, Request
    from tuition.core.store import Place, Store

    store = Store(Path(sys.argv[1]))
    request = Request(endpoint="e", model="m", messages=(Message(role="user", content="held"),))
    store.reserve(request, Cost(nano=100, tokens=60), place=Place(run="r1")).result(20)
    print("held", flush=True)
    time.sleep(60)
"""


class TestMerge:
    @pytest.mark.parametrize("is_new", [True, False])
    def test_two_stores_become_one(self, path, is_new):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        fill(left, "abc", "r1")
        fill(right, "cde", "r2")
        before = (content(left), content(right))
        merge_stores(left, right, out=path if is_new else None)
        merged = path if is_new else left
        attempts, replies, uses, _ = content(merged)
        assert len(attempts) == 10
        assert len(replies) == 5, "an answer both have is one answer"
        assert len(uses) == 12
        assert verify_store(merged).faults == ()
        assert verify_store(merged).bought_twice == 1
        assert content(right) == before[1]
        if is_new:
            assert content(left) == before[0]
        with Store(merged) as store:
            assert sums(store, "all") == (6 * 50, 6 * 30, 6)
            assert store.spend("r1").calls == store.spend("r2").calls == 5

    def test_equal_rows_are_not_doubled(self, path):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        fill(left)
        export_store(left, rows := path.with_name("r.jsonl"))
        import_rows(right, rows)
        carried = merge_stores(left, right)
        assert (carried.attempts, carried.known) == (0, 5)
        carried = merge_stores(left, right, out=path)
        assert (carried.attempts, carried.known) == (5, 5)
        assert content(path) == content(left)

    def test_a_newer_outcome_is_taken_over_whichever_way(self, path):
        names = ("late", "lost", "free", "charged", "counted")
        guess = Usage(prompt_tokens=9, completion_tokens=9, is_estimated=True)
        with Store(path) as store:
            ids = {name: lose(store, name, tag=f"t{name}") for name in names[:-1]}
            keep(store, "counted", guess, tag="tcounted")
        export_store(path, rows := path.with_name("r.jsonl"))
        other = path.with_name("other.db")
        import_rows(other, rows)
        with Store(path) as store:
            settle(store, ids["late"])
            settle(store, ids["free"], failed())
            settle(store, ids["charged"], dataclasses.replace(REPLY, failure=failed(is_paid=True).failure))
        reconcile_store(
            path, write(path.with_name("l.jsonl"), [charge("tlost", 1, 1), charge("tcounted", 2, 2)])
        )
        assert states(path) == ["kept", "lost", "failed", "failed", "kept"]
        newest = content(path)
        carried = merge_stores(other, path)
        assert (carried.attempts, carried.known, carried.updated, carried.replies) == (0, 5, 5, 1)
        assert content(other) == newest
        assert verify_store(other).faults == ()
        with Store(other) as store:
            assert isinstance(reserve(store, "late", asks_again=False), Kept), (
                "what was paid is not paid again"
            )
        # What is older changes nothing.
        assert import_rows(path, rows).updated == 0
        assert content(path) == newest

    def test_uses_of_known_rows_come_along(self, path):
        fill(path, "a")
        export_store(path, rows := path.with_name("r.jsonl"))
        import_rows(other := path.with_name("other.db"), rows)
        with Store(path) as store:
            assert isinstance(reserve(store, "a", place=Place(run="r9")), Kept)
        merge_stores(other, path)
        with Store(other) as store:
            assert (store.spend("r9").reused_calls, store.spend("r9").usd) == (1, 5e-8)

    def test_what_is_under_way_here_is_left_to_its_owner(self, path):
        other = path.with_name("other.db")
        with Store(path) as store:
            attempt_id = ask(store, "a", tag="ta")
            export_store(path, rows := path.with_name("r.jsonl"))
            import_rows(other, rows)
            with Store(other) as late:
                settle(late, 1)
            carried = merge_stores(path, other)
            assert (carried.known, carried.updated, carried.replies) == (1, 0, 0)
            assert states(path) == ["open"]
            settle(store, attempt_id)
        assert verify_store(path).faults == ()

    def test_merging_that_is_broken_off_leaves_no_file(self, path):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        fill(left)
        fill(right, "d", "r2")
        alter(right, "UPDATE attempts SET request = '{' WHERE id = 1")
        with pytest.raises(DataError, match="row 1 is no row of a store"):
            merge_stores(left, right, out=path)
        assert sorted(item.name for item in path.parent.iterdir()) == ["a.db", "b.db"]

    def test_calls_under_way_are_refused(self, path):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        fill(left)
        process = run_script(HOLDER, right)
        try:
            assert process.stdout.readline() == "held\n"
            with pytest.raises(
                StoreError, match=r"1 calls are under way in '.*b\.db', of '.*'; let that run end"
            ):
                merge_stores(left, right)
            with pytest.raises(StoreError, match="1 calls are under way"):
                merge_stores(left, right, out=path)
            assert not path.exists()
            merge_stores(right, left)
            assert states(right).count("open") == 1, "what takes rows in may be in use"
        finally:
            process.kill()
            process.communicate(timeout=20)
        merge_stores(left, right)
        assert states(left).count("unknown") == 2

    def test_batches_under_way_are_refused_and_those_over_come_along(self, path):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        fill(left)
        with Store(right) as store:
            store.open_batch("b1", place=PLACE, teacher="t", endpoint="e").result(10)
        with pytest.raises(StoreError, match=r"batch 'b1' is under way in '.*b\.db'; let it end first"):
            merge_stores(left, right)
        with Store(right) as store:
            store.end_batch("b1").result(10)
        merge_stores(left, right)
        with Store(left) as store:
            assert [batch.name for batch in store.batches()] == ["b1"]

    def test_what_is_there_is_not_overwritten(self, path):
        left, right = path.with_name("a.db"), path.with_name("b.db")
        for one in (left, right, path):
            Store(one).close()
        with pytest.raises(DataError, match="exists already; name a file that does not"):
            merge_stores(left, right, out=path)
        with pytest.raises(DataError, match="is both of the two stores"):
            merge_stores(left, Path(f"{left.parent}/../{left.parent.name}/a.db"))
        with pytest.raises(DataError, match="there is no store"):
            merge_stores(left, path.with_name("c.db"))


class TestCompact:
    def test_bodies_go_and_rows_stay(self, path):
        body = dataclasses.replace(REPLY, raw="x" * 20_000, headers='{"a": "b"}')
        with Store(path) as store:
            for i in range(30):
                settle(store, ask(store, str(i)), body)
            attempt_id = ask(store, "unknown")
            settle(store, attempt_id, dataclasses.replace(failed("timeout", is_paid=None), raw="half a body"))
            before = store.kept([request(str(i)).key for i in range(30)])
        plain = compact_store(path)
        assert plain.emptied == 0
        found = compact_store(path, drop_raw=True)
        assert found.emptied == 30
        assert found.bytes_after < found.bytes_before / 4
        assert path.stat().st_size == found.bytes_after
        with Store(path) as store:
            assert store.kept([request(str(i)).key for i in range(30)]) == before
            with store.read() as connection:
                left = connection.execute("SELECT raw FROM attempts WHERE raw != ''").fetchall()
        assert [row["raw"] for row in left] == ["half a body"], "what is not settled may need its body"
        assert len(states(path)) == 31
        assert verify_store(path).faults == ()
        assert compact_store(path, drop_raw=True).emptied == 0

    def test_a_reader_is_no_hindrance(self, path, monkeypatch):
        fill(path)
        monkeypatch.setattr(writer, "_LOCK_S", 0.1)
        with Store(path) as store, store.read() as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT COUNT(*) FROM attempts").fetchone()
            compact_store(path)
        assert verify_store(path).faults == ()

    def test_there_must_be_one(self, path):
        with pytest.raises(DataError, match="there is no store"):
            compact_store(path)


def test_a_run_bought_in_the_merged_store_pays_nothing_again(path):
    left, right = path.with_name("a.db"), path.with_name("b.db")
    fill(left, "ab", "r1")
    fill(right, "cd", "r2")
    merge_stores(left, right, out=path)
    with Store(path) as store:
        assert all(isinstance(reserve(store, name, place=Place(run="r3")), Kept) for name in "abcd")
        spend = store.spend("r3")
        assert (spend.calls, spend.reused_calls, spend.paid_usd) == (0, 4, 0.0)
        buy(store, "new", place=Place(run="r3"))
