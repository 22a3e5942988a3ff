import pytest
import torch

from tuition.core.errors import TrainingError
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

WRITERS = ["t5-nano", "llama-nano"]
GREEDY = {"samples": 1, "temperature": 0.0, "seed": 0}
DRAWN = {"samples": 3, "temperature": 0.9, "max_tokens": 12}


def texts_of(answers):
    return [[[item.text for item in branch] for branch in branches] for branches in answers]


def text_behind(learner, prefix, tokens):
    """What tokens say behind a prefix."""
    decode = learner.tokenizer.decode
    return decode(prefix + tokens, skip_special_tokens=True)[len(decode(prefix)) if prefix else 0 :].rstrip()


@pytest.mark.parametrize("name", WRITERS)
def test_a_greedy_explanation_is_what_generate_writes_with_the_scores_of_score(
    name, taught, questions, plain
):
    learner = taught(name)
    written = learner.generate(questions, max_tokens=12)
    explained = [row for [row] in learner.explain(questions, max_tokens=12, **GREEDY)]
    assert [item.text for item in explained] == [item.text for item in written]
    assert [item.tokens for item in explained] == [item.tokens for item in written]
    assert len({item.tokens for item in written}) > 1
    for target, item in zip(questions, explained, strict=True):
        prompt = learner._encoder.prompts([target])[0]
        tokens = plain.greedy(learner, prompt, [], 12)
        known = plain.logits(learner, prompt, tokens)[:-1].log_softmax(-1)
        assert item.logprobs == pytest.approx(plain.score(learner, prompt, [], tokens), abs=1e-4)
        assert item.entropies == pytest.approx((-known.exp() * known).sum(-1).tolist(), abs=1e-4)
        assert len(item.ends) == item.tokens and item.ends[-1] == len(item.text)
        assert list(item.ends) == sorted(item.ends)


def test_the_embedded_student_explains_as_it_generates_and_scores(base, apples):
    written = base.generate(apples, max_tokens=100)
    explained = [row for [row] in base.explain(apples, max_tokens=100, **GREEDY)]
    assert [item.text for item in explained] == [item.text for item in written]
    assert max(item.tokens for item in written) < 100
    said = [
        type(target)(example=target.example, prefix=target.prefix, input=target.input, output=item.text)
        for target, item in zip(apples, explained, strict=True)
    ]
    for item, scores in zip(explained, base.score(said), strict=True):
        assert item.logprobs == pytest.approx(scores, abs=1e-4)


@pytest.mark.parametrize("batch_questions", [1, 40])
@pytest.mark.parametrize("name", WRITERS)
def test_scores_behind_prefixes_equal_a_plain_loop(
    name, batch_questions, student, questions, prefixes, plain
):
    learner = student(name, batch_questions=batch_questions)
    outputs = [[" 9.", " red.", f" {i}{i} green apples."][: 1 + i % 3] for i in range(len(questions))]
    scored = learner.scores_from_prefixes(questions, prefixes, outputs)
    assert "" in prefixes[0] and len({len(row) for row in prefixes}) > 3
    for target, beginnings, endings, branches in zip(questions, prefixes, outputs, scored, strict=True):
        prompt = learner._encoder.prompts([target])[0]
        for beginning, branch in zip(beginnings, branches, strict=True):
            for ending, scores in zip(endings, branch, strict=True):
                prefix = learner._encoder.beginnings([beginning])[0]
                whole = learner._encoder.output(beginning + ending)
                expected = plain.score(learner, prompt, prefix, whole[len(prefix) :])
                assert scores == pytest.approx(expected, abs=1e-4)


def test_scores_behind_prefixes_of_the_embedded_student_equal_a_plain_loop(base, apples, plain, without_each):
    endings = [" 9.", " 4.5.", " red."]
    prefixes = [[*without_each(), ""]] * len(apples)
    scored = base.scores_from_prefixes(apples, prefixes, [endings] * len(apples))
    for target, branches in zip(apples, scored, strict=True):
        prompt = base._encoder.prompts([target])[0]
        for beginning, branch in zip(prefixes[0], branches, strict=True):
            for ending, scores in zip(endings, branch, strict=True):
                prefix, whole = (
                    base._encoder.beginnings([beginning])[0],
                    base._encoder.output(beginning + ending),
                )
                assert whole[: len(prefix)] == prefix
                expected = plain.score(base, prompt, prefix, whole[len(prefix) :])
                assert scores == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("batch_questions", [1, 40])
@pytest.mark.parametrize("name", WRITERS)
def test_greedy_answers_behind_prefixes_equal_a_plain_loop(
    name, batch_questions, taught, questions, prefixes, plain
):
    learner = taught(name, batch_questions=batch_questions)
    answers = learner.answers_from_prefixes(questions, prefixes, max_tokens=10, **GREEDY)
    counts = set()
    for target, beginnings, branches in zip(questions, prefixes, answers, strict=True):
        prompt = learner._encoder.prompts([target])[0]
        for beginning, [item] in zip(beginnings, branches, strict=True):
            prefix = learner._encoder.beginnings([beginning])[0]
            tokens = plain.greedy(learner, prompt, prefix, 10)
            counts.add(len(tokens))
            assert item.tokens == len(tokens)
            assert item.text.strip() == text_behind(learner, prefix, tokens).strip()
            assert item.logprobs == pytest.approx(plain.score(learner, prompt, prefix, tokens), abs=1e-4)
    assert len(counts) > 2, "rows should end at unlike steps"


@pytest.mark.parametrize("name", WRITERS)
def test_equal_seeds_draw_equal_texts_whatever_the_batches(name, taught, questions, prefixes):
    learner = taught(name)
    drawn = learner.answers_from_prefixes(questions, prefixes, seed=1, **DRAWN)
    assert learner.answers_from_prefixes(questions, prefixes, seed=1, **DRAWN) == drawn
    learner._config = learner._config.model_copy(update={"batch_questions": 7})
    assert texts_of(learner.answers_from_prefixes(questions, prefixes, seed=1, **DRAWN)) == texts_of(drawn)
    assert texts_of(learner.answers_from_prefixes(questions, prefixes, seed=2, **DRAWN)) != texts_of(drawn)
    assert all(len(branch) == 3 for branches in drawn for branch in branches)
    assert any(len({item.text for item in branch}) > 1 for branches in drawn for branch in branches)


def test_the_temperature_changes_what_is_drawn_and_not_how_it_is_measured(base, apples, plain):
    [hot] = base.explain(apples[:1], samples=20, temperature=2.0, max_tokens=8, seed=0)
    [cold] = base.explain(apples[:1], samples=20, temperature=0.05, max_tokens=8, seed=0)
    assert len({item.text for item in hot}) > len({item.text for item in cold})
    first = plain.logits(base, base._encoder.prompts(apples[:1])[0], [])[0].log_softmax(-1)
    spread = (-first.exp() * first).sum().item()
    assert [item.entropies[0] for item in (*hot, *cold)] == pytest.approx([spread] * 40, abs=1e-4)
    assert sum(map(sum, (item.logprobs for item in hot))) < sum(map(sum, (item.logprobs for item in cold)))


@pytest.mark.parametrize("name", ["base", "t5-nano"])
def test_what_branches_have_in_common_is_read_once(
    name, base, student, apples, without_each, first_steps, fed, plain
):
    learner = base if name == "base" else student(name)
    prefixes = [[*first_steps(), *without_each()]] * len(apples)
    endings = [" 9.", " red."]
    read = fed(learner.model)
    learner.scores_from_prefixes(apples, prefixes, [endings] * len(apples))
    ours = sum(read)
    read.clear()
    for target in apples:
        prompt = learner._encoder.prompts([target])[0]
        for beginning in prefixes[0]:
            prefix = learner._encoder.beginnings([beginning])[0]
            for ending in learner._encoder.endings([beginning] * 2, endings):
                plain.score(learner, prompt, prefix, ending)
    assert 0 < ours < 0.5 * sum(read)


def test_beginnings_of_one_explanation_are_read_as_often_as_the_longest(base, apples, first_steps, fed):
    read = fed(base.model)
    base.scores_from_prefixes(apples[:1], [first_steps()], [["red"]])
    [prompt] = base._encoder.prompts(apples[:1])
    longest = base._encoder.beginnings(first_steps())[-1]
    [ending] = base._encoder.endings([""], ["red"])
    # All but the last token of the longest; then of each branch that token and the ending without its end.
    assert sum(read) == len(prompt) + len(longest) - 1 + len(first_steps()) * len(ending)


def test_a_continuation_keeps_the_blank_that_its_beginning_lacks(base, apples):
    beginnings = ["Tom has 9.\nThe answer is", "Tom has 9.\nThe answer is ", "Tom has 9.\n", ""]
    [branches] = base.answers_from_prefixes(apples[:1], [beginnings], max_tokens=20, **GREEDY)
    word, blank, line, nothing = [branch[0] for branch in branches]
    assert word.text.startswith(" ") and word.text.strip() == blank.text
    assert "Tom has 9.\nThe answer is" + word.text == "Tom has 9.\nThe answer is " + blank.text
    assert word.logprobs == pytest.approx(blank.logprobs, abs=1e-4)
    assert word.ends[-1] == len(word.text) and blank.ends[-1] == len(blank.text)
    assert not line.text[0].isspace() and nothing.text == base.generate(apples[:1], max_tokens=20)[0].text


def test_questions_without_prefixes_and_prefixes_without_endings_stay_in_their_places(student, questions):
    learner = student("t5-nano")
    answers = learner.answers_from_prefixes(questions[:3], [["a"], [], ["b", ""]], max_tokens=2, **GREEDY)
    assert [len(branches) for branches in answers] == [1, 0, 2]
    scored = learner.scores_from_prefixes(questions[:3], [["a", "b"], [], [""]], [[], ["x"], ["x", "y"]])
    assert [[len(branch) for branch in branches] for branches in scored] == [[0, 0], [], [2]]
    assert learner.explain([], max_tokens=2, **GREEDY) == learner.embed([]).tolist() == []


def test_an_output_stops_where_the_positions_end_and_a_prefix_beyond_them_is_refused(student, answers):
    learner = student("llama-nano", max_output_tokens=8)
    [prompt] = learner._encoder.prompts(answers[:1])
    learner._positions = len(prompt) + 5
    [[item]] = learner.explain(answers[:1], samples=1, temperature=0.0, max_tokens=30, seed=0)
    assert item.tokens == 6, "five are read, and the last needs no reading"
    prefix = "red red red red red red red red"
    with pytest.raises(TrainingError, match=r"example 'q0' and what is to be read behind it have \d+ tokens"):
        learner.answers_from_prefixes(answers[:1], [[prefix]], max_tokens=3, **GREEDY)
    with pytest.raises(TrainingError, match=r"Raise student\.max_output_tokens"):
        learner.scores_from_prefixes(answers[:1], [[""]], [[prefix]])


@pytest.mark.parametrize(
    "wrong", [{"samples": 0}, {"samples": 2, "temperature": 0.0}, {"temperature": -1.0}, {"max_tokens": 0}]
)
def test_numbers_out_of_range_are_refused(wrong, student, answers):
    with pytest.raises(ValueError, match="for 1 or more of each, and at temperature 0"):
        student("t5-nano").explain(answers, **{**DRAWN, "seed": 0, **wrong})


def test_every_question_has_its_lists(student, answers):
    learner = student("t5-nano")
    with pytest.raises(ValueError, match="2 questions came with 1 lists of prefixes; give one a question"):
        learner.answers_from_prefixes(answers[:2], [[""]], max_tokens=2, **GREEDY)
    with pytest.raises(ValueError, match="2 questions came with 3 lists of endings"):
        learner.scores_from_prefixes(answers[:2], [[""]] * 2, [["x"]] * 3)


def test_a_student_that_scores_options_cannot_explain(student, answers):
    learner = student("bert-nano")
    for ask in (
        lambda: learner.explain(answers, max_tokens=2, **GREEDY),
        lambda: learner.answers_from_prefixes(answers, [[""]] * 12, max_tokens=2, **GREEDY),
        lambda: learner.scores_from_prefixes(answers, [[""]] * 12, [["x"]] * 12),
    ):
        with pytest.raises(
            TrainingError, match="cannot explain; choose by a score that reads no explanation"
        ):
            ask()


def test_nothing_of_it_leaves_a_gradient(student, answers):
    learner = student("llama-nano")
    learner.explain(answers, max_tokens=2, seed=0, samples=2, temperature=1.0)
    assert all(weight.grad is None for weight in learner.model.parameters()) and torch.is_grad_enabled()


def test_weights_in_bfloat16_write_and_score_nearly_as_in_float32(base, apples, without_each):
    half = load_student(
        StudentConfig(device="cpu", dtype="bfloat16"), TrainingConfig(), base_folder=BASE_FOLDER
    )
    assert half.model.dtype == torch.bfloat16
    prefixes, endings = [without_each()] * len(apples), [[" 9.", " 4.5.", " red."]] * len(apples)
    rows = zip(
        base.scores_from_prefixes(apples, prefixes, endings),
        half.scores_from_prefixes(apples, prefixes, endings),
        strict=True,
    )
    for one, other in rows:
        for branch, narrow in zip(one, other, strict=True):
            assert [sum(row) for row in narrow] == pytest.approx(
                [sum(row) for row in branch], rel=0.15, abs=1.0
            )
    written = half.generate(apples, max_tokens=60)
    explained = [row for [row] in half.explain(apples, max_tokens=60, **GREEDY)]
    assert [row.text for row in written] == [row.text for row in explained]
    alike = [a.text == b.text for a, b in zip(written, base.generate(apples, max_tokens=60), strict=True)]
    assert sum(alike) >= len(apples) / 2
