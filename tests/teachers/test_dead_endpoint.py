"""An endpoint at which nobody answers is given up after seconds; one that has answered is asked again."""

import asyncio
import socket
import time

import pytest
from endpoints import Script, ask, request, serving

from tuition.annotation import Account, ask_all
from tuition.core.errors import TeacherError
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http import connections
from tuition.teachers.reach import out_of_reach_first


def nowhere():
    """An address of this machine at which nobody listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


def teacher(url, **more):
    return make_teacher(TeacherConfig(name="far", base_url=url, price_prompt=1, price_completion=1, **more))


def test_it_is_given_up_within_seconds_and_nothing_is_charged(tmp_path):
    far, begun = teacher(nowhere()), time.monotonic()
    requests = [request(far, messages=None, seed=i) for i in range(60)]
    with Store(tmp_path / "s.db") as store:
        with pytest.raises(TeacherError) as error:
            ask_all(requests, far, account=Account(store=store, place=Place(run="r")))
        spend = store.spend("r")
    assert time.monotonic() - begun < 15
    assert "teacher 'far' accepts no call: " in str(error.value)
    assert f"before the request was sent; nobody at {far.endpoint} has answered yet. See that" in str(
        error.value
    )
    assert ".." not in str(error.value)
    assert (spend.paid_usd, spend.unknown) == (0.0, 0)


def test_the_first_refusals_are_asked_again(monkeypatch):
    far = teacher(nowhere())
    kinds = [ask(far).failure.kind for _ in range(4)]
    assert kinds == ["connection"] * 4
    monkeypatch.setattr(connections, "_PATIENCE_S", 0.0)
    failure = ask(far).failure
    assert (failure.kind, failure.is_retryable, failure.is_paid) == ("unusable", True, False)


def test_one_that_has_answered_is_asked_again_for_as_long_as_any(monkeypatch):
    monkeypatch.setattr(connections, "_PATIENCE_S", 0.0)
    script = Script()
    with serving(script) as url:
        near = teacher(url)
        assert ask(near).failure is None
    kinds = {ask(near).failure.kind for _ in range(5)}
    assert kinds == {"connection"}
    # Another teacher at the same address knows it too.
    assert {ask(teacher(url)).failure.kind for _ in range(5)} == {"connection"}


def test_a_batch_is_not_handed_over_for_ever(monkeypatch):
    monkeypatch.setattr(connections, "_PATIENCE_S", 0.0)
    far = teacher(nowhere(), wire={"in_batches": True})
    for _ in range(2):
        with pytest.raises(ConnectionError, match="before the request was sent"):
            asyncio.run(far.submit("b", [request(far, tag="t")]))
    with pytest.raises(TeacherError, match=r"'far' cannot be asked: .* has answered yet"):
        asyncio.run(far.submit("b", [request(far, tag="t")]))


def test_who_cannot_be_reached_is_asked_first_and_the_others_in_their_order():
    def table(name, **more):
        return TeacherConfig(name=name, **more)

    with serving(Script()) as url:
        near, far = table("near", base_url=url), table("far", base_url=nowhere())
        away = [table("odd", base_url="http://127.0.0.1:99999/v1"), table("none")]
        program = table("ada", kind="playground")
        assert out_of_reach_first([program, near, far]) == ["far", "ada", "near"]
        assert out_of_reach_first([near, *away, program]) == ["odd", "none", "near", "ada"]
    assert out_of_reach_first([far]) == ["far"]
