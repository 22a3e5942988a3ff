"""What the programs do with prompts about steps: the whole way, through the annotators that write them."""

import asyncio
import json
from random import Random

import pytest

from tuition.annotation import Account, AnnotationConfig, Asker
from tuition.annotation.revise import prompts, revise, revision_figures
from tuition.annotation.revise.prompts import step_messages
from tuition.annotation.revise.read import read_location, read_revision, read_verdict
from tuition.core.records import Example, Message, Prediction, Request
from tuition.core.store import Place, Store
from tuition.core.texts.steps import split_steps
from tuition.playground.second_look import Prompted, broken, in_json, read_prompt
from tuition.playground.styles import STYLES, tell
from tuition.playground.teachers import PROGRAMS, PlaygroundTeacher
from tuition.playground.world import PlaygroundSource, playground_splits, recognise
from tuition.tasks import make_task

EXAMPLES = playground_splits(seed=5, train=240, valid=0, test=0).train
BY_ID = {example.id: example for example in EXAMPLES}
TASK = make_task("mixed")
CHECKER = PlaygroundSource()
WRONG_AT = {}


def _draft(i, example):
    """Every other one with a slip, in the styles in turn."""
    puzzle, style = recognise(example.question)[1], STYLES[list(STYLES)[i % len(STYLES)]]
    solution = puzzle.solve(Random(i)) if i % 2 else puzzle.solve()
    steps = tell(solution, style, 0)
    WRONG_AT[example.id] = CHECKER.first_wrong_step(example, steps)
    text = style.joint.join([*steps, f"The answer is {solution.answer}."])
    return Prediction(example_id=example.id, text=text, answer=TASK.read(text, example))


DRAFTS = [_draft(i, example) for i, example in enumerate(EXAMPLES)]


def ask(program, messages, **parameters):
    request = Request(endpoint="playground:", model="any", messages=messages, parameters=parameters)
    return asyncio.run(PlaygroundTeacher(program).complete(request)).text


def annotated(tmp_path, by, program, *panel, config=None):
    with Store(tmp_path / f"{by}.db") as store:
        account = Account(store=store, place=Place(run="r"))

        def asker(name):
            return Asker(
                teacher=PlaygroundTeacher(name),
                task=TASK,
                account=account,
                train=EXAMPLES[:20],
                config=config or AnnotationConfig(answer_check=False),
                parameters={"max_tokens": 256},
            )

        return revise(
            DRAFTS,
            BY_ID,
            by=by,
            asker=asker(program),
            panel=[asker(name) for name in panel],
        )


def steps_of(example):
    draft = next(draft for draft in DRAFTS if draft.example_id == example.id)
    return split_steps(draft.text.partition("The answer is")[0].strip())


def test_the_block_is_read_whatever_is_asked():
    example = next(example for example in EXAMPLES if example.choices)
    steps = ("1. It is so.", "Options: (a) no")
    known = {"question": example.question, "choices": example.choices, "steps": steps}
    for messages, wanted in [
        (step_messages(prompts.JUDGE_STEP, example, steps), "verdict"),
        (step_messages(prompts.REVISE, example, steps), "revision"),
        (step_messages(prompts.LOCATE, example, steps), "location"),
        (step_messages(prompts.CLEAR, example, steps), "json"),
        (step_messages(prompts.CONFIRM, example, steps, stated="x"), "final"),
    ]:
        assert read_prompt(messages[0].content) == Prompted(**known, wanted=wanted)
    repaired = read_prompt(step_messages(prompts.REPAIR, example, steps)[0].content)
    assert repaired == Prompted(**known, answer=example.answer, wanted="repair")
    alone = read_prompt(prompts.answer_messages(example, EXAMPLES[:2])[0].content)
    assert alone == Prompted(example.question, example.choices, wanted="answer")


@pytest.mark.parametrize("by", ["clear", "clear_one_call", "clear_panel"])
def test_a_strong_program_finds_the_slip_and_mends_it_in_step_with_the_right_solution(tmp_path, by):
    found = annotated(tmp_path, by, "chen", "ada")
    assert len(found.annotations) > 0.8 * len(DRAFTS)
    placed = mended = 0
    for item in found.annotations:
        example = BY_ID[item.example_id]
        placed += item.first_wrong == WRONG_AT[example.id]
        mended += CHECKER.first_wrong_step(example, split_steps(item.rationale)) is None
    assert placed > 0.95 * len(found.annotations)
    assert mended > 0.95 * len(found.annotations)


def test_a_sloppy_program_is_worse_and_its_json_breaks_at_the_declared_share(tmp_path):
    figures = {name: revision_figures(annotated(tmp_path / name, "clear_one_call", name))
               for name in ("chen", "emil") if (tmp_path / name).mkdir() is None}  # fmt: skip
    assert (figures["chen"].repaired_json, figures["chen"].fallbacks) == (0, 0)
    # A quarter of what breaks is beyond repair; cuts, loops and spills come on top of it.
    profile = PROGRAMS["emil"]
    spoiled = profile.breaks + profile.cuts + profile.loops + profile.spills
    assert figures["emil"].fallbacks > 0
    assert abs((figures["emil"].repaired_json + figures["emil"].fallbacks) / len(DRAFTS) - spoiled) < 0.1


@pytest.mark.parametrize(("program", "style"), [("chen", "numbered"), ("ada", "plain"), ("dara", "terse")])
def test_the_rest_is_written_in_the_programs_own_style(program, style):
    example = next(example for example in EXAMPLES if example.domain == "letters")
    solution = recognise(example.question)[1].solve()
    own = tell(solution, STYLES[style], 0)
    kept = tell(solution, STYLES["chatty"], 0)
    text = ask(program, step_messages(prompts.REVISE, example, [*kept[:1], "So it is x."]))
    assert text == STYLES[style].joint.join([*own[1:], f"The answer is {solution.answer}."])


@pytest.mark.parametrize("program", ["ada", "emil"])
def test_steps_and_explanations_are_misread_at_about_the_declared_rate(program):
    rates = PROGRAMS[program].errors
    told = [example for example in EXAMPLES if example.domain in ("coins", "phrases", "tracking", "dates")]
    right = [example for example in told if WRONG_AT[example.id] is None]
    declared = sum(rates[example.domain] for example in right) / len(right)
    located = [
        read_location(ask(program, step_messages(prompts.LOCATE, example, steps_of(example))), 99)
        for example in right
    ]
    seen = [place for place in located if place is not None]
    misread = sum(place != 99 for place in seen) / len(seen)
    assert abs(misread - declared) < 0.03 + 3 * (declared * (1 - declared) / len(seen)) ** 0.5
    stopped = 0
    for example in right:
        steps = steps_of(example)
        verdicts = [
            read_verdict(ask(program, step_messages(prompts.JUDGE_STEP, example, steps[: i + 1])), step=i + 1)
            for i in range(len(steps))
        ]
        stopped += False in verdicts
    assert stopped / len(right) < declared + 0.03 + 3 * (declared * (1 - declared) / len(right)) ** 0.5


def test_a_program_that_cannot_read_a_domain_guesses_the_verdict():
    told = [example for example in EXAMPLES if example.domain == "tracking"]
    said = {
        ask("dara", step_messages(prompts.JUDGE_STEP, example, steps_of(example)[:1])) for example in told
    }
    assert said == {"Step 1 is right.", "Step 1 is wrong."}
    foreign = [step_messages(prompts.JUDGE_STEP, Example(id="x", question=f"Which gas, {i}?"), ["A."])
               for i in range(20)]  # fmt: skip
    assert len({ask("chen", messages) for messages in foreign}) == 2


def test_right_steps_are_confirmed_and_a_wrong_answer_behind_them_is_corrected():
    right = [example for example in EXAMPLES if WRONG_AT[example.id] is None][:60]
    said = [
        ask("chen", step_messages(prompts.CONFIRM, example, steps_of(example), stated="x"))
        for example in right
    ]
    assert sum(
        text == f"The answer is {e.answer}." for text, e in zip(said, right, strict=True)
    ) >= 0.95 * len(right)


def test_repair_keeps_what_is_right_word_for_word_and_ends_at_the_hint():
    wrong = [example for example in EXAMPLES if WRONG_AT[example.id]][:60]
    kept = ended = 0
    for example in wrong:
        steps, k = steps_of(example), WRONG_AT[example.id]
        *lines, last = ask("chen", step_messages(prompts.REPAIR, example, steps)).splitlines()
        kept += tuple(lines[:k]) == steps[:k] and lines != list(steps)
        ended += last == f"The answer is {example.answer}."
    assert kept >= 0.95 * len(wrong)
    assert ended >= 0.95 * len(wrong)


def test_an_answer_alone_is_that_of_the_chain():
    for example in EXAMPLES[:60]:
        chain = f"Question: {example.question}\nExplanation:"
        alone = ask("ada", (Message(
            role="user", content=f"Question: {example.question}\nAnswer:"),))  # fmt: skip
        solved = ask("ada", (Message(role="user", content=chain),))
        assert solved.endswith(alone)


def test_json_is_written_and_broken_in_four_ways_of_which_three_can_be_repaired():
    text = in_json(1, ["4 + 5 = 9."], "9")
    assert json.loads(text) == {"first_wrong_step": 2, "corrected_steps": ["4 + 5 = 9."], "answer": "9"}
    assert json.loads(in_json(None, [], "9"))["first_wrong_step"] is None
    spoiled = {broken(text, Random(i)) for i in range(40)}
    assert len(spoiled) == 4
    assert text not in spoiled
    found = [read_revision(part, 3) for part in sorted(spoiled)]
    assert sum(revision is not None and revision.is_repaired for revision in found) == 3
