"""A teacher asked in batches, questions for it, and a process of its own that dies where it is told to.

Run as `python batch_world.py URL STORE STAGE NTH N`: asks n questions, and kills itself at the stage.
"""

import inspect
import os
import signal
import sys
from pathlib import Path

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.budget import price_of
from tuition.core.records import Message, Request
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher
from tuition.teachers.http.batch import BatchedTeacher
from tuition.teachers.http.connections import Connections

_QUESTION = "Question: Today is March {}. Which date is 10 days from now?"
FAST = AnnotationConfig(backoff_s=0.001, backoff_most_s=0.002, max_attempts=3)
PLACE = Place(run="r1")
PRICE = price_of(prompt="1.5", completion="7.5")
"""Half of what stands in the table."""


def teacher(url, **changed):
    wire = {"in_batches": True, "batch_poll_s": 0.01, **changed.pop("wire", {})}
    table = {"name": "t", "model": "program-chen-1", "base_url": url, "wire": wire, "timeout_s": 5}
    return make_teacher(TeacherConfig(price_prompt=3, price_completion=15, **{**table, **changed}))


def questions(asked, n, **changed):
    return [
        Request(
            **{
                "endpoint": asked.endpoint,
                "model": asked.model,
                "messages": (Message(role="user", content=_QUESTION.format(i + 1)),),
                "parameters": {"max_tokens": 100},
                "teacher": "t",
                "role": "solve",
                "example_id": f"e{i}",
                **changed,
            }
        )
        for i in range(n)
    ]


def run(store, asked, n_or_requests, *, config=FAST, **more):
    requests = questions(asked, n_or_requests) if isinstance(n_or_requests, int) else n_or_requests
    return ask_all(requests, asked, account=Account(store=store, **({"place": PLACE} | more)), config=config)


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Death:
    """Dies at the n-th call of something, before it, or when it is done."""

    def __init__(self, owner, name, *, nth=1, is_before=False, is_meant=lambda *_: True):
        self.owner, self.name, self.nth = owner, name, nth
        self.is_before, self.is_meant = is_before, is_meant
        self.left = 0

    def arm(self, nth=0):
        real = getattr(self.owner, self.name)
        self.left = nth or self.nth
        if inspect.iscoroutinefunction(real):

            async def wrapped(one, *values, **named):
                is_mine = self.counts(values)
                result = await real(one, *values, **named)
                return die() if is_mine else result
        else:

            def wrapped(one, *values, **named):
                is_mine = self.counts(values)
                future = real(one, *values, **named)
                if is_mine:
                    # It is on disk by then.
                    future.result()
                    die()
                return future

        setattr(self.owner, self.name, wrapped)

    def counts(self, values):
        if not self.is_meant(*values):
            return False
        self.left -= 1
        if self.left == 0 and self.is_before:
            die()
        return self.left == 0


STAGES = {
    "opened": Death(Store, "open_batch"),
    "half reserved": Death(Store, "reserve", nth=15),
    "reserved": Death(BatchedTeacher, "submit", is_before=True),
    "uploaded": Death(Connections, "transfer", is_meant=lambda path, content=None: content is not None),
    "handed over": Death(BatchedTeacher, "submit"),
    "noted": Death(Store, "sent_batch"),
    "looked at": Death(BatchedTeacher, "poll"),
    "fetched": Death(BatchedTeacher, "collect"),
    "half settled": Death(Store, "settle", nth=5),
    "settled": Death(Store, "end_batch", is_before=True),
    "ended": Death(Store, "end_batch"),
}
"""Where the process dies, in the order in which a batch comes there; ten questions."""


def main(url, path, stage, nth, n):
    if stage:
        STAGES[stage].arm(int(nth))
    with Store(Path(path)) as store:
        run(store, teacher(url), int(n))


if __name__ == "__main__":
    main(*sys.argv[1:])
