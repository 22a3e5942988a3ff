"""Every fault the playground's server knows, through the real client, the store and the asking: how it ends.

Each kind in each form is met by one call among good ones, and by every call of a run. What must come of it
stands in `ENDS`, and in docs/concepts/faults.md, which is held against it.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from endpoints import SECRET

from loopback import served
from tuition.annotation import Account, ask_all
from tuition.annotation.ask.failures import ADVICE
from tuition.annotation.config import AnnotationConfig
from tuition.core.budget import Cost, Usage, price_of
from tuition.core.errors import TeacherError
from tuition.core.records import Failure, Message, Request
from tuition.core.store import Place, Store
from tuition.playground.serving import FAULTS, Faults, app
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.forms import FORMS
from tuition.upkeep import reconcile_store, verify_store

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "faults.md"
PRICE = price_of(prompt=3, completion=15)
CONFIG = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.002, max_attempts=2)
N = 5
SPOILT = 2
ESTIMATED = ("no_usage", "zero_usage")
"""Their tokens are guessed, so that no count of ours can agree with the server's."""


@dataclass(frozen=True, kw_only=True)
class End:
    """What the client makes of a fault."""

    kind: str = ""
    """Kind of the failure; empty: there is none, the answer is kept."""
    again: bool = True
    """Whether the same call is made again."""
    paid: bool | None = False
    """Whether it says the failed attempt was charged; None: it cannot know, and charges the worst."""
    helps: str = ""
    """What to do, where it is another thing than for its kind."""
    longer: bool = False
    """Whether it is asked once more with a larger max_tokens."""


KEPT = End(again=False)
LATER = End(kind="server")
UNKNOWN = End(kind="connection", paid=None)
LATE = End(kind="timeout", paid=None)
BROKEN = End(kind="malformed", paid=None)
BAD = End(kind="bad_request", again=False)
ENDS = {
    "rate_limit": End(kind="rate_limit"),
    "rate_limit_date": End(kind="rate_limit"),
    "rate_limit_silent": End(kind="rate_limit"),
    "quota": End(kind="quota", again=False, helps="add to the account"),
    "overloaded": LATER,
    "overloaded_529": LATER,
    "server_error": LATER,
    "bad_gateway": LATER,
    "timeout_408": LATER,
    "timeout_504": End(kind="server", paid=None),
    "timeout_524": End(kind="server", paid=None),
    "redirect": BAD,
    "auth": End(kind="auth", again=False, helps="mend the key"),
    "forbidden": End(kind="refused", again=False),
    "not_found": End(kind="not_found", again=False),
    "too_long": BAD,
    "unsupported": End(kind="bad_request"),
    "flagged": End(kind="filtered", again=False),
    "drop": UNKNOWN,
    "cut_early": UNKNOWN,
    "cut": UNKNOWN,
    "hang": LATE,
    "slow": LATE,
    "drip": LATE,
    "broken_json": BROKEN,
    "wrong_type": BROKEN,
    "page": BROKEN,
    "bad_gzip": UNKNOWN,
    "bad_bytes": KEPT,
    "error_in_200": LATER,
    "no_choices": End(kind="malformed", paid=True),
    "null_content": End(kind="empty", paid=True),
    "empty": End(kind="empty", paid=True),
    "truncated": End(again=False, longer=True),
    "exhausted": End(kind="truncated", again=False, paid=True, longer=True),
    "filtered": End(kind="filtered", again=False, paid=True),
    "refusal": End(kind="refused", again=False, paid=True),
    "no_usage": KEPT,
    "zero_usage": KEPT,
    "other_model": KEPT,
    "extra_choice": KEPT,
    "missing_choice": End(kind="malformed", paid=True),
    "garbage": KEPT,
}
NATIVE = {
    "unsupported": BAD,
    "no_choices": End(kind="empty", paid=True),
    "null_content": End(kind="malformed", paid=True),
    "filtered": End(kind="refused", again=False, paid=True),
}
"""Where Anthropic's form makes something else of it."""
STOPS = ("quota", "auth")
"""After these no call can succeed: the asking ends with an error, and what was answered is kept."""
CASES = [(form, name) for name in FAULTS for form in FAULTS[name].forms if form in FORMS]


def end_of(form, name):
    return NATIVE.get(name, ENDS[name]) if form == "anthropic" else ENDS[name]


def question(teacher, i):
    text = f"Question: Today is March {i + 1}. Which date is 10 days from now?"
    return Request(
        endpoint=teacher.endpoint,
        model=teacher.model,
        messages=(Message(role="user", content=text),),
        parameters={"max_tokens": 100},
        teacher="t",
        role="solve",
        example_id=str(i),
    )


@dataclass(kw_only=True)
class Met:
    """What a run through the server came to."""

    replies: tuple = ()
    error: str = ""
    attempts: list
    payments: list
    path: Path
    listed: Path

    @property
    def spoilt(self):
        """Attempts the server spoilt, by the tags on its list, or that failed."""
        tags = {row["tag"] for row in self.payments if row["fault"]}
        return [row for row in self.attempts if row["failure"] or row["tag"] in tags]

    @property
    def charged(self):
        return sum(
            row["worst_nano"] if row["state"] == "unknown" else row["paid_nano"] for row in self.attempts
        )

    @property
    def owed(self):
        usages = [
            Usage(prompt_tokens=row["prompt_tokens"], completion_tokens=row["completion_tokens"])
            for row in self.payments
        ]
        return sum(Cost.of(usage, PRICE).nano for usage in usages)


class Switch:
    """One server on one address, whose application every test puts in anew."""

    def __init__(self):
        self.application = app()
        self.url = ""

    async def __call__(self, scope, receive, send):
        await self.application(scope, receive, send)


@pytest.fixture(scope="module")
def switch():
    switch = Switch()
    with served(switch) as switch.url:
        yield switch


def meet(folder, switch, form, *, faults, n=N, timeout_s=20.0):
    """Ask n questions, one after the other, of a server with these faults."""
    path, listed = folder / "tuition.db", folder / "server.jsonl"
    listed.touch()
    switch.application = app(faults, listed)
    with Store(path) as store:
        config = TeacherConfig(
            name="t",
            model="program-chen-1",
            base_url=switch.url,
            api_key_env="TEACHER_KEY",
            price_prompt=3,
            price_completion=15,
            concurrency=1,
            timeout_s=timeout_s,
            wire={"form": form},
        )
        teacher, met = make_teacher(config), {}
        try:
            account = Account(store=store, place=Place(run="r"))
            asked = ask_all([question(teacher, i) for i in range(n)], teacher, account=account, config=CONFIG)
            met["replies"] = asked.replies
        except TeacherError as error:
            met["error"] = str(error)
        with store.read() as connection:
            attempts = [dict(row) for row in connection.execute("SELECT * FROM attempts ORDER BY id")]
    payments = [json.loads(line) for line in listed.read_text().splitlines()]
    return Met(**met, attempts=attempts, payments=payments, path=path, listed=listed)


def some(**more):
    return Faults(slow_s=3.0, hang_s=3.0, retry_after_s=0, **more)


def patience(name):
    """Seconds to wait: short where the answer comes too late, and else long, however busy the machine is."""
    return 0.8 if ENDS[name] is LATE else 20.0


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", SECRET)


def check_money(met, name):
    """Every payment is one attempt's, the ledger is not below the server's list, and meets it at the end."""
    tags = [row["tag"] for row in met.payments]
    assert len(set(tags)) == len(tags)
    assert set(tags) <= {row["tag"] for row in met.attempts}
    assert met.charged >= met.owed
    endpoint = met.attempts[0]["endpoint"]
    found = reconcile_store(met.path, met.listed, is_complete=True, until=time.time(), endpoint=endpoint)
    assert (found.strange, found.untagged, found.doubled, found.unknown) == (0, 0, 0, 0)
    assert found.differing == 0
    assert bool(found.counted) == (name in ESTIMATED)
    assert round(found.usd_after * 1e9) == met.owed
    assert verify_store(met.path).faults == ()
    assert SECRET.encode() not in met.path.read_bytes()


def check_failure(failure, end):
    assert (failure.kind, failure.is_paid) == (end.kind, end.paid)
    helps = ADVICE.get(end.kind, "start again")
    assert helps in failure.message or helps[0].upper() + helps[1:] in failure.message


@pytest.mark.parametrize(("form", "name"), CASES, ids=[f"{form}-{name}" for form, name in CASES])
def test_one_spoilt_call_among_good_ones(tmp_path, switch, form, name):
    end = end_of(form, name)
    met = meet(tmp_path, switch, form, faults=some(plan=("",) * SPOILT + (name,)), timeout_s=patience(name))
    others = [row for row in met.attempts if row["example_id"] != str(SPOILT)]
    mine = [row for row in met.attempts if row["example_id"] == str(SPOILT)]
    assert {row["state"] for row in others} == {"kept"}, "no other row is touched"
    check_money(met, name)
    if name in STOPS:
        assert (len(mine), mine[0]["state"], len(others)) == (1, "failed", SPOILT)
        assert "'t' accepts no call: HTTP 4" in met.error
        assert ("start again" in met.error) or ("key may be wrong" in met.error)
        return
    assert len(others) == N - 1
    assert len(mine) == 1 + end.again + end.longer
    if end.kind:
        failure = Failure.from_json(json.loads(mine[0]["failure"]))
        if not end.again or name != "unsupported":
            check_failure(failure, end)
        assert mine[0]["state"] == ("unknown" if end.paid is None else "failed")
    ends_well = not end.kind or end.again or end.longer
    for i, reply in enumerate(met.replies):
        assert (reply.failure is None) == (i != SPOILT or ends_well)
    if ends_well:
        assert "The answer is March 13." in met.replies[SPOILT].text
    else:
        check_failure(met.replies[SPOILT].failure, end)


OWN = [(form, name) for form, name in CASES if form == "openai" or name in NATIVE]


@pytest.mark.parametrize(("form", "name"), OWN, ids=[f"{form}-{name}" for form, name in OWN])
def test_nothing_but_spoilt_calls(tmp_path, switch, form, name):
    end = end_of(form, name)
    met = meet(tmp_path, switch, form, faults=some(**{name: 1}), n=1, timeout_s=patience(name))
    check_money(met, name)
    if name in STOPS:
        assert met.error and len(met.attempts) == 1
        return
    assert met.error == ""
    for reply in met.replies:
        assert (reply.failure is None) == (not end.kind)
    if not end.kind:
        assert len(met.attempts) == 1 + end.longer
        return
    for reply in met.replies:
        check_failure(reply.failure, end)
    tries = CONFIG.max_attempts if end.again else 1 + end.longer
    assert len(met.attempts) == tries


def test_what_is_guessed_says_so(tmp_path, switch):
    met = meet(tmp_path, switch, "openai", faults=some(no_usage=1))
    assert [row["is_estimated"] for row in met.attempts] == [1] * N
    assert all(reply.usage.is_estimated for reply in met.replies)


@pytest.mark.parametrize(
    "name", ["", "missing_choice", "extra_choice", "no_choices", "empty", "cut", "garbage"]
)
def test_several_samples_in_one_call(tmp_path, switch, name):
    listed = tmp_path / "server.jsonl"
    switch.application = app(some(plan=(name,)), listed)
    with Store(tmp_path / "tuition.db") as store:
        wire = {"has_n": True}
        table = TeacherConfig(name="t", base_url=switch.url, price_prompt=3, price_completion=15, wire=wire)
        teacher = make_teacher(table.model_copy(update={"model": "program-chen-1"}))
        requests = [replace(question(teacher, 0), sample=i) for i in range(3)]
        asked = ask_all(requests, teacher, account=Account(store=store, place=Place(run="r")), config=CONFIG)
        with store.read() as connection:
            attempts = [dict(row) for row in connection.execute("SELECT * FROM attempts")]
    assert [reply.failure for reply in asked.replies] == [None] * 3
    payments = [json.loads(line) for line in listed.read_text().splitlines()]
    met = Met(attempts=attempts, payments=payments, path=tmp_path / "tuition.db", listed=listed)
    assert {row["tag"] for row in payments} <= {row["tag"] for row in attempts}
    assert met.charged >= met.owed
    found = reconcile_store(met.path, listed, is_complete=True, until=time.time(), endpoint=switch.url)
    assert round(found.usd_after * 1e9) == met.owed
    assert (found.strange, found.unknown) == (0, 0)


def test_every_fault_has_its_end():
    assert list(ENDS) == list(FAULTS)
    assert len(FAULTS) >= 20


def rows_of_page():
    """The table of the page as it should be, one line a fault."""
    charges = {True: "as counted", False: "nothing", None: "its worst, until reconciled"}
    for name, fault in FAULTS.items():
        end = ENDS[name]
        ends = f"`{end.kind}`" if end.kind else "kept"
        native = NATIVE.get(name, end)
        if native.kind != end.kind:
            ends += f"; Anthropic's form: `{native.kind}`"
        again = "yes" if end.again else "once, longer" if end.longer else "no"
        if native.again != end.again:
            again += "; Anthropic's form: no"
        charged = charges[end.paid] if end.kind else "a guess, marked" if name in ESTIMATED else "as counted"
        helps = end.helps or ADVICE.get(end.kind, "")
        paid = "yes" if fault.is_paid else "no"
        yield f"| `{name}` | {fault.about} | {paid} | {ends} | {again} | {charged} | {helps} |"


def test_the_page_shows_what_is_tested():
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [line for line in shown if line in set(rows_of_page())] == list(rows_of_page())
