import pytest
import torch
import transformers

from tuition.core.errors import TrainingError
from tuition.student.encode import OptionRow, TextRow
from tuition.student.families import FAMILIES, decoder_inputs, pad, positions_of
from tuition.student.lessons.lesson import Learning
from tuition.student.look import family_of

ROWS = [TextRow(prompt=[5, 6, 7], output=[8, 2]), TextRow(prompt=[5], output=[9, 9, 2])]


def test_rows_are_filled_at_either_side():
    assert pad([[1, 2], [3]], 0).tolist() == [[1, 2], [3, 0]]
    assert pad([[1, 2], [3]], 0, left=True).tolist() == [[1, 2], [0, 3]]


def test_positions_count_real_tokens():
    assert positions_of(torch.tensor([[0, 0, 1, 1], [1, 1, 1, 0]])).tolist() == [[0, 0, 0, 1], [0, 1, 2, 2]]


def as_lists(batch):
    return {name: tensor.tolist() for name, tensor in batch.items()}


def test_an_encoder_decoder_keeps_questions_and_outputs_apart():
    batch = as_lists(FAMILIES["seq2seq"].collate([[row] for row in ROWS], [[0.5], [0.25]], pad_id=0))
    assert batch["input_ids"] == [[5, 6, 7], [5, 0, 0]]
    assert batch["attention_mask"] == [[1, 1, 1], [1, 0, 0]]
    assert batch["decoder_input_ids"] == [[-1, 8, 0], [-1, 9, 9]], "-1 is the start mark, if it is known"
    assert batch["places"] == [0, 1, 3, 4, 5]
    assert batch["labels"] == [8, 2, 9, 9, 2]
    assert batch["factors"] == [0.5, 0.5, 0.25, 0.25, 0.25]


def test_outputs_of_one_question_stand_beside_each_other_in_the_decoder():
    group = [TextRow(prompt=[5, 6], output=output) for output in ([8, 2], [9, 9, 2])]
    batch = as_lists(FAMILIES["seq2seq"].collate([group], [[0.5, 0.25]], pad_id=0))
    assert batch["input_ids"] == [[5, 6]]
    assert batch["decoder_input_ids"] == [[-1, 8, -1, 9, 9]]
    assert batch["blocks"] == [[1, 1, 2, 2, 2]]
    assert batch["places"] == [0, 1, 2, 3, 4]
    assert FAMILIES["seq2seq"].lengths(group) == (2, 5)
    assert FAMILIES["seq2seq"].lengths([*group, *ROWS]) is None


def test_a_decoder_reads_all_but_the_last_token():
    batch = as_lists(FAMILIES["causal"].collate([[row] for row in ROWS], [[0.5], [0.25]], pad_id=0))
    assert batch["input_ids"] == [[5, 6, 7, 8], [5, 9, 9, 0]]
    assert batch["position_ids"] == [[0, 1, 2, 3], [0, 1, 2, 0]]
    assert batch["places"] == [2, 3, 4, 5, 6]
    assert batch["labels"] == [8, 2, 9, 9, 2]
    assert batch["factors"] == [0.5, 0.5, 0.25, 0.25, 0.25]


def test_what_follows_a_common_beginning_restarts_the_positions():
    group = [
        TextRow(prompt=[5, 6, 7], output=[8, 2]),
        TextRow(prompt=[5, 6], output=[9, 2]),
        TextRow(prompt=[5, 6, 4], output=[3]),
    ]
    batch = as_lists(FAMILIES["causal"].collate([group], [[1.0, 2.0, 3.0]], pad_id=0))
    assert batch["input_ids"] == [[5, 6, 7, 8, 9, 4]]
    assert batch["blocks"] == [[0, 0, 1, 1, 2, 3]]
    assert batch["position_ids"] == [[0, 1, 2, 3, 2, 2]]
    assert batch["places"] == [2, 3, 1, 4, 5], "the second output begins behind the last common token"
    assert batch["labels"] == [8, 2, 9, 2, 3]
    assert batch["factors"] == [1.0, 1.0, 2.0, 2.0, 3.0]
    assert FAMILIES["causal"].lengths(group) == (0, 6)


def test_options_of_all_questions_share_one_row():
    one, two = ({"input_ids": ids, "attention_mask": [1] * len(ids)} for ids in ([4, 5], [4]))
    rows = [OptionRow(options=[one, two], gold=1), OptionRow(options=[two, two, one], gold=0)]
    batch = FAMILIES["options"].collate([[row] for row in rows], [[0.5], [2.0]], pad_id=9)
    assert batch["input_ids"].tolist() == [[[4, 5], [4, 9], [4, 9], [4, 9], [4, 5]]]
    assert batch["attention_mask"].tolist() == [[[1, 1], [1, 0], [1, 0], [1, 0], [1, 1]]]
    assert batch["owners"].tolist() == [[0, 1, -1], [2, 3, 4]]
    assert (batch["labels"].tolist(), batch["factors"].tolist()) == ([1, 0], [0.5, 2.0])


def test_the_loss_over_options_is_a_weighted_cross_entropy(student, answers):
    learner = student("bert-nano")
    family = FAMILIES["options"]
    rows = learner._encoder.rows(answers)
    factors = [0.1 * (i + 1) for i in range(len(rows))]
    batch = family.collate([[row] for row in rows], [[factor] for factor in factors], pad_id=0)
    loss = Learning(family=family).loss(learner.model, batch).item()
    expected = 0.0
    for row, factor, scores in zip(rows, factors, learner.score_options(answers), strict=True):
        expected -= factor * torch.tensor(scores).log_softmax(-1)[row.gold].item()
    assert loss == pytest.approx(expected, rel=1e-5)


def test_the_decoder_reads_what_it_wrote_behind_the_start_mark(student):
    model = student("t5-nano").model
    labels = torch.tensor([[8, 2, -100]])
    assert decoder_inputs(model, labels).tolist() == [[model.config.decoder_start_token_id, 8, 2]]
    longer = torch.tensor([[2, -100, -100]])
    assert decoder_inputs(model, longer)[0, 2] == model.config.pad_token_id


@pytest.mark.parametrize(
    ("config", "family"),
    [
        (transformers.T5Config(), "seq2seq"),
        (transformers.LlamaConfig(), "causal"),
        (transformers.BertConfig(), "options"),
        (transformers.BertConfig(architectures=["BertLMHeadModel"]), "causal"),
        (transformers.GPT2Config(architectures=["GPT2LMHeadModel"]), "causal"),
    ],
)
def test_the_family_is_read_from_the_configuration(config, family):
    assert family_of(config.to_dict()) == family


def test_a_model_of_another_kind_is_refused():
    with pytest.raises(TrainingError, match="a model of type 'vit' is no encoder-decoder"):
        family_of(transformers.ViTConfig().to_dict())
