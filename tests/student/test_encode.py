import pytest
from transformers import AutoTokenizer

from tuition.core.errors import TrainingError
from tuition.core.records import Example, Target
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig
from tuition.student.encode import Cuts, Encoder, input_text
from tuition.student.fresh import SHAPES
from tuition.student.load import train_tokenizer

QUESTION = "Does the treatment help?\n(a) yes\n(b) no"
CONTEXT = "It was given to nineteen mice. " * 20


def target(context="", *, output="yes", objective="answer", answer="yes", question=QUESTION):
    example = Example(id="bio-1", question=question, choices=("yes", "no"), context=context, answer=answer)
    return Target(example=example, prefix="predict: ", input=question, output=output, objective=objective)


def encoder(shape="t5-nano", *, positions=None, **config):
    tokenizer = train_tokenizer(SHAPES[shape], [QUESTION, CONTEXT, "predict: explain: yes no because"])
    return Encoder(
        tokenizer, StudentConfig(**config), family=SHAPES[shape].family, positions=positions
    ), tokenizer


def test_the_instruction_stands_before_or_behind():
    asked = target("Mice.")
    assert input_text(asked, "Mice.", instruction="before") == f"predict: Mice.\n{QUESTION}"
    assert input_text(asked, "Mice.", instruction="behind") == f"Mice.\n{QUESTION}\npredict:"
    assert input_text(asked, "", instruction="before") == f"predict: {QUESTION}"
    assert input_text(asked, "Mice.", instruction="decoder") == f"Mice.\n{QUESTION}"


def test_an_instruction_for_the_decoder_leaves_the_question_alone():
    reader, tokenizer = encoder("t5-nano", instruction="decoder")
    [row] = reader.rows([target("Mice.")])
    assert tokenizer.decode(row.prompt) == f"Mice.\n{QUESTION}</s>"
    assert tokenizer.decode(row.head) == "predict:"
    assert tokenizer.decode(row.output) == "yes</s>"
    assert row.length == len(row.prompt) + len(row.head) + len(row.output)
    [behind] = encoder("t5-nano", instruction="behind")[0].rows([target("Mice.")])
    assert behind.head == []


def test_a_decoder_alone_reads_an_instruction_for_the_decoder_behind_the_question():
    rows = [
        encoder("llama-nano", instruction=way)[0].rows([target("Mice.")]) for way in ("decoder", "behind")
    ]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("instruction", ["before", "behind"])
@pytest.mark.parametrize("shape", ["t5-nano", "llama-nano"])
def test_a_long_context_loses_its_end_and_never_the_question(shape, instruction):
    reader, tokenizer = encoder(shape, max_input_tokens=60, instruction=instruction)
    ids = reader.prompts([target(CONTEXT), target("Mice.")])[0]
    text = tokenizer.decode(ids, skip_special_tokens=True)
    assert 50 < len(ids) <= 60
    assert QUESTION in text and "predict:" in text and "It was given" in text
    assert text.count("nineteen") < CONTEXT.count("nineteen")
    assert reader.cuts == Cuts(contexts=1)
    reader.forget_cuts()
    assert reader.cuts == Cuts()


def test_options_are_read_beside_the_question_after_the_cut():
    reader, tokenizer = encoder("bert-nano", max_input_tokens=60)
    row = reader.rows([target(CONTEXT)])[0]
    assert row.gold == 0 and len(row.options) == 2
    for option, choice in zip(row.options, ("yes", "no"), strict=True):
        assert len(option["input_ids"]) <= 60
        assert tokenizer.decode(option["input_ids"], skip_special_tokens=True).endswith(QUESTION + choice)
        assert option["token_type_ids"][-1] == 1 and option["token_type_ids"][0] == 0
    assert reader.cuts == Cuts(contexts=1)


@pytest.mark.parametrize("limit", [8, 12, 17])
@pytest.mark.parametrize("context", ["", CONTEXT])
def test_a_question_over_the_limit_is_cut_as_published_and_counted(limit, context):
    # the published code: tokenizer(text, max_length=…, truncation=True)
    reader, tokenizer = encoder(max_input_tokens=limit)
    ids = reader.prompts([target(context)])[0]
    assert ids == tokenizer(f"predict: {QUESTION}", max_length=limit, truncation=True)["input_ids"]
    assert reader.cuts == Cuts(questions=1, contexts=int(bool(context)))


@pytest.mark.parametrize("instruction", ["before", "behind"])
@pytest.mark.parametrize("shape", ["t5-nano", "llama-nano", "bert-nano"])
def test_no_input_is_longer_than_the_model_reads(shape, instruction):
    reader, tokenizer = encoder(shape, positions=18, max_output_tokens=4, instruction=instruction)
    limit = 14 if shape == "llama-nano" else 18
    (row,) = reader.rows([target(CONTEXT)])
    rows = [option["input_ids"] for option in row.options] if shape == "bert-nano" else [row.prompt]
    assert limit - 3 <= max(map(len, rows)) <= limit
    text = tokenizer.decode(rows[0], skip_special_tokens=True)
    assert "predict:" in text and "Does the" in text and "mice" not in text
    assert reader.cuts == Cuts(questions=1, contexts=1)


def test_an_option_over_the_models_limit_is_an_error():
    reader, _ = encoder("bert-nano", positions=3)
    with pytest.raises(TrainingError, match="an option of example 'bio-1' is longer than this student reads"):
        reader.rows([target()])


def test_a_decoder_reads_a_line_of_its_own_and_writes_the_end_mark():
    reader, tokenizer = encoder("llama-nano")
    row = reader.rows([target()])[0]
    assert tokenizer.decode(row.prompt) == f"predict: {QUESTION}\n"
    assert tokenizer.decode(row.output) == "yes</s>"
    assert row.terms == len(row.output) and row.length == len(row.prompt) + len(row.output)


def test_an_encoder_decoder_closes_both_texts():
    reader, tokenizer = encoder("t5-nano")
    row = reader.rows([target()])[0]
    assert tokenizer.decode(row.prompt) == f"predict: {QUESTION}</s>"
    assert tokenizer.decode(row.output) == "yes</s>"


@pytest.mark.parametrize("shape", ["t5-nano", "llama-nano"])
def test_a_long_output_is_cut_without_an_end_mark_and_counted(shape):
    reader, tokenizer = encoder(shape, max_output_tokens=5)
    row = reader.rows([target(output="because nineteen mice were given it")])[0]
    assert len(row.output) == 5 and tokenizer.eos_token_id not in row.output
    assert reader.cuts == Cuts(outputs=1)


def test_any_text_can_be_fed():
    reader, tokenizer = encoder("llama-nano")
    assert tokenizer.decode(reader.output("Ωμέγα 42 🙂")[:-1]) == "Ωμέγα 42 🙂"


def test_numbers_are_read_digit_by_digit():
    _, tokenizer = encoder("llama-nano")
    assert len(tokenizer("4711", add_special_tokens=False)["input_ids"]) == 4


def test_rationales_are_refused_where_options_are_scored():
    reader, _ = encoder("bert-nano")
    with pytest.raises(
        TrainingError, match="'explain' of example 'bio-1' is an explanation; a student that scores"
    ):
        reader.rows([target(objective="explain", output="because")])


def test_a_letter_stands_for_the_labelled_option():
    reader, _ = encoder("bert-nano")
    assert reader.rows([target(output="(b)", answer="no")])[0].gold == 1


def test_an_answer_outside_the_choices_is_refused():
    reader, _ = encoder("bert-nano")
    with pytest.raises(
        TrainingError, match="answer 'maybe' of example 'bio-1' is none of its choices: 'yes', 'no'"
    ):
        reader.rows([target(output="maybe", answer="maybe")])


def test_an_empty_rationale_is_no_target():
    with pytest.raises(ValueError, match="empty target for example 'bio-1', objective 'explain'"):
        target(output=" \n", objective="explain")


CHAIN = "7 + 2 = 9.\nSo there are 9.\nThe answer is yes."


@pytest.mark.parametrize("shape", ["t5-nano", "llama-nano", "base"])
def test_a_beginning_and_its_ending_are_the_tokens_of_the_whole(shape):
    if shape == "base":
        reader = Encoder(AutoTokenizer.from_pretrained(BASE_FOLDER), StudentConfig(), family="causal")
    else:
        reader, _ = encoder(shape)
    whole = reader.output(CHAIN)
    cuts = [0, *(i + 1 for i, letter in enumerate(CHAIN) if letter == "\n"), CHAIN.index(" yes")]
    beginnings, endings = [CHAIN[:cut] for cut in cuts], [CHAIN[cut:] for cut in cuts]
    apart = zip(reader.beginnings(beginnings), reader.endings(beginnings, endings), strict=True)
    assert [head + tail for head, tail in apart] == [whole] * len(cuts)
    blank = CHAIN[: cuts[-1] + 1]
    assert reader.beginnings([blank]) == reader.beginnings(beginnings[-1:])
    assert reader.endings([blank], ["yes."]) == reader.endings(beginnings[-1:], endings[-1:])
    assert reader.beginnings([]) == reader.endings([], []) == []


def test_an_ending_within_a_token_is_encoded_by_itself():
    reader, tokenizer = encoder("llama-nano")
    [merged] = reader.beginnings(["yes"])
    assert len(merged) < len(reader.beginnings(["ye"])[0]) + 1
    apart = tokenizer("s", add_special_tokens=False)["input_ids"]
    assert reader.endings(["ye"], ["s"]) == [[*apart, tokenizer.eos_token_id]]
    assert reader.endings(["yes"], [""]) == [[tokenizer.eos_token_id]]
