"""Tickets: what they say, and how programs go by the labels and fields of a prompt."""

import asyncio
import json
from collections import Counter
from random import Random

import pytest

from tuition.annotation.prompts import PROMPTS
from tuition.core.errors import DataError
from tuition.core.records import Example, Message, Request
from tuition.playground.config import PlaygroundConfig
from tuition.playground.domains import DOMAINS
from tuition.playground.domains.tickets import TICKETS
from tuition.playground.teachers import PROGRAMS, PlaygroundTeacher
from tuition.playground.world import PlaygroundSource, playground_splits, recognise
from tuition.tasks.fields import Fields
from tuition.tasks.label import Label

PROBLEMS = TICKETS.make(Random(0), [1200, 0, 0])[0]


def puzzle(text, form=""):
    found = TICKETS.recognise(text)
    return TICKETS.told(found, form) if found else None


def test_six_categories_are_uneven_and_all_products_and_urgencies_occur():
    counts = Counter(problem.answer for problem in PROBLEMS)
    assert set(counts) == set(TICKETS.labels) and len(counts) == 6
    assert counts["billing"] > 2 * counts["sales"] > 0
    records = [json.loads(problem.record) for problem in PROBLEMS]
    for name, about in TICKETS.json_schema["properties"].items():
        assert {record[name] for record in records} == set(about["enum"])


def test_an_old_matter_does_not_count():
    told = [problem for problem in PROBLEMS if "Last year" in problem.question]
    assert 0.3 < len(told) / len(PROBLEMS) < 0.5
    assert all(puzzle(problem.question).solve().answer == problem.answer for problem in told)
    text = "Dear team, I forgot my password. It is about my phone. "
    old = "Last year it was another matter (is it in stock), and that is settled. "
    assert puzzle(f"{text}{old}Thank you.").solve().answer == "account"


def test_a_record_follows_the_fields_that_are_told():
    text = "Dear team, I forgot my password. It is about my phone. This is urgent."
    form = "One JSON object:\n- thing (one of: car, phone): x\n- soon (true or false)\n- price (a number)"
    found = puzzle(text, form)
    assert json.loads(found.solve().answer) == {"thing": "phone", "soon": True, "price": None}
    slips = {found.solve(Random(i)).answer for i in range(20)}
    assert len(slips) > 2
    assert json.loads(puzzle(text, Fields(TICKETS.json_schema).told).solve().answer) == {
        "product": "phone",
        "urgency": "high",
    }


def test_labels_are_matched_by_name_then_by_meaning_and_else_not_at_all():
    text = "Dear team, I forgot my password. It is about my phone. This is urgent."
    assert puzzle(text).solve().answer == "account"
    assert puzzle(text, Label({"account": "", "x": ""}).told).solve().answer == "account"
    assert puzzle(text, Label({"L1": "money", "L2": "passwords and such"}).told).solve().answer == "L2"
    assert puzzle(text, Label({"L1": "", "L2": ""}).told).solve().answer == "account"


@pytest.mark.parametrize("kind", ["label", "fields"])
def test_measured_error_rates_are_near_the_declared(kind):
    task = Label(TICKETS.labels) if kind == "label" else Fields(TICKETS.json_schema)
    examples = playground_splits(seed=2, train=400, valid=0, test=0, kind=kind).train
    for program, profile in PROGRAMS.items():
        teacher, wrong = PlaygroundTeacher(program), 0
        for example in map(task.prepared, examples):
            [message] = PROMPTS["solve/1"].render(example)
            asked = f"{task.told}\n\n{message.content}"
            request = Request(endpoint="", model="", messages=(Message(role="user", content=asked),))
            text = asyncio.run(teacher.complete(request)).text
            wrong += task.read(text, example) != example.answer
        lossy = profile.cuts + profile.loops + profile.spills
        rate = profile.errors["tickets"]
        assert rate / 3 <= wrong / len(examples) <= rate + lossy + 0.05


def test_tickets_come_where_the_kind_or_the_configuration_names_them():
    assert {item.domain for item in playground_splits(seed=0, train=60, valid=0, test=0).train} == set(
        DOMAINS
    ) - {"tickets"}
    of_kind = playground_splits(seed=0, train=6, valid=0, test=0, kind="fields").train
    assert {item.domain for item in of_kind} == {"tickets"}
    named = playground_splits(seed=0, train=6, valid=0, test=0, domains=["tickets"]).train
    assert all(item.answer in TICKETS.labels for item in named)
    other = playground_splits(seed=0, train=6, valid=0, test=0, domains=["coins"], kind="fields").train
    assert all(item.answer is None for item in other)


def test_the_source_says_the_form_of_its_one_domain():
    source = PlaygroundSource(PlaygroundConfig(kind="label"))
    assert (source.labels, source.json_schema) == (TICKETS.labels, TICKETS.json_schema)
    assert PlaygroundSource(PlaygroundConfig()).labels == {}


@pytest.mark.parametrize(
    "config",
    [
        PlaygroundConfig(kind="label", labels={"Q": "passwords, signing in", "Z": "invoices, charges"}),
        PlaygroundConfig(kind="fields", train=12),
    ],
)
def test_the_source_knows_the_steps_of_its_form(config):
    source = PlaygroundSource(config)
    example = Example(id="e", question=next(p.question for p in PROBLEMS if p.answer == "account"))
    form = Label(config.labels).told if config.labels else Fields(source.json_schema).told
    steps = [f"{step.why}: {step.what}." for step in puzzle(example.question, form).solve().steps]
    assert source.first_wrong_step(example, steps) is None
    assert source.first_wrong_step(example, [*steps[:-1], "It is so."]) == len(steps) - 1
    assert recognise(example.question)[0] is TICKETS
    with pytest.raises(DataError, match="is no question of the playground's"):
        source.first_wrong_step(Example(id="x", question="Why?"), steps)
