import pytest
import torch
import transformers

from tuition.core.errors import TrainingError
from tuition.student.branches.memory import Memory
from tuition.student.branches.read import Asked, score_branches


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_beginnings_of_rows_go_on_as_if_read_alone(name, student, plain):
    learner = student(name)
    start = [learner.model.config.decoder_start_token_id] if name == "t5-nano" else []
    prompts = [[5, 6, 7, 8], [9, 10]]
    front = [start if start else prompt for prompt in prompts]
    outputs = [[11, 12, 13], [14, 15, 16, 17, 18]]
    memory = Memory.begin(learner.model, prompts, pad_id=0)
    memory.absorb([a + b for a, b in zip(front, outputs, strict=True)], pad_id=0)
    assert memory.lengths.tolist() == [len(a) + len(b) for a, b in zip(front, outputs, strict=True)]
    owners, kept = [1, 0, 1], [4, 3, 0]
    lengths = torch.tensor([len(front[i]) + n for i, n in zip(owners, kept, strict=True)])
    rests = [[20, 21], [], [22]]
    chosen = memory.select(torch.tensor(owners), lengths)
    chosen.absorb(rests, pad_id=0)
    logits = chosen.read(torch.tensor([[30], [31], [32]]))
    for row, (i, n) in enumerate(zip(owners, kept, strict=True)):
        alone = plain.logits(learner, prompts[i], [*outputs[i][:n], *rests[row], 30 + row])
        assert torch.allclose(logits[row, -1], alone[-1], atol=1e-4)


def test_absolute_positions_do_not_move_with_padding():
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_embd=16, n_layer=1, n_head=2, n_positions=40, eos_token_id=1
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    asked = [
        Asked(prompt=[5, 6], prefixes=[[], [7, 8, 9], [7, 8]]),
        Asked(prompt=list(range(2, 22)), prefixes=[[3]]),
    ]
    endings = [[[[3, 4, 1]]] * 3, [[[4, 1]]]]
    together = score_branches(model, asked, endings, pad_id=0, batch_rows=9)
    for question, branches in zip(asked, together, strict=True):
        for prefix, [scores] in zip(question.prefixes, branches, strict=True):
            ending = [3, 4, 1][-len(scores) :]
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([[*question.prompt, *prefix, *ending]])).logits[0]
            known = logits.log_softmax(-1)[-len(ending) - 1 : -1]
            expected = [row[token].item() for row, token in zip(known, ending, strict=True)]
            assert scores == pytest.approx(expected, abs=1e-5)


def test_an_encoder_decoder_that_counts_columns_is_refused_unlike_beginnings():
    config = transformers.BartConfig(
        vocab_size=30, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=40,
    )  # fmt: skip
    model = transformers.BartForConditionalGeneration(config).eval()
    endings = [[[[3]], [[3]]]]
    alike = [Asked(prompt=[5, 6], prefixes=[[4, 5], [4, 6]])]
    assert len(score_branches(model, alike, endings, pad_id=1, batch_rows=9)[0]) == 2
    unlike = [Asked(prompt=[5, 6], prefixes=[[4, 5], [4]])]
    with pytest.raises(TrainingError, match="'bart' cannot go on from beginnings of unlike lengths"):
        score_branches(model, unlike, endings, pad_id=1, batch_rows=9)
