"""What may come in the way of an asking: long pauses, what is mended since, strange teachers, a batch."""

import asyncio
import dataclasses

import pytest
from toys import PLACE, SamplingTeacher, ScriptedTeacher, failed, requests, said, states

from tuition.annotation import Account, AnnotationConfig, ask, ask_all
from tuition.core.budget import price_of, worst_cost
from tuition.core.errors import TeacherError
from tuition.core.records import Failure, Reply, Usage
from tuition.core.store import Place

FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.01)
PRICE = price_of(prompt="1", completion="1")


def run(store, n_or_requests, teacher, **settings):
    asked = requests(n_or_requests) if isinstance(n_or_requests, int) else n_or_requests
    return ask_all(
        asked, teacher, account=Account(store=store, place=PLACE), config=FAST.model_copy(update=settings)
    )


def kinds(asked):
    return [reply.failure and reply.failure.kind for reply in asked.replies]


class TestWhatIsKept:
    def test_comes_though_the_endpoint_pauses_beyond_the_deadline(self, store):
        run(store, requests(20)[1:], ScriptedTeacher())
        paused = ScriptedTeacher(
            lambda request, attempt: failed("rate_limit", retry_after_s=1000.0), concurrency=1
        )
        asked = run(store, requests(20), paused, deadline_s=5.0, max_attempts=1)
        assert kinds(asked) == ["rate_limit", *[None] * 19]
        assert (sum(paused.calls.values()), asked.refused) == (1, None)
        assert len(states(store)) == 20


class TestWhatIsMended:
    @pytest.mark.parametrize(
        ("failure", "is_asked_again"),
        [
            (Failure(kind="refused", message="HTTP 403: not for this key"), True),
            (Failure(kind="not_found", message="HTTP 404: model not found, try pulling it"), True),
            (Failure(kind="bad_request", message="HTTP 400: no"), False),
            (Failure(kind="filtered", message="HTTP 400: flagged"), False),
            (Failure(kind="refused", message="the model will not", is_paid=True), False),
        ],
    )
    def test_the_same_run_asks_again_once(self, store, failure, is_asked_again):
        broken = ScriptedTeacher(lambda request, attempt: Reply(failure=failure))
        assert kinds(run(store, 2, broken)) == [failure.kind] * 2
        assert sum(broken.calls.values()) == 2, "in the same asking it is no use"
        mended = ScriptedTeacher()
        assert kinds(run(store, 2, mended)) == [None if is_asked_again else failure.kind] * 2
        assert sum(mended.calls.values()) == 2 * is_asked_again


class TestStrangers:
    @pytest.mark.parametrize(
        ("given", "said_of"),
        [
            (None, "gave None in the place of a Reply"),
            ("text", "gave a str in the place of a Reply"),
            (Reply(text="x", usage=None), "a Reply with None in the place of its Usage"),
            (Reply(text="x", usage=Usage(prompt_tokens=None)), "tokens are no whole numbers"),
            (Reply(text=None), "a Reply with None in the place of its text"),
            (Reply(text="x", limits={"requests": 1}), "failure or limits are of another type"),
            (Reply(text="x", failure="no"), "failure or limits are of another type"),
        ],
    )
    def test_what_is_no_reply_is_one_row_s_failure(self, store, given, said_of):
        teacher = ScriptedTeacher(lambda request, _: given if request.example_id == "e1" else said("Fine."))
        asked = run(store, 3, teacher)
        assert kinds(asked) == [None, "exception", None]
        assert said_of in asked.replies[1].failure.message
        assert sorted(states(store)) == ["kept", "kept", "unknown"]

    @pytest.mark.parametrize("given", [None, "ab", [said("one")]])
    def test_what_is_no_list_of_as_many_fails_each(self, store, given):
        class Broken(SamplingTeacher):
            async def complete_all(self, asked):
                return given

        asked = run(store, [dataclasses.replace(requests(1)[0], sample=i) for i in range(3)], Broken())
        assert kinds(asked) == ["exception"] * 3
        assert states(store) == ["unknown"] * 3


def test_a_batch_made_meanwhile_ends_the_asking_and_not_what_is_under_way(store):
    async def scenario():
        def reply(request, attempt):
            if request.example_id == "e0":
                open_batch()
            return said("Fine.")

        def open_batch():
            late = dataclasses.replace(requests(3)[2], tag="b-0")
            store.open_batch("b", place=Place(run="r2"), teacher="toy", endpoint="toy:").result()
            worst = worst_cost(late, PRICE)
            store.reserve(late, worst, place=Place(run="r2"), price=PRICE, batch="b").result()

        teacher = ScriptedTeacher(reply, concurrency=1)
        await asyncio.wait_for(ask(requests(3), teacher, account=Account(store=store, place=PLACE)), 10)

    with pytest.raises(
        TeacherError, match=r"1 of the calls stands in batch 'b' of run 'r2'.*which is not over"
    ):
        asyncio.run(scenario())
    assert sorted(states(store)) == ["kept", "kept", "open"]
