"""Ours, as a user has it: every attempt reserved and settled in a store on disk, the replies kept there."""

import measure

from tuition.annotation import Account, ask_all
from tuition.core.records import Message, Request
from tuition.core.store import Place, Store
from tuition.teachers import TeacherConfig, make_teacher


def ask(prompts, *, url, at_once, folder):
    teacher = make_teacher(
        TeacherConfig(
            name="t",
            model="gpt-4o-mini",
            base_url=url,
            concurrency=at_once,
            max_tokens=256,
            price_prompt=1,
            price_completion=2,
        )
    )
    requests = [
        Request(
            endpoint=teacher.endpoint,
            model=teacher.model,
            messages=(Message(role="user", content=prompt),),
            parameters={"max_tokens": 256},
            teacher=teacher.name,
            role="solve",
        )
        for prompt in prompts
    ]
    with Store(folder / "tuition.db") as store:
        asked = ask_all(requests, teacher, account=Account(store=store, place=Place(run="r")))
        return [reply.text for reply in asked.replies]


if __name__ == "__main__":
    measure.measured(ask)
