import pytest
import torch
import transformers

from tuition.student.branches.read import write
from tuition.student.predict import end_marks, score_outputs


@pytest.mark.parametrize("own", [7, [7, 2]])
def test_the_models_own_end_marks_join_the_tokenizers(own, student):
    model = student("llama-nano").model
    model.generation_config.eos_token_id = own
    assert end_marks(model, 2) == [2, 7]
    model.generation_config.eos_token_id = None
    assert end_marks(model, 2) == [2]


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_a_text_ends_at_any_mark_and_after_the_most_tokens(name, student):
    learner = student(name)
    prompts = [learner.tokenizer(text).input_ids for text in ("1 + 2", "choices: red, green, blue")]
    rest = {"pad_id": learner.tokenizer.pad_token_id, "batch_questions": 8}
    free = write(learner.model, prompts, max_tokens=6, marks=[2], **rest)
    assert all(len(row.tokens) <= 6 for row in free)
    first = free[0]
    [stopped, _] = write(learner.model, prompts, max_tokens=6, marks=[2, first.tokens[0]], **rest)
    assert stopped.tokens == first.tokens[:1]
    assert stopped.logprobs == pytest.approx(first.logprobs[:1])


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_a_text_comes_with_the_probabilities_that_scoring_it_gives(name, student):
    learner = student(name)
    prompts = [learner.tokenizer(text).input_ids for text in ("1 + 2", "choices: red, green, blue")]
    rest = {"pad_id": learner.tokenizer.pad_token_id, "batch_questions": 8}
    written = write(learner.model, prompts, max_tokens=6, marks=[2], **rest)
    scored = score_outputs(learner.model, prompts, [[row.tokens] for row in written], **rest)
    for row, [expected] in zip(written, scored, strict=True):
        assert len(row.logprobs) == len(row.tokens)
        assert row.logprobs == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("room", [65_536, 40])
def test_behind_heads_of_several_lengths_texts_and_probabilities_are_those_of_one_question(
    room, student, monkeypatch
):
    monkeypatch.setattr("tuition.student.predict._ROOM", room)
    learner = student("t5-nano")
    prompts, heads = [[5, 6, 7], [8, 9], [10] * 9, [5, 6]], [[11, 12], [], [13], [11, 12]]
    rest = {"pad_id": learner.tokenizer.pad_token_id, "batch_questions": 8}
    written = write(learner.model, prompts, heads=heads, max_tokens=5, marks=[2], **rest)
    outputs = [[row.tokens, [7, 2], [9] * 6] for row in written]
    scored = score_outputs(learner.model, prompts, outputs, heads=heads, **rest)
    for i, row in enumerate(written):
        assert 0 < len(row.tokens) <= 5
        [alone] = write(learner.model, [prompts[i]], heads=[heads[i]], max_tokens=5, marks=[2], **rest)
        assert alone.tokens == row.tokens
        assert alone.logprobs == pytest.approx(row.logprobs, rel=1e-4)
        # the plain way: the head as the beginning of each output
        behind = [[*heads[i], *output] for output in outputs[i]]
        [rows] = score_outputs(learner.model, [prompts[i]], [behind], **rest)
        expected = [scores[len(heads[i]) :] for scores in rows]
        assert [len(scores) for scores in scored[i]] == [len(output) for output in outputs[i]]
        for found, known in zip(scored[i], expected, strict=True):
            assert found == pytest.approx(known, rel=1e-4)
        assert row.logprobs == pytest.approx(expected[0], rel=1e-4)


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_many_and_long_outputs_are_scored_in_passes_that_have_room(name, student, monkeypatch):
    learner = student(name)
    prompts = [[5, 6, 7], [8, 9], [10] * 9]
    outputs = [[[i % 20 + 5] * (1 + i % 4) for i in range(n)] for n in (12, 0, 5)]
    rest = {"pad_id": learner.tokenizer.pad_token_id, "batch_questions": 8}
    whole = score_outputs(learner.model, prompts, outputs, **rest)
    passes, forward = [], learner.model.forward
    monkeypatch.setattr("tuition.student.predict._ROOM", 100)
    monkeypatch.setattr(
        learner.model, "forward", lambda *words, **named: passes.append(named) or forward(*words, **named)
    )
    parts = score_outputs(learner.model, prompts, outputs, **rest)
    assert len(passes) > 5
    for one, other in zip(whole, parts, strict=True):
        assert [len(row) for row in one] == [len(row) for row in other]
        assert [x for row in one for x in row] == pytest.approx([x for row in other for x in row], rel=1e-4)


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_outputs_of_one_token_are_scored_too(name, student):
    learner = student(name)
    prompt = learner.tokenizer("1 + 2").input_ids
    scored = score_outputs(
        learner.model, [prompt, prompt[:2]], [[[5], [6]], [[7]]], pad_id=0, batch_questions=8
    )
    assert [[len(output) for output in outputs] for outputs in scored] == [[1, 1], [1]]
    with torch.no_grad():
        if name == "llama-nano":
            logits = learner.model(input_ids=torch.tensor([prompt])).logits[0, -1]
        else:
            start = torch.tensor([[learner.model.config.decoder_start_token_id]])
            logits = learner.model(input_ids=torch.tensor([prompt]), decoder_input_ids=start).logits[0, 0]
    assert scored[0][1][0] == pytest.approx(logits.log_softmax(-1)[6].item(), rel=1e-5)


def test_absolute_positions_do_not_move_with_padding():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_embd=16, n_layer=1, n_head=2, n_positions=40, eos_token_id=1
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    short, long = [5, 6], list(range(2, 22))
    rest = {"pad_id": 0, "batch_questions": 8}
    together = score_outputs(model, [short, long], [[[3, 4, 1]], [[3, 1]]], **rest)
    alone = score_outputs(model, [short], [[[3, 4, 1]]], **rest)
    assert together[0][0] == pytest.approx(alone[0][0], rel=1e-5)
