"""Every kind of call against the key it had in 0.1.0: a call with another key would be bought again.

`request_keys.json` was made with the code of that version. A line of it is never changed; where a prompt gets
another text, it gets another version, whose calls join the list.
"""

import dataclasses
import hashlib
import json
import os
from pathlib import Path

import pytest

from tuition.annotation import AnnotationConfig, Asker
from tuition.annotation.annotate import annotation_requests
from tuition.annotation.demonstrations import Demonstrations
from tuition.annotation.prompts import VERIFY, verify_messages
from tuition.annotation.revise import ANNOTATORS, RevisionConfig, prompts
from tuition.annotation.revise.session import draft_steps, draft_text
from tuition.annotation.verify import judge_requests, verify_requests
from tuition.core.records import Annotation, Example, Prediction, Request
from tuition.tasks import make_task
from tuition.teachers import make_teacher
from tuition.teachers.config import TeacherConfig

GOLDEN = Path(__file__).with_name("request_keys.json")
NANO = Path(__file__).parents[1] / "fixtures" / "v0.1.0" / "nano"
URL = "http://127.0.0.1:9/v1"
TEACHERS = {
    "openai": {"kind": "chat", "name": "t", "model": "m", "base_url": URL},
    "openai sampled": {
        **{"kind": "chat", "name": "t", "model": "org/m", "base_url": f"{URL}/"},
        **{"temperature": 0.7, "max_tokens": 300, "samples": 2},
    },
    "openai schema": {
        **{"kind": "chat", "name": "t", "model": "m", "base_url": URL},
        "wire": {
            "has_json": True,
            "extra": {"reasoning_effort": "low", "top_p": 0.95, "stop": ["Ω", "\n\n"]},
        },
    },
    "anthropic": {
        **{"kind": "chat", "name": "t", "model": "m", "base_url": "http://127.0.0.1:9"},
        "wire": {"form": "anthropic"},
    },
    "anthropic sampled": {
        **{"kind": "chat", "name": "t", "model": "m", "base_url": "http://127.0.0.1:9", "temperature": 1},
        "wire": {"form": "anthropic", "has_temperature": True},
    },
    "local": {"kind": "local", "name": "t", "model": str(NANO), "temperature": 0.5},
    "playground": {"kind": "playground", "name": "ada"},
    "recorded": {"kind": "recorded", "name": "t", "model": "r", "file": "replies.jsonl", "samples": 2},
}
EXAMPLES = [
    Example(id="a", question="What is 2 + 2?", answer="4", context="Añadir «eins» — 加法."),
    Example(id="b", question="Which flies?", choices=("a fish", "a bird"), answer="a bird", domain="animals"),
    Example(id="c", question="Is water wet?", answer="yes"),
]
BY_ID = {example.id: example for example in EXAMPLES}
KEPT = [
    Annotation(
        example_id="a", teacher=name, kind="rationale", rationale=f"{name} adds. So it is 4.", answer="4"
    )
    for name in ("t", "u")
]
DRAFTS = [
    Prediction(example_id="a", text="Two and two. They are five. The answer is 5.", answer="5"),
    Prediction(example_id="b", text="Birds have wings. The answer is a bird.", answer="a bird"),
]
WAYS = {
    "forced": {"forced": True, "examples": 0},
    "forced, shown at random": {"forced": True, "examples": 1},
    "solved, shown the nearest": {"forced": False, "examples": 1, "examples_by": "nearest"},
    "solved, shown the same": {"forced": False, "examples": 2, "examples_by": "fixed"},
}


def calls(folder):
    """Every call by what it is for, to each kind of teacher."""
    second = make_teacher(TeacherConfig(kind="playground", name="bela"))
    (folder / "replies.jsonl").write_text('{"id": "a", "rationales": {"r": {"text": "4"}}}\n')
    for kind, table in TEACHERS.items():
        files = {"file": str(folder / table["file"])} if "file" in table else {}
        config = TeacherConfig.model_validate({**table, **files})
        teacher = make_teacher(config)
        asker = Asker(
            teacher=teacher,
            task=make_task("mixed"),
            train=EXAMPLES,
            parameters=config.parameters(),
            seed=5,
        )
        for way, asked in WAYS.items():
            yield (
                f"{kind}: {way}",
                annotation_requests(
                    EXAMPLES[:2],
                    dataclasses.replace(asker, config=AnnotationConfig(**asked)),
                    samples=config.samples,
                ),
            )
        yield f"{kind}: verify", verify_requests(KEPT, BY_ID, asker)
        yield f"{kind}: judge", judge_requests({"a": KEPT}, BY_ID, asker)
        for by in sorted(ANNOTATORS) if teacher.abilities.reads_prompt else ():
            yield f"{kind}: {by}", list(revisions(by, asker, dataclasses.replace(asker, teacher=second)))


def revisions(by, asker, other):
    """Every call that an annotator may make about a draft, in the draft's words where it rests on a reply."""
    revision = RevisionConfig()
    asker, other = (dataclasses.replace(one, config=AnnotationConfig(examples=1)) for one in (asker, other))
    shown = Demonstrations(EXAMPLES, k=1, seed=5, by=asker.config.examples_by)

    def chain(example, *, forced=False):
        [request] = annotation_requests([example], asker.how(forced=forced))
        return request

    def about(example, prompt, *steps, asked=asker, stated=None):
        messages = prompts.step_messages(prompt, example, steps, stated=stated)
        return put(example, prompt, messages, asked)

    def put(example, prompt, messages, asked=asker):
        has_json = asked.teacher.abilities.has_json
        bounded = prompts.parameters_of(prompt, asked.parameters, revision, has_json=has_json)
        return asked.request(messages, prompt=prompt, example_id=example.id, **bounded)

    for draft in DRAFTS:
        example, steps = BY_ID[draft.example_id], draft_steps(draft, revision.max_steps)
        if by in ("chain", "chain_gold"):
            yield chain(example, forced=by == "chain_gold")
        elif by == "answer_only":
            yield put(example, prompts.ANSWER, prompts.answer_messages(example, shown.draw(example)))
        elif by == "repair":
            yield about(example, prompts.REPAIR, *steps)
        elif by == "clear_one_call":
            yield about(example, prompts.CLEAR, *steps)
            yield chain(example)
        else:
            if by == "clear_panel":
                for asked in (asker, other):
                    yield about(example, prompts.LOCATE, *steps, asked=asked)
            else:
                for k in range(1, len(steps) + 1):
                    yield about(example, prompts.JUDGE_STEP, *steps[:k])
            for k in range(1, len(steps) + 1):
                yield about(example, prompts.REVISE, *steps[:k])
            yield about(example, prompts.CONFIRM, *steps, stated=draft.answer)
            if by == "clear_panel":
                yield put(example, VERIFY, verify_messages(example, draft_text(draft)), other)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    listed = {
        f"{name} {i}": request
        for name, requests in calls(tmp_path_factory.mktemp("calls"))
        for i, request in enumerate(requests)
    }
    if os.environ.get("TUITION_RENEW_GOLDEN"):
        known = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
        rows = {name: request.key for name, request in listed.items()} | known
        GOLDEN.write_text(json.dumps(rows, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")
    return listed


def test_every_call_has_the_key_it_had(found):
    wanted = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert len(wanted) > 200
    assert wanted.keys() <= found.keys()
    other = {name: found[name].to_json() for name, key in wanted.items() if found[name].key != key}
    assert other == {}, "these calls would be bought again"


def test_every_call_is_in_the_list(found):
    assert found.keys() == json.loads(GOLDEN.read_text(encoding="utf-8")).keys()


def test_the_key_is_the_sum_of_a_text_that_anybody_can_write(found):
    request = found["openai sampled: solved, shown the same 3"]
    assert request.sample == 1
    assert (
        request.key
        == hashlib.sha256(
            json.dumps(
                {
                    "endpoint": request.endpoint,
                    "messages": [{"content": one.content, "role": one.role} for one in request.messages],
                    "model": "org/m",
                    "parameters": {"max_tokens": 300, "temperature": 0.7},
                    "sample": 1,
                },
                ensure_ascii=False,
                sort_keys=True,
                separators=(",", ":"),
            ).encode()
        ).hexdigest()
    )
    assert Request.from_json(json.loads(json.dumps(request.to_json()))).key == request.key
