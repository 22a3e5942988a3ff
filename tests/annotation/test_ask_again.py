"""What is asked more than once: retries and their deadline, longer replies, several samples a call."""

import asyncio
import dataclasses
import random

import pytest
from toys import PLACE, SamplingTeacher, ScriptedTeacher, failed, requests, said, states, sums

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.annotation.ask import caller
from tuition.annotation.ask.pace import Pace
from tuition.core.budget import Budget, price_of, worst_cost
from tuition.core.errors import TeacherError
from tuition.core.records import RateLimits
from tuition.core.store import Place

FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.01)
PRICE = price_of(prompt="1", completion="1")


def run(store, n_or_requests, teacher, *, place=PLACE, budget=None, **settings):
    asked = requests(n_or_requests) if isinstance(n_or_requests, int) else n_or_requests
    account = Account(store=store, place=place, budget=budget or Budget())
    return ask_all(asked, teacher, account=account, config=FAST.model_copy(update=settings))


def column(store, name):
    with store.read() as connection:
        return [row[name] for row in connection.execute(f"SELECT {name} FROM attempts ORDER BY id")]


def kinds(asked):
    return [reply.failure and reply.failure.kind for reply in asked.replies]


def samples(n, example=0):
    return [dataclasses.replace(requests(example + 1)[example], sample=i) for i in range(n)]


@pytest.fixture
def clock(monkeypatch):
    """A clock for the pace that goes on by its sleeping, and by whoever adds to it."""

    class Clock:
        now = 0.0

        async def sleep(self, seconds):
            self.now += seconds
            await asyncio.sleep(0)

        def pace(self, teacher):
            return self.paces.setdefault(
                id(teacher), Pace(teacher.abilities, clock=lambda: self.now, sleep=self.sleep)
            )

    clock = Clock()
    clock.paces = {}
    monkeypatch.setattr(caller, "pace_of", clock.pace)
    return clock


class TestAttempts:
    def test_each_has_a_name_of_its_own_in_the_ledger_and_at_the_teacher(self, store):
        teacher = ScriptedTeacher(lambda request, attempt: failed() if attempt < 3 else said("Fine."))
        run(store, 4, teacher)
        tags = column(store, "tag")
        assert len(set(tags)) == 12
        assert {request.tag for request in teacher.seen} == set(tags)
        assert all(len(tag) == 32 for tag in tags)

    def test_the_server_s_wish_is_longer_than_the_longest_backoff(self, store, clock):
        times = []

        def reply(request, attempt):
            times.append(clock.now)
            return failed("rate_limit", retry_after_s=100.0) if attempt == 1 else said("Fine.")

        [reply] = run(store, 1, ScriptedTeacher(reply)).replies
        assert reply.text == "Fine."
        assert len(times) == 2 and 100 <= times[1] <= 102

    def test_a_pause_holds_for_the_calls_of_a_second_asking(self, store, clock):
        teacher = ScriptedTeacher(lambda request, attempt: failed("rate_limit", retry_after_s=100.0))
        run(store, requests(1), teacher, max_attempts=1)
        teacher._reply = lambda request, attempt: said(str(clock.now))
        [reply] = run(store, requests(2)[1:], teacher).replies
        assert 100 <= float(reply.text) <= 102

    def test_a_wish_beyond_the_deadline_ends_the_call_at_once_and_asks_no_other(self, store):
        teacher = ScriptedTeacher(
            lambda request, attempt: failed("rate_limit", retry_after_s=900.0), concurrency=1
        )
        asked = run(store, 3, teacher)
        assert kinds(asked) == ["rate_limit"] * 3
        assert asked.replies[0].failure.message.endswith(
            "It is not asked again, for that would be later than annotation.deadline_s = 600 allows."
        )
        assert "not asked: the endpoint pauses for 9" in asked.replies[1].failure.message
        assert "s, more than annotation.deadline_s = 600 allows" in asked.replies[2].failure.message
        assert states(store) == ["failed"]
        assert all(reply.failure.is_retryable for reply in asked.replies)

    def test_no_attempt_begins_after_the_deadline(self, store, clock):
        def reply(request, attempt):
            clock.now += 40.0
            return failed("server")

        [reply_] = run(store, 1, ScriptedTeacher(reply), deadline_s=100.0, max_attempts=9).replies
        assert len(states(store)) == 3, "at 0, at 40 and at 80 seconds"
        assert reply_.failure.message.endswith("later than annotation.deadline_s = 100 allows.")

    def test_without_a_deadline_every_attempt_is_made(self, store, clock):
        def reply(request, attempt):
            clock.now += 4000.0
            return failed("rate_limit", retry_after_s=5000.0)

        run(store, 1, ScriptedTeacher(reply), deadline_s=None, max_attempts=5)
        assert len(states(store)) == 5

    def test_what_the_headers_say_of_limits_is_heeded_and_not_kept(self, store, clock):
        limits = RateLimits(requests_left=0, requests_reset_s=30.0)
        times = []

        def reply(request, attempt):
            times.append(clock.now)
            return said("Fine.", limits=limits)

        asked = run(store, 2, ScriptedTeacher(reply, concurrency=1))
        assert times[0] == 0 and 30 <= times[1] <= 33
        assert run(store, 2, ScriptedTeacher()).replies == asked.replies
        assert [reply.limits for reply in asked.replies] == [None, None]

    @pytest.mark.parametrize("kind", ["quota", "auth", "unusable"])
    def test_what_fails_every_call_ends_the_asking_and_keeps_what_is_in_flight(self, store, kind):
        async def slowly(request):
            await asyncio.sleep(0.05)

        class Teacher(ScriptedTeacher):
            async def complete(self, request):
                if request.example_id != "e3":
                    await slowly(request)
                return await super().complete(request)

        def reply(request, attempt):
            is_last = request.example_id == "e3"
            return failed(kind, is_retryable=False) if is_last else said("Fine.")

        teacher = Teacher(reply)
        with pytest.raises(TeacherError, match=r"teacher 'toy' accepts no call: no\."):
            run(store, 40, teacher)
        assert sorted(states(store)) == ["failed", "kept", "kept", "kept"]
        again = ScriptedTeacher()
        assert kinds(run(store, 4, again)) == [None] * 4
        assert sum(again.calls.values()) == 1, "what was answered is kept, and the fault is not remembered"

    def test_who_waits_for_a_pause_does_not_hold_up_the_end(self, store):
        def reply(request, attempt):
            if request.example_id == "e0":
                return failed("rate_limit", retry_after_s=500.0)
            return failed("auth")

        class Teacher(ScriptedTeacher):
            async def complete(self, request):
                await asyncio.sleep(0.02 if request.example_id == "e1" else 0.0)
                return await super().complete(request)

        with pytest.raises(TeacherError, match="accepts no call"):
            run(store, 20, Teacher(reply, concurrency=2))

    @pytest.mark.parametrize("concurrency", [1, 3, 64])
    def test_the_pace_changes_no_reply(self, store, clock, concurrency):
        dice = random.Random(concurrency)

        def reply(request, attempt):
            if dice.random() < 0.3:
                wish = dice.choice([None, 3.0])
                return failed(dice.choice(["rate_limit", "server"]), retry_after_s=wish)
            return said(f"About {request.example_id}.")

        teacher = ScriptedTeacher(reply, concurrency=concurrency, requests_per_minute=200)
        asked = run(store, 100, teacher, max_attempts=60, deadline_s=None)
        assert [reply.text for reply in asked.replies] == [f"About e{i}." for i in range(100)]


class TestLongerReplies:
    @staticmethod
    def cut(request, attempt):
        if request.parameters["max_tokens"] < 100 and request.example_id != "e0":
            return said("It was cut", finish="length")
        return said("It is whole.")

    def test_what_was_cut_off_is_asked_for_once_more(self, store):
        teacher = ScriptedTeacher(self.cut)
        told = []
        account = Account(store=store, place=PLACE, progress=lambda *step: told.append(step))
        asked = ask_all(requests(3), teacher, account=account, config=FAST)
        assert [reply.text for reply in asked.replies] == ["It is whole."] * 3
        assert [request.parameters["max_tokens"] for request in teacher.seen] == [50, 50, 50, 100, 100]
        longer = [dataclasses.replace(item, parameters={"max_tokens": 100}) for item in requests(3)]
        assert asked.keys == (requests(3)[0].key, longer[1].key, longer[2].key)
        assert told[-2:] == [("rationale, longer", 1, 2), ("rationale, longer", 2, 2)]
        again = ScriptedTeacher(self.cut)
        assert run(store, 3, again) == asked, "a second run comes to the same"
        assert sum(again.calls.values()) == 0, "and pays nothing"

    def test_no_text_at_all_counts_as_cut_off(self, store):
        def reply(request, attempt):
            if request.parameters["max_tokens"] == 50:
                return failed("truncated", is_retryable=False, is_paid=True)
            return said("Thought through.")

        for _ in range(2):
            asked = run(store, 1, ScriptedTeacher(reply))
            assert asked.replies[0].text == "Thought through."
        assert states(store) == ["failed", "kept"]

    def test_once_only(self, store):
        teacher = ScriptedTeacher(lambda request, attempt: said("Without end", finish="length"))
        [reply] = run(store, 1, teacher, longer=1.5).replies
        assert reply.finish == "length"
        assert [request.parameters["max_tokens"] for request in teacher.seen] == [50, 75]

    def test_where_it_brings_nothing_the_first_stands(self, store):
        def reply(request, attempt):
            return self.cut(request, attempt) if request.parameters["max_tokens"] < 100 else failed("server")

        asked = run(store, 2, ScriptedTeacher(reply))
        assert [reply.text for reply in asked.replies] == ["It is whole.", "It was cut"]
        assert asked.keys == tuple(request.key for request in requests(2))

    def test_it_comes_after_everything_else_and_only_if_the_budget_allows(self, store):
        asked = run(store, 6, ScriptedTeacher(self.cut), budget=Budget(calls=8))
        assert kinds(asked) == [None] * 6
        assert sorted(reply.text for reply in asked.replies) == ["It is whole."] * 3 + ["It was cut"] * 3
        assert asked.refused is None, "every request was answered"
        asked = run(store, 12, ScriptedTeacher(self.cut), budget=Budget(calls=9))
        assert asked.refused is not None
        assert len([kind for kind in kinds(asked) if kind == "unpaid"]) == 5
        assert sums(store)[2] == 9

    @pytest.mark.parametrize("ability", [{"is_paid": False}, {"reads_prompt": False}])
    def test_not_of_a_teacher_that_is_not_paid_or_has_one_text_only(self, store, ability):
        teacher = ScriptedTeacher(lambda request, attempt: said("Cut", finish="length"), **ability)
        run(store, 1, teacher)
        assert sum(teacher.calls.values()) == 1

    def test_one_is_never(self, store):
        teacher = ScriptedTeacher(lambda request, attempt: said("Cut", finish="length"))
        run(store, 1, teacher, longer=1.0)
        assert sum(teacher.calls.values()) == 1


class TestSeveralSamplesACall:
    def test_samples_of_one_request_are_asked_for_together(self, store):
        teacher = SamplingTeacher(
            lambda request, attempt: said(f"{request.example_id}, {request.sample}"), samples_per_call=4
        )
        asked = run(store, [*samples(6), *samples(2, example=1)], teacher)
        assert [reply.text for reply in asked.replies] == [
            *(f"e0, {i}" for i in range(6)),
            "e1, 0",
            "e1, 1",
        ]
        assert sorted(teacher.together) == [[0, 1], [0, 1, 2, 3], [4, 5]]
        assert len(set(column(store, "tag"))) == 8
        assert sums(store) == (8 * 15_000, 120, 8)

    def test_only_the_failed_ones_are_asked_again(self, store):
        teacher = SamplingTeacher(
            lambda request, attempt: failed() if request.sample % 2 and attempt == 1 else said("Fine.")
        )
        assert kinds(run(store, samples(4), teacher)) == [None] * 4
        assert teacher.together == [[0, 1, 2, 3], [1, 3]]

    def test_what_is_kept_is_not_asked(self, store):
        run(store, samples(2), SamplingTeacher())
        teacher = SamplingTeacher()
        assert kinds(run(store, samples(5), teacher, place=Place(run="r2"))) == [None] * 5
        assert teacher.together == [[2, 3, 4]]
        assert store.spend("r2").reused_calls == 2

    def test_a_cap_lets_some_of_them_through(self, store):
        teacher = SamplingTeacher()
        asked = run(store, samples(6), teacher, budget=Budget(calls=4))
        assert teacher.together == [[0, 1, 2, 3]]
        assert kinds(asked) == [None] * 4 + ["unpaid"] * 2
        worst = worst_cost(samples(1)[0], PRICE)
        further = SamplingTeacher()
        limit = (sums(store)[0] + 2.5 * worst.nano) / 1e9
        asked = run(store, samples(8), further, budget=Budget(usd=limit))
        assert further.together == [[4, 5], [6, 7]], "what two left of their worst pays for two more"
        assert kinds(asked) == [None] * 8

    def test_equal_requests_are_bought_once(self, store):
        teacher = SamplingTeacher(wait_s=0.01)
        asked = run(store, samples(1) * 5, teacher)
        assert [reply.text for reply in asked.replies] == ["Because of e0."] * 5
        assert sum(teacher.calls.values()) == 1

    def test_a_broken_call_is_a_failure_of_each(self, store):
        class Broken(SamplingTeacher):
            async def complete_all(self, requests):
                raise OSError("no")

        class Short(SamplingTeacher):
            async def complete_all(self, requests):
                return [said("One for all.")]

        asked = run(store, samples(3), Broken())
        assert kinds(asked) == ["exception"] * 3
        asked = run(store, samples(3, example=1), Short())
        assert kinds(asked) == ["exception"] * 3
        assert "the teacher gave 1 replies to 3 requests" in asked.replies[2].failure.message
        assert states(store) == ["unknown"] * 6

    def test_longer_ones_too(self, store):
        teacher = SamplingTeacher(TestLongerReplies.cut)
        asked = run(store, samples(3, example=1), teacher)
        assert [reply.text for reply in asked.replies] == ["It is whole."] * 3
        assert teacher.together == [[0, 1, 2], [0, 1, 2]]

    def test_a_teacher_with_one_answer_a_call_is_asked_for_each(self, store):
        teacher = SamplingTeacher(samples_per_call=1)
        run(store, samples(3), teacher)
        assert teacher.together == []
        assert sum(teacher.calls.values()) == 3

    @pytest.mark.parametrize("learns", ["from the first refusal", "while others wait"])
    def test_an_endpoint_that_brings_one_after_all_is_asked_for_each_in_a_turn_of_its_own(
        self, store, learns
    ):
        class OneByOne(SamplingTeacher):
            async def complete_all(self, asked):
                assert self.abilities.samples_per_call > 1, "by now it is known better"
                self.together.append([request.sample for request in asked])
                await asyncio.sleep(
                    0 if learns == "while others wait" and asked[0].example_id == "e0" else 0.02
                )
                self.abilities = dataclasses.replace(self.abilities, samples_per_call=1)
                return [failed("bad_request") for _ in asked]

        teacher = OneByOne(concurrency=2, wait_s=0.002)
        asked = [request for example in range(6) for request in samples(4, example)]
        found = run(store, asked, teacher)
        assert kinds(found) == [None] * 24
        assert teacher.together == [[0, 1, 2, 3]] * 2, "the two that were under way at once"
        assert (teacher.most_in_flight, sum(teacher.calls.values())) == (2, 24)
        assert sorted(states(store)) == ["failed"] * 8 + ["kept"] * 24
