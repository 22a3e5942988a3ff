"""A cap holds on the server's own count, whatever goes wrong on the way, and little of it is left unspent."""

import json
from collections import Counter
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import ScriptedTeacher, requests, states, sums

from loopback import served
from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.budget import Budget, Cost, price_of, to_nano, worst_cost
from tuition.core.records import Failure, Message, Reply, Request, Usage
from tuition.core.store import Place, Store
from tuition.playground.serving import Faults, app
from tuition.teachers import TeacherConfig, make_teacher

FAULTS = {
    "rate_limit": 0.02,
    "rate_limit_silent": 0.01,
    "server_error": 0.04,
    "timeout_524": 0.03,
    "drop": 0.03,
    "cut_early": 0.03,
    "cut": 0.03,
    "broken_json": 0.04,
    "empty": 0.04,
    "truncated": 0.05,
    "exhausted": 0.04,
    "filtered": 0.04,
}
"""Shares of calls, forty in a hundred; the paid ones that bring no answer among them."""
FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.01)
PRICES = {"price_prompt": 3.0, "price_completion": 15.0}


@contextmanager
def serving(application):
    """Serve in a thread; give the address and a list that grows by one entry a call."""
    calls = []

    async def counted(scope, receive, send):
        calls.append(scope["path"])
        await application(scope, receive, send)

    with served(counted) as url:
        yield url, calls


def questions(teacher, n):
    return [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(
                Message(
                    role="user",
                    content=f"Question: Today is March {i % 20 + 10}. "
                    f"Which date is {i // 20 + 10} days from now?\nExplanation:",
                ),
            ),
            parameters={"max_tokens": 60},
            teacher=teacher.name,
            role="solve",
            example_id=f"e{i}",
        )
        for i in range(n)
    ]


def hold(folder, kind, seed, *, size):
    """One run under a cap of `size` calls at their worst, with more questions than it can pay for."""
    folder.mkdir()
    ledger = folder / "server.jsonl"
    faults = Faults(**FAULTS, seed=seed, retry_after_s=0)
    with serving(app(faults, ledger)) as (url, calls), Store(folder / "tuition.db") as store:
        config = TeacherConfig(
            name="chen", model="program-chen-1", base_url=url, concurrency=64, timeout_s=20.0, **PRICES
        )
        teacher = make_teacher(config)
        asked = questions(teacher, 6 * size)
        worst = worst_cost(asked[0], teacher.price)
        limit = {"usd": size * worst.nano / 1e9, "tokens": size * worst.tokens, "calls": size}[kind]
        account = Account(store=store, place=Place(run="r1"), budget=Budget(**{kind: limit}))
        came = ask_all(asked, teacher, account=account, config=FAST)
        payments = [json.loads(line) for line in ledger.read_text().splitlines()]
        charged = [
            Cost.of(
                Usage(prompt_tokens=row["prompt_tokens"], completion_tokens=row["completion_tokens"]),
                teacher.price,
            )
            for row in payments
        ]
        counted = {
            "usd": sum(cost.nano for cost in charged) / 1e9,
            "tokens": sum(cost.tokens for cost in charged),
            "calls": len(calls),
        }
        with store.read() as connection:
            spent = dict(connection.execute("SELECT * FROM sums WHERE scope = 'r1'").fetchone())
            attempts = [dict(row) for row in connection.execute("SELECT * FROM attempts")]
    assert counted[kind] <= limit, "never over, on the server's own count"
    assert len(payments) > size / 2

    assert came.refused is not None and came.refused.what == kind, "questions were left"
    left = {
        "usd": to_nano(limit) - spent["nano"],
        "tokens": limit - spent["tokens"],
        "calls": limit - spent["calls"],
    }
    most = max((worst_cost(request, teacher.price) for request in asked), key=lambda cost: cost.nano)
    assert 0 <= left[kind] < {"usd": most.nano, "tokens": most.tokens, "calls": 1}[kind]

    states = {row["tag"]: row["state"] for row in attempts}
    assert "open" not in states.values(), "what was in flight is finished"
    assert len(states) == len(attempts) == spent["calls"]
    tags = Counter(row["tag"] for row in payments)
    assert set(tags) <= set(states) and max(tags.values()) == 1, "each payment is one attempt of the ledger"
    good = {row["tag"] for row in payments if row["fault"] in ("", "truncated")}
    assert {tag for tag, state in states.items() if state == "kept"} == good, "and every answer is kept"
    charges = {
        row["tag"]: row["paid_nano"] if row["state"] == "failed" else row["worst_nano"] for row in attempts
    }
    for row, cost in zip(payments, charged, strict=True):
        if row["tag"] not in good:
            assert charges[row["tag"]] >= cost.nano, "what brought nothing counts at what it cost, or more"


@settings(max_examples=10, deadline=None)
@given(
    kind=st.sampled_from(["usd", "tokens", "calls"]),
    size=st.integers(0, 12),
    concurrency=st.integers(1, 20),
    fates=st.lists(st.tuples(st.sampled_from("kffl"), st.integers(0, 200)), min_size=1, max_size=9),
)
def test_no_fate_of_any_call_brings_the_sums_over_a_cap_or_below_zero(
    tmp_path_factory, kind, size, concurrency, fates
):
    asked, seen = requests(15), []
    worst = worst_cost(asked[-1], price_of(prompt="1", completion="1"))
    limit = {"usd": size * worst.nano / 1e9, "tokens": size * worst.tokens, "calls": size}[kind]
    place = ("usd", "tokens", "calls").index(kind)
    with Store(tmp_path_factory.mktemp("caps") / "s.db") as store:

        def reply(request, attempt):
            seen.append(sums(store)[place])
            fate, share = fates[len(seen) % len(fates)]
            used = Usage(prompt_tokens=min(share, worst.tokens - 50), completion_tokens=min(share, 50))
            if fate == "k":
                return Reply(text="Fine.", usage=used)
            paid = Failure(
                kind="server", message="no", is_retryable=True, is_paid=True if fate == "f" else None
            )
            return Reply(failure=paid, usage=used)

        account = Account(store=store, place=Place(run="r1"), budget=Budget(**{kind: limit}))
        came = ask_all(asked, ScriptedTeacher(reply, concurrency=concurrency), account=account, config=FAST)
        spent = sums(store)[place]
        exact = to_nano(limit) if kind == "usd" else limit  # dollars times 1e9 would be a little less
        assert all(0 <= count <= exact for count in (*seen, spent))
        if came.refused is not None:
            assert exact - spent < (worst.nano, worst.tokens, 1)[place]
        else:
            assert not any(item.failure and item.failure.kind == "unpaid" for item in came.replies)
        assert "open" not in states(store)


@pytest.mark.parametrize("kind", ["usd", "tokens", "calls"])
def test_a_cap_holds_on_the_server_s_own_count(tmp_path, kind):
    for seed in range(2):
        hold(tmp_path / str(seed), kind, seed, size=30)


@pytest.mark.slow
@pytest.mark.parametrize("nth", range(50))
def test_a_cap_holds_over_fifty_seeds(tmp_path, nth, fuzz_seed):
    for kind in ("usd", "tokens", "calls"):
        hold(tmp_path / kind, kind, fuzz_seed + nth, size=64)
