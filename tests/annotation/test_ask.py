import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest
from toys import PLACE, ScriptedTeacher, failed, requests, said, states, sums

from tuition.annotation import Account, AnnotationConfig, ask, ask_all
from tuition.core.budget import Budget, Cost, price_of, worst_cost
from tuition.core.errors import StoreError, TeacherError
from tuition.core.store import Cap, Place, Store

FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.01)
PRICE = price_of(prompt="1", completion="1")
WORST = worst_cost(requests(1)[0], PRICE)


def run(store, n_or_requests, teacher, *, config=FAST, **more):
    asked = requests(n_or_requests) if isinstance(n_or_requests, int) else n_or_requests
    account = Account(store=store, **({"place": PLACE} | more))
    return ask_all(asked, teacher, account=account, config=config)


def unpaid(asked):
    kinds = [reply.failure and reply.failure.kind for reply in asked.replies]
    return tuple(i for i, kind in enumerate(kinds) if kind == "unpaid")


def test_one_reply_a_request_in_order(store):
    teacher = ScriptedTeacher(wait_s=0.001)
    told = []
    asked = run(store, 30, teacher, progress=lambda *step: told.append(step))
    assert [reply.text for reply in asked.replies] == [f"Because of e{i}." for i in range(30)]
    assert told == [("rationale", i + 1, 30) for i in range(30)]
    assert (asked.refused, unpaid(asked)) == (None, ())
    assert teacher.most_in_flight == 4


def test_nothing_to_ask(store):
    assert run(store, 0, ScriptedTeacher()).replies == ()


def test_cost_is_counted_once_and_nothing_is_bought_twice(store):
    teacher = ScriptedTeacher()
    first = run(store, 5, teacher)
    again = run(store, 5, teacher)
    assert [reply.text for reply in again.replies] == [reply.text for reply in first.replies]
    assert sum(teacher.calls.values()) == 5
    assert sums(store) == (5 * 15_000, 75, 5)
    assert store.spend("r1").usd == pytest.approx(75e-6)


def test_what_is_kept_comes_at_once_for_any_run_and_needs_no_turn(store):
    first = run(store, 1200, ScriptedTeacher())
    slow, told = ScriptedTeacher(requests_per_minute=1), []
    began = time.monotonic()
    again = run(
        store, 1201, slow, place=Place(run="r2", round=3), progress=lambda *step: told.append(step[1:])
    )
    assert again.replies[:1200] == first.replies and again.keys[:1200] == first.keys
    assert again.replies[1200].text == "Because of e1200." and sum(slow.calls.values()) == 1
    assert told == [(i + 1, 1201) for i in range(1201)]
    assert time.monotonic() - began < 30, "turns at one a minute would take 20 hours"
    with store.read() as connection:
        uses = connection.execute("SELECT round, teacher, role FROM uses WHERE run = 'r2'").fetchall()
    assert len(uses) == 1201 and {tuple(use) for use in uses} == {(3, "toy", "rationale")}
    assert store.spend("r2").usd == pytest.approx(1201 * 15e-6)


def test_equal_requests_side_by_side_are_one_call(store):
    teacher = ScriptedTeacher(wait_s=0.02)
    asked = run(store, requests(1) * 6, teacher)
    assert [reply.text for reply in asked.replies] == ["Because of e0."] * 6
    assert sum(teacher.calls.values()) == 1


def test_passing_faults_are_retried_and_every_attempt_counts(store):
    teacher = ScriptedTeacher(lambda request, attempt: failed() if attempt < 3 else said("At last."))
    [reply] = run(store, 1, teacher).replies
    assert reply.text == "At last."
    assert states(store) == ["failed", "failed", "kept"]
    assert sums(store) == (15_000, 15, 3)


def test_retries_end(store):
    teacher = ScriptedTeacher(lambda request, attempt: failed("rate_limit"))
    [reply] = run(store, 1, teacher, config=FAST.model_copy(update={"max_attempts": 3})).replies
    assert reply.failure.kind == "rate_limit"
    assert sum(teacher.calls.values()) == 3


def test_final_fault_is_a_record_of_its_own_row(store):
    def reply(request, attempt):
        return failed("bad_request", is_retryable=False) if request.example_id == "e1" else said("Fine.")

    teacher = ScriptedTeacher(reply)
    asked = run(store, 3, teacher)
    assert [reply.failure and reply.failure.kind for reply in asked.replies] == [None, "bad_request", None]
    assert sum(teacher.calls.values()) == 3
    run(store, 3, teacher)
    assert sum(teacher.calls.values()) == 3, "a run that ends is not asked again"


def test_whatever_a_teacher_raises_is_one_row_s_failure(store):
    def reply(request, attempt):
        if request.example_id == "e1":
            raise KeyError("lost")
        return said("Fine.")

    asked = run(store, 3, ScriptedTeacher(reply))
    failure = asked.replies[1].failure
    assert (failure.kind, failure.is_paid) == ("exception", None)
    assert failure.message.startswith("the teacher raised KeyError: 'lost'")
    assert sorted(states(store)) == ["kept", "kept", "unknown"]


@pytest.mark.parametrize("kind", ["usd", "tokens", "calls"])
def test_sixty_four_calls_at_once_never_exceed_a_cap(store, kind):
    limit = {"usd": 10 * WORST.nano / 1e9, "tokens": 10 * WORST.tokens, "calls": 10}[kind]
    seen = []

    def reply(request, attempt):
        seen.append(sums(store))
        return said("Fine.")

    teacher = ScriptedTeacher(reply, wait_s=0.005, concurrency=64)
    asked = run(store, 120, teacher, budget=Budget(**{kind: limit}))
    nano, tokens, calls = (max(column) for column in zip(*seen, sums(store), strict=True))
    assert (nano <= 10 * WORST.nano, tokens <= 10 * WORST.tokens, calls <= 10)[
        ["usd", "tokens", "calls"].index(kind)
    ]
    answered = [reply for reply in asked.replies if reply.failure is None]
    assert len(answered) == sum(teacher.calls.values())
    assert len(unpaid(asked)) == 120 - len(answered) > 0
    assert asked.refused.what == kind
    if kind == "calls":
        assert len(answered) == 10
    else:
        assert len(answered) > 10, "what real answers leave of their worst is spent on further ones"
        left = (limit * 1e9 if kind == "usd" else limit) - sums(store)[["usd", "tokens"].index(kind)]
        longest = worst_cost(requests(120)[-1], PRICE)
        assert left < (longest.nano if kind == "usd" else longest.tokens), (
            "and asking goes on until none fits"
        )


def test_spent_budget_is_data_and_kept_answers_still_come(store):
    teacher = ScriptedTeacher()
    run(store, requests(6)[3:], teacher)
    asked = run(store, 6, teacher, budget=Budget(calls=4))
    assert [reply.failure is None for reply in asked.replies] == [True, False, False, True, True, True]
    assert unpaid(asked) == (1, 2)
    assert asked.replies[1].failure.message == "the limit of 4 calls on 'r1' is reached: 4 spent or set aside"
    assert sum(teacher.calls.values()) == 4
    further = run(store, 6, teacher)
    assert unpaid(further) == (), "a larger budget goes on where it ended"
    assert sum(teacher.calls.values()) == 6


def test_caps_of_a_budget(store):
    def caps(group="", **limits):
        return Account(store=store, place=Place(run="r", group=group), budget=Budget(**limits)).caps

    assert caps() == ()
    assert caps(usd=0.5, calls=3) == (Cap(scope="r", nano=500_000_000, calls=3),)
    assert caps(calls=3, group="group") == (Cap(scope="group", calls=3),)


def test_a_till_tells_whom_it_asks(store):
    told = []
    account = Account(store=store, place=PLACE, progress=lambda *step: told.append(step)).telling("ada")
    ask_all(requests(1), ScriptedTeacher(), account=account)
    assert told == [("rationale ada", 1, 1)]
    silent = Account(store=store, place=PLACE)
    assert silent.telling("ada") is silent


def test_unknown_price_under_a_limit_in_dollars_is_refused_before_any_call(store):
    teacher = ScriptedTeacher()
    teacher.price = None
    limit = Budget(usd=1.0)
    with pytest.raises(
        TeacherError, match=r"price of teacher 'toy' \(model 'toy-1'\) is unknown, and 'r1' has a limit"
    ):
        run(store, 2, teacher, budget=limit)
    assert sum(teacher.calls.values()) == 0
    assert len(run(store, 2, teacher, budget=Budget(usd=1.0, allow_unknown_price=True)).replies) == 2
    assert store.spend("r1").usd is None
    free = ScriptedTeacher(is_paid=False)
    free.price = None
    assert unpaid(run(store, requests(4)[2:], free, budget=limit)) == ()


def test_unpaid_teacher_takes_no_money_and_has_a_cost(store):
    run(store, 2, ScriptedTeacher(is_paid=False), budget=Budget(usd=0))
    spend = store.spend("r1")
    assert (spend.usd, spend.paid_usd) == (pytest.approx(30e-6), 0.0)


@pytest.mark.parametrize(("policy", "calls"), [("ask_again", 2), ("leave", 1)])
def test_unseen_end_is_asked_again_or_left(store, policy, calls):
    teacher = ScriptedTeacher(
        lambda request, attempt: failed("timeout", is_paid=None) if attempt == 1 else said("Fine.")
    )
    [reply] = run(store, 1, teacher, budget=Budget(on_unknown=policy)).replies
    assert sum(teacher.calls.values()) == calls
    if policy == "leave":
        assert reply.failure.kind == "unknown_outcome"
        assert "nobody saw how attempt 1 ended, and budget.on_unknown is 'leave'" in reply.failure.message
    assert sums(store)[0] == WORST.nano + (15_000 if policy == "ask_again" else 0)


def test_refused_key_ends_the_asking_and_is_not_remembered(store):
    teacher = ScriptedTeacher(lambda request, attempt: failed("auth"), concurrency=1)
    with pytest.raises(
        TeacherError, match=r"teacher 'toy' accepts no call: no. Its key may be wrong or expired"
    ):
        run(store, 50, teacher)
    assert sum(teacher.calls.values()) == 1
    mended = ScriptedTeacher()
    assert unpaid(run(store, 2, mended)) == ()
    assert sum(mended.calls.values()) == 2


def test_text_that_no_file_can_hold_is_kept_all_the_same(store):
    teacher = ScriptedTeacher(lambda request, attempt: said("half \ud83d of a pair", raw="\ud83d"))
    [reply] = run(store, 1, teacher).replies
    assert reply.text == "half ? of a pair"
    [kept] = run(store, 1, teacher).replies
    assert kept.text == reply.text


def test_another_process_s_call_is_waited_for(store, tmp_path):
    [request] = requests(1)
    with Store(tmp_path / "tuition.db") as other:
        outcome = other.reserve(request, WORST, place=Place(run="other"), price=PRICE).result(5)

        def settle():
            cost = Cost(nano=15_000, tokens=15)
            other.settle(outcome.attempt_id, said("Theirs."), cost=cost, is_paid=True)

        timer = threading.Timer(0.15, settle)
        timer.start()
        teacher = ScriptedTeacher()
        [reply] = run(store, 1, teacher).replies
        timer.join()
    assert reply.text == "Theirs."
    assert sum(teacher.calls.values()) == 0


def test_broken_off_asking_leaves_the_store_consistent(store):
    async def interrupted():
        teacher = ScriptedTeacher(wait_s=30, concurrency=3)
        task = asyncio.create_task(ask(requests(9), teacher, account=Account(store=store, place=PLACE)))
        while teacher.in_flight < 3:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupted())
    deadline = time.monotonic() + 5
    while "open" in states(store) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert states(store) == ["unknown"] * 3
    assert sums(store) == (3 * WORST.nano, 3 * WORST.tokens, 3)
    assert unpaid(run(store, 9, ScriptedTeacher())) == ()


def test_call_that_was_reserved_and_not_sent_is_given_back(store):
    is_cut = threading.Event()

    async def interrupted():
        teacher = ScriptedTeacher()
        reserve, is_reserved = store.reserve, asyncio.Event()

        def reserve_while_busy(*request, **more):
            # The store is busy until the asking is cut, and then finds the reservation.
            store.write(lambda connection: is_cut.wait(10))
            is_reserved.set()
            return reserve(*request, **more)

        store.reserve = reserve_while_busy
        task = asyncio.create_task(ask(requests(1), teacher, account=Account(store=store, place=PLACE)))
        await is_reserved.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return teacher

    teacher = asyncio.run(interrupted())
    is_cut.set()
    for _ in range(2):
        # First the reservation, whose end asks for the giving back.
        store.write(lambda connection: None).result(5)
    assert sum(teacher.calls.values()) == 0
    assert sums(store)[:2] == (0, 0)
    assert states(store) == ["failed"]


def test_interrupt_from_the_keyboard(tmp_path):
    script = """
        import signal
        import sys
        from pathlib import Path
        # Whoever runs this in the background of a shell has it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.path.insert(0, sys.argv[2])
        from toys import PLACE, ScriptedTeacher, requests
        from tuition.annotation import Account, ask_all
        from tuition.core.store import Store

        class Slow(ScriptedTeacher):
            async def complete(self, request):
                print("calling", flush=True)
                return await super().complete(request)

        with Store(Path(sys.argv[1])) as store:
            try:
                ask_all(requests(10), Slow(wait_s=60), account=Account(store=store, place=PLACE))
            except KeyboardInterrupt:
                print("interrupted", flush=True)
    """
    path, folder = tmp_path / "tuition.db", __file__.rpartition("/")[0]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), str(path), folder], stdout=subprocess.PIPE, text=True
    )
    assert [process.stdout.readline() for _ in range(4)] == ["calling\n"] * 4
    with Store(path) as store:
        process.send_signal(signal.SIGINT)
        said_last, _ = process.communicate(timeout=60)
        assert said_last == "interrupted\n"
        assert states(store) == ["unknown"] * 4


def test_broken_store_is_one_plain_error(store):
    def reply(request, attempt):
        store.close()
        return said("Fine.")

    with pytest.raises(StoreError, match="is closed"):
        run(store, 8, ScriptedTeacher(reply))


def test_inside_a_running_loop(store):
    async def notebook():
        return run(store, 3, ScriptedTeacher())

    assert len(asyncio.run(notebook()).replies) == 3


def test_teacher_with_connections_is_entered_and_left(store):
    class Connected(ScriptedTeacher):
        is_open = False
        was_open = ()

        async def __aenter__(self):
            self.is_open = True

        async def __aexit__(self, *exception):
            self.is_open = False

        async def complete(self, request):
            self.was_open += (self.is_open,)
            return await super().complete(request)

    teacher = Connected()
    run(store, 2, teacher)
    assert (teacher.was_open, teacher.is_open) == ((True, True), False)
