"""Asking in batches, of the playground's real server: the protocol of safety, and every fault it can meet."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "playground"))

import batch_world
from batch_world import FAST, PLACE, PRICE, STAGES, questions, run, teacher
from served import running

from tuition.annotation import Account, ask
from tuition.annotation.ask.failures import ADVICE
from tuition.annotation.batches import caller, drop_batch, import_batch, lines, write_batch
from tuition.core.budget import Budget, Cost, worst_cost
from tuition.core.errors import DataError, TeacherError
from tuition.core.records import Failure, Reply, Usage
from tuition.core.store import Place, Store
from tuition.playground.serving import FAULTS, Faults, app
from tuition.upkeep import export_store, import_rows, reconcile_store, verify_store

N = 10


class World:
    """A server, its list of payments, and what a store holds of it."""

    def __init__(self, url, folder):
        self.url, self.path, self.listed = url, folder / "tuition.db", folder / "server.jsonl"

    @property
    def payments(self):
        return [json.loads(line) for line in self.listed.read_text().splitlines()]

    @property
    def attempts(self):
        with Store(self.path) as store, store.read() as connection:
            return [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY id")]

    @property
    def states(self):
        return Counter(row["state"] for row in self.attempts)

    @property
    def batches(self):
        with Store(self.path) as store:
            return [(batch.state, batch.remote) for batch in store.batches()]

    def check_money(self):
        """Every payment is one attempt's, and the ledger is never below the server's list."""
        tags = [row["tag"] for row in self.payments]
        attempts = {row["tag"]: row for row in self.attempts}
        assert len(set(tags)) == len(tags)
        assert set(tags) <= set(attempts)
        charged = sum(
            row["worst_nano"] if row["state"] in ("open", "unknown") else row["paid_nano"]
            for row in attempts.values()
        )
        usages = [
            Usage(prompt_tokens=row["prompt_tokens"], completion_tokens=row["completion_tokens"])
            for row in self.payments
        ]
        assert charged >= sum(Cost.of(usage, PRICE).nano for usage in usages)
        assert verify_store(self.path).faults == ()


@contextmanager
def serving(folder, **faults):
    folder.mkdir(exist_ok=True)
    (folder / "server.jsonl").touch()
    with running(app(Faults(**faults), folder / "server.jsonl")) as client:
        yield World(f"{str(client.base_url).rstrip('/')}/v1", folder)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world(tmp_path):
    with serving(tmp_path) as found:
        yield found


def kinds(asked):
    return Counter(reply.failure.kind if reply.failure else "kept" for reply in asked.replies)


def test_one_batch_brings_everything_in_order_at_its_price(world):
    told = []
    with Store(world.path) as store:
        asked = run(store, teacher(world.url), N, progress=lambda *step: told.append(step))
        spend = store.spend("r1")
    assert kinds(asked) == {"kept": N}
    assert len({reply.text for reply in asked.replies}) == N
    assert "March 14" in asked.replies[3].text
    assert world.batches == [("over", "batch_0")]
    assert told[0] == ("solve", 0, N)
    assert told[-1] == ("solve", N, N)
    assert [row["tag"] for row in world.payments] == [row["tag"] for row in world.attempts]
    paid = sum(Cost.of(Usage.from_json(row), PRICE).nano for row in world.payments)
    assert spend.paid_usd == pytest.approx(paid / 1e9)
    assert verify_store(world.path).faults == ()


def test_what_is_kept_comes_free_and_equal_requests_are_bought_once(world):
    asked = teacher(world.url)
    with Store(world.path) as store:
        first = run(store, asked, 3)
        again = run(store, asked, [*questions(asked, 5), *questions(asked, 2)])
        run(store, asked, 5)
    assert [reply.text for reply in again.replies[:3]] == [reply.text for reply in first.replies]
    assert again.replies[5].text == first.replies[0].text
    assert len(world.payments) == 5
    assert len(world.batches) == 2, "nothing to buy, no batch"


def test_nothing_to_ask(world):
    with Store(world.path) as store:
        assert run(store, teacher(world.url), 0).replies == ()
    assert world.batches == []


def test_several_batches_where_one_may_not_hold_it_all(world, monkeypatch):
    monkeypatch.setattr(caller, "_MOST_CALLS", 4)
    with Store(world.path) as store:
        assert kinds(run(store, teacher(world.url), N)) == {"kept": N}
    assert sorted(remote for _, remote in world.batches) == ["batch_0", "batch_1", "batch_2"]
    monkeypatch.setattr(lines, "_MOST_BYTES", 1200)
    with Store(world.path) as store:
        assert kinds(run(store, teacher(world.url), 14)) == {"kept": 14}
    assert len(world.batches) == 3 + 2, "a line counts for some 500 bytes"
    world.check_money()


def test_a_budget_buys_the_first_part_and_what_it_frees_the_next(world):
    asked = teacher(world.url)
    worst = worst_cost(questions(asked, 1)[0], PRICE)
    with Store(world.path) as store:
        limit = Budget(usd=3.5 * worst.nano / 1e9)
        first = run(store, asked, 30, budget=limit)
        spent = store.spend("r1").paid_usd
        more = run(store, asked, 30, budget=limit)
    found = [reply.failure is None for reply in first.replies]
    n = sum(found)
    assert found == [True] * n + [False] * (30 - n), "the first part, not any"
    assert 3 < n < 30
    assert first.refused is not None
    assert "limit of" in first.replies[-1].failure.message
    assert limit.usd - worst.nano / 1e9 < spent <= limit.usd
    assert [reply.failure is None for reply in more.replies] == found
    assert len(world.payments) == n
    world.check_money()


def test_a_limit_of_calls(world):
    with Store(world.path) as store:
        asked = run(store, teacher(world.url), N, budget=Budget(calls=4))
    assert kinds(asked) == {"kept": 4, "unpaid": N - 4}
    assert len(world.payments) == 4


def test_cut_off_replies_are_asked_for_longer(world):
    asked = teacher(world.url)
    with Store(world.path) as store:
        requests = questions(asked, 3, parameters={"max_tokens": 4})
        found = run(store, asked, requests, config=FAST.model_copy(update={"longer": 25.0}))
    assert [reply.finish for reply in found.replies] == ["stop"] * 3
    assert set(found.keys).isdisjoint(request.key for request in requests)
    assert len(world.batches) == 2
    world.check_money()


# Deaths.


def child(world, stage="", *, nth=0, n=N):
    words = [batch_world.__file__, world.url, world.path, stage, nth, n]
    return subprocess.Popen([sys.executable, *map(str, words)])


OFTEN = ("reserved", "handed over", "noted", "half settled")
"""Stages that the default suite looks at; the others are between them."""
DEATHS = [pytest.param(stage, marks=() if stage in OFTEN else pytest.mark.slow) for stage in STAGES]


@pytest.mark.parametrize("stage", DEATHS)
def test_a_process_killed_at_any_stage_buys_nothing_twice(world, stage):
    process = child(world, stage)
    assert process.wait() == -signal.SIGKILL
    with Store(world.path) as store:
        asked = run(store, teacher(world.url), N)
        spend = store.spend("r1")
    assert kinds(asked) == {"kept": N}
    assert len(world.payments) == N, "each once"
    assert world.states == {"kept": N} | ({"failed": n} if (n := len(world.attempts) - N) else {})
    assert all(state == "over" for state, _ in world.batches) or stage == "opened"
    assert spend.unknown == 0
    world.check_money()


@pytest.mark.parametrize("stage", ["handed over", "noted", "half settled"])
def test_what_a_dead_process_of_another_run_holds_is_fetched_and_not_bought(world, stage):
    child(world, stage).wait()
    with Store(world.path) as store:
        asked = run(store, teacher(world.url), N, place=Place(run="r2"))
        spend = store.spend("r2")
    assert kinds(asked) == {"kept": N}
    assert len(world.payments) == N
    assert (spend.calls, spend.paid_usd) == (0, 0)
    world.check_money()


def test_two_processes_want_the_same(tmp_path):
    with serving(tmp_path, batch={"batch_s": 0.5}) as world:
        other = child(world)
        with Store(world.path) as store:
            asked = run(store, teacher(world.url), N, place=Place(run="r2"))
        assert other.wait() == 0
        assert kinds(asked) == {"kept": N}
        assert len(world.payments) == N
        world.check_money()


def test_an_asking_broken_off_in_this_process_is_gone_on_with(tmp_path):
    async def give_up(store, asked):
        account = Account(store=store, place=PLACE)
        async with asyncio.timeout(0.3):
            await ask(questions(asked, N), asked, account=account, config=FAST)

    with serving(tmp_path, batch={"batch_s": 1.0}) as world, Store(world.path) as store:
        asked = teacher(world.url)
        with pytest.raises(TimeoutError):
            asyncio.run(give_up(store, asked))
        assert kinds(run(store, asked, N)) == {"kept": N}
        assert len(world.payments) == N
        assert set() == caller._CARRIED


def test_several_askings_of_one_run_at_once(tmp_path):
    async def both(store, asked):
        account = Account(store=store, place=PLACE)
        requests = questions(asked, N)
        parts = (requests[:6], requests[4:], requests)
        return await asyncio.gather(*(ask(part, asked, account=account, config=FAST) for part in parts))

    with serving(tmp_path, batch={"batch_s": 0.2}) as world, Store(world.path) as store:
        found = asyncio.run(both(store, teacher(world.url)))
        assert [kinds(asked) for asked in found] == [{"kept": 6}, {"kept": 6}, {"kept": N}]
        assert len(world.payments) == N
        world.check_money()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_again_and_again_among_faults_until_it_is_done(tmp_path, fuzz_seed):
    draw = random.Random(fuzz_seed)
    faults = {"lost_answer": 0.3, "poll_error": 0.2, "expired": 0.3, "missing": 0.02, "batch_s": 0.05}
    with serving(tmp_path, batch=faults, server_error=0.05) as world:
        deaths = 0
        for turn in range(12):
            stage = draw.choice(list(STAGES))
            most = 10 if "half" in stage else 2
            process = child(world, stage, nth=draw.randint(1, most), n=10 * (turn + 1))
            deaths += process.wait() == -signal.SIGKILL
            world.check_money()
        with Store(world.path) as store:
            asked = run(store, teacher(world.url), 120, config=FAST.model_copy(update={"max_attempts": 20}))
        assert deaths > 5
        assert kinds(asked) == {"kept": 120}
        kept = Counter(row["key"] for row in world.attempts if row["state"] == "kept")
        assert set(kept.values()) == {1}
        lost = len(world.payments) - 120
        assert world.states["unknown"] == lost, "each payment beyond the kept ones is a line the server lost"
        world.check_money()
        found = reconcile_store(world.path, world.listed, is_complete=True, until=time.time())
        assert (found.unknown, found.strange, found.doubled) == (0, 0, 0)


# Faults of batches.


@pytest.mark.parametrize(
    ("fault", "ends", "paid", "said"),
    [
        # The first line of each of three batches is refused, and the others with it.
        ("invalid", {"bad_request": 3, "server": N - 3}, 0, "the batch was refused: this line"),
        ("too_large", {"rate_limit": N}, 0, "the batch was refused: Enqueued token limit"),
        ("missing", {"unknown_outcome": N}, 3 * N, "which may have been charged; `tuition store reconcile`"),
        ("broken_line", {"malformed": N}, 3 * N, "the body is not a line with an answer or an error"),
        ("unordered", {"kept": N}, N, ""),
        ("lost_answer", {"kept": N}, N, ""),
        ("gone_once", {"kept": N}, N, ""),
        ("upload_error", {"connection": N}, 0, "could not be handed over: /files: HTTP 500"),
    ],
)
def test_faults_of_every_batch(tmp_path, fault, ends, paid, said):
    with serving(tmp_path, batch={fault: 1}) as world, Store(world.path) as store:
        asked = run(store, teacher(world.url), N)
        assert kinds(asked) == ends
        assert len(world.payments) == paid
        failures = [reply.failure for reply in asked.replies if reply.failure]
        assert not said or any(said in failure.message for failure in failures)
        world.check_money()


def test_an_expired_batch_is_asked_again_for_its_rest(tmp_path):
    with serving(tmp_path, batch={"expired": 1}) as world, Store(world.path) as store:
        asked = run(store, teacher(world.url), 8)
        assert kinds(asked) == {"kept": 7, "expired": 1}
        failure = asked.replies[7].failure
        assert (failure.is_retryable, failure.is_paid) == (True, False)
        assert "Start again later" in failure.message
        assert len(world.payments) == 7
        assert world.states == {"kept": 7, "failed": 4 + 2 + 1}
        world.check_money()


def test_questions_about_a_batch_that_fail_in_passing_are_put_again(tmp_path):
    with serving(tmp_path, batch={"poll_error": 0.6, "seed": 3}) as world, Store(world.path) as store:
        assert kinds(run(store, teacher(world.url), N)) == {"kept": N}
        assert world.batches == [("over", "batch_0")]


def test_a_batch_that_cannot_be_asked_after_stays_open(tmp_path, monkeypatch):
    monkeypatch.setattr(caller, "_PATIENCE", 3)
    with serving(tmp_path, batch={"poll_error": 1}) as world, Store(world.path) as store:
        with pytest.raises(
            TeacherError, match="nothing of it is lost: start again to go on with it"
        ) as caught:
            run(store, teacher(world.url), N)
        [(state, remote)] = world.batches
        assert (state, remote) == ("sent", "batch_0")
        assert f"tuition batch drop {world.path}" in str(caught.value)
        assert world.states == {"open": N}
        world.check_money()


def test_what_is_left_under_the_policy_leave(tmp_path):
    with serving(tmp_path, batch={"missing": 1}) as world, Store(world.path) as store:
        asked = run(store, teacher(world.url), 2, budget=Budget(on_unknown="leave"))
        assert kinds(asked) == {"unknown_outcome": 2}
        assert len(world.payments) == 2, "not asked again"
        assert "budget.on_unknown is 'leave'" in asked.replies[0].failure.message


def test_a_batch_that_is_too_large_is_halved(tmp_path):
    # Of these batches the first is refused, the next three are not.
    with serving(tmp_path, batch={"too_large": 0.4, "seed": 11}) as world, Store(world.path) as store:
        asked = run(store, teacher(world.url), 8)
        assert kinds(asked) == {"kept": 8}
        assert world.states == {"failed": 8, "kept": 8}
        assert (
            Counter(row["batch"] for row in world.attempts if row["state"] == "kept").most_common(1)[0][1]
            == 4
        )
        assert len(world.batches) == 3
        world.check_money()


# Faults of lines.

BROKEN = ("malformed", True, None)
ENDS = {
    "rate_limit": ("rate_limit", True, False),
    "rate_limit_date": ("rate_limit", True, False),
    "rate_limit_silent": ("rate_limit", True, False),
    "quota": ("quota", True, False),
    "overloaded": ("server", True, False),
    "overloaded_529": ("server", True, False),
    "server_error": ("server", True, False),
    "bad_gateway": ("server", True, False),
    "timeout_408": ("server", True, False),
    "timeout_504": ("server", True, None),
    "timeout_524": ("server", True, None),
    "redirect": ("bad_request", False, False),
    "auth": ("auth", True, False),
    "forbidden": ("refused", True, False),
    "not_found": ("not_found", True, False),
    "too_long": ("bad_request", False, False),
    "unsupported": ("bad_request", True, False),
    "flagged": ("filtered", False, False),
    "broken_json": ("unknown_outcome", True, None),
    "error_in_200": ("server", True, False),
    "no_choices": ("malformed", True, True),
    "null_content": ("empty", True, True),
    "empty": ("empty", True, True),
    "truncated": None,
    "exhausted": ("truncated", False, True),
    "filtered": ("filtered", False, True),
    "refusal": ("refused", False, True),
    "no_usage": None,
    "zero_usage": None,
    "other_model": None,
    "extra_choice": None,
    "missing_choice": ("malformed", True, True),
    "garbage": None,
}
"""What comes of a line with a fault: kind, whether it is asked again, whether it was charged; None: kept."""
FATAL, LATER = ("auth", "quota"), ("forbidden", "not_found")
"""What ends the asking, and what is not asked again before the command is started again."""
LONGER = ("truncated", "exhausted")
"""What is asked once more, with a larger max_tokens."""
SPOILT = 2


def test_every_fault_that_a_line_can_have_has_its_end():
    assert list(ENDS) == [name for name, fault in FAULTS.items() if "batch" in fault.forms]


def rows_of_page():
    """The table of the page as it should be, one line a fault."""
    charges = {True: "as counted", False: "nothing", None: "its worst, until reconciled"}
    for name, end in ENDS.items():
        kind, is_again, is_paid = end or ("", False, True)
        again = "once, longer" if name in LONGER else "yes" if is_again else "no"
        again = "when the command is started again" if name in (*FATAL, *LATER) else again
        charged = "a guess, marked" if name in ("no_usage", "zero_usage") else charges[is_paid]
        yield f"| `{name}` | {FAULTS[name].about} | {f'`{kind}`' if kind else 'kept'} | {again} | {charged} |"


def test_the_page_shows_what_is_tested():
    page = Path(__file__).parents[2] / "docs" / "how-to" / "batches.md"
    assert set(rows_of_page()) <= set(page.read_text().splitlines())


@pytest.mark.parametrize("name", ENDS)
def test_one_spoilt_line_among_good_ones(tmp_path, name):
    plan = ("",) * SPOILT + (name,)
    with serving(tmp_path, plan=plan) as world, Store(world.path) as store:
        error, asked = "", None
        try:
            asked = run(store, teacher(world.url), 5)
        except TeacherError as caught:
            error = str(caught)
        others = [row for row in world.attempts if row["example_id"] != f"e{SPOILT}"]
        mine = [row for row in world.attempts if row["example_id"] == f"e{SPOILT}"]
        assert [row["state"] for row in others] == ["kept"] * 4, "no other row is touched"
        if name not in ("no_usage", "zero_usage"):
            world.check_money()
        if ENDS[name] is None:
            assert (kinds(asked), mine[0]["state"]) == ({"kept": 5}, "kept")
            assert len(mine) == 1 + (name in LONGER)
            return
        failure = Failure.from_json(json.loads(mine[0]["failure"]))
        assert (failure.kind, failure.is_retryable, failure.is_paid) == ENDS[name]
        assert mine[0]["state"] == ("unknown" if failure.is_paid is None else "failed")
        helps = ADVICE.get(failure.kind, "tuition store reconcile")
        is_fatal = name in FATAL
        assert is_fatal or helps.lower() in failure.message.lower(), "a failure says what to do next"
        if is_fatal:
            assert "'t' accepts no call: HTTP 4" in error
            return
        is_again = (failure.is_retryable and name not in LATER) or name in LONGER
        assert kinds(asked)["kept"] == (5 if is_again else 4)
        assert len(mine) == (2 if is_again else 1)


@pytest.mark.parametrize("name", ["server_error", "exhausted", "garbage", "missing_choice"])
def test_nothing_but_spoilt_lines(tmp_path, name):
    with serving(tmp_path, **{name: 1}) as world, Store(world.path) as store:
        asked = run(store, teacher(world.url), 3)
        kind, again, _ = ENDS[name] or ("kept", False, True)
        assert kinds(asked) == {kind: 3}
        assert len(world.batches) == (3 if again else 2 if name in LONGER else 1)
        world.check_money()


# Giving up.


def test_a_batch_given_up_is_charged_at_its_worst(tmp_path, monkeypatch):
    monkeypatch.setattr(caller, "_PATIENCE", 2)
    with serving(tmp_path, batch={"poll_error": 1}) as world, Store(world.path) as store:
        with pytest.raises(TeacherError):
            run(store, teacher(world.url), 4)
        [batch] = store.batches()
        assert drop_batch(store, batch.name) == (4, True)
        assert world.states == {"unknown": 4}
        with pytest.raises(DataError, match="is over; there is nothing to give up"):
            drop_batch(store, batch.name)
        with pytest.raises(DataError, match="unknown batch 'x'"):
            drop_batch(store, "x")


def test_a_teacher_asked_call_by_call_does_not_wait_for_a_batch(tmp_path):
    with serving(tmp_path) as world:
        child(world, "noted", n=3).wait()
        online = teacher(world.url, wire={"in_batches": False})
        with (
            Store(world.path) as store,
            pytest.raises(TeacherError, match=r"3 of the calls stand in batch '\w+' of run 'r1'"),
        ):
            run(store, online, 5)


def test_answers_come_into_a_store_that_was_itself_imported(tmp_path):
    asked = teacher("http://127.0.0.1:9/v1")
    with Store(tmp_path / "a.db") as store:
        account = Account(store=store, place=PLACE)
        wanted = questions(asked, 2)
        write_batch(wanted, asked, tmp_path / "x.jsonl", account=account, line=lambda one: {"id": one.tag})
    export_store(tmp_path / "a.db", tmp_path / "rows.jsonl")
    import_rows(tmp_path / "b.db", tmp_path / "rows.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    with Store(tmp_path / "b.db") as store:
        found = import_batch(
            {row["id"]: (row, "") for row in rows}, store, read=lambda row, text, request: Reply(text="Fine.")
        )
        assert (found.answered, found.waiting, store.batches()) == (2, {}, [])
    assert verify_store(tmp_path / "b.db").faults == ()
