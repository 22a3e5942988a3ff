"""`student.instruction = "decoder"`: the decoder of an encoder-decoder reads its instruction, then writes."""

from dataclasses import replace

import pytest
import torch

from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student
from tuition.student.stream import Wish, stream


@pytest.fixture
def learner(student):
    """Its weights are large, so that it writes many kinds of tokens."""
    made = student("t5-nano", instruction="decoder")
    source = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in made.model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=source)
    return made


@pytest.fixture
def asked(targets):
    """Questions by instructions of several lengths."""
    prefixes = ("predict: ", "explain in steps: ", "")
    return [replace(target, prefix=prefixes[i % 3]) for i, target in enumerate(targets[:9])]


def plain(learner, target):
    """What encoder and decoder read, put together by hand."""
    tokenizer = learner.tokenizer
    prompt = tokenizer(target.input).input_ids
    head = tokenizer(target.prefix.strip(), add_special_tokens=False).input_ids
    return torch.tensor([prompt]), [learner.model.config.decoder_start_token_id, *head]


def test_it_writes_behind_its_instruction(learner, asked):
    learner.model.eval()
    for target, found in zip(asked, learner.generate(asked, max_tokens=8), strict=True):
        ids, begun = plain(learner, target)
        out = learner.model.generate(
            input_ids=ids, decoder_input_ids=torch.tensor([begun]), max_new_tokens=8, do_sample=False
        )[0, len(begun) :]
        assert found.text == learner.tokenizer.decode(out, skip_special_tokens=True).strip()
    assert len({found.text for found in learner.generate(asked, max_tokens=8)}) > 3


def test_its_scores_equal_a_plain_loop(learner, asked):
    learner.model.eval()
    for target, found in zip(asked, learner.score(asked), strict=True):
        ids, begun = plain(learner, target)
        end = learner.tokenizer.eos_token_id
        output = [*learner.tokenizer(target.output, add_special_tokens=False).input_ids, end]
        read = torch.tensor([[*begun, *output[:-1]]])
        with torch.no_grad():
            known = learner.model(input_ids=ids, decoder_input_ids=read).logits[0].log_softmax(-1)
        wanted = known[len(begun) - 1 :].gather(-1, torch.tensor(output)[:, None])[:, 0]
        assert found == pytest.approx(wanted.tolist(), rel=1e-4, abs=1e-5)
    answers = [target for target in asked if target.objective == "answer"]
    for target, scores in zip(answers, learner.score_options(answers), strict=True):
        choices = [replace(target, output=choice) for choice in target.example.choices]
        assert scores == pytest.approx([sum(row) for row in learner.score(choices)], rel=1e-4)


def test_its_branches_go_on_behind_the_instruction(learner, asked):
    greedy = {"samples": 1, "temperature": 0.0, "max_tokens": 8, "seed": 0}
    written = [drawn.text for [drawn] in learner.explain(asked, **greedy)]
    assert written == [found.text for found in learner.generate(asked, max_tokens=8)]


def test_the_folder_says_where_the_instruction_is_read(learner, asked, tmp_path):
    learner.save(tmp_path, form={"prefix": "predict: "})
    config = StudentConfig(model=str(tmp_path), instruction="decoder", device="cpu")
    again = load_student(config, TrainingConfig())
    assert '"instruction": "decoder"' in (tmp_path / "tuition.json").read_text()
    one = asked[0]
    assert one.prefix == "predict: "
    turns = [{"role": "user", "content": one.input}]
    text = again.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    ids = again.tokenizer(text, add_special_tokens=False).input_ids
    assert ids == plain(learner, one)[0][0].tolist(), "the question alone"
    told = []
    stream(
        again.model.eval(),
        [Wish(ids=ids, max_tokens=8)],
        marks=[again.tokenizer.eos_token_id],
        pad_id=again.tokenizer.pad_token_id,
        told=lambda place, token, logprobs: told.append(token) or True,
        head=again.heads(["predict: "])[0],
    )
    [written] = learner.generate([one], max_tokens=8)
    assert again.tokenizer.decode(told, skip_special_tokens=True).strip() == written.text


def test_it_learns_what_each_instruction_asks_for(student, targets, tmp_path):
    lessons = [target for target in targets if target.objective != "rare"][:8]
    training = {"steps": 80, "lr": 0.01, "batch_examples": 4, "save_every": 200}
    learner = student("t5-mini", instruction="decoder", training=training)
    learner.fit(lessons, tmp_path)
    for target, found in zip(lessons, learner.generate(lessons, max_tokens=40), strict=True):
        if target.objective == "answer":
            assert found.text in target.example.choices
        else:
            assert found.text.startswith("adding")
