import pytest

from tuition.student.branches.branches import Texts
from tuition.student.branches.read import Written

TEXT = "7 + 2 = 9.\nSo thère are 9 äpples now.\nThe answer is 9 €."


@pytest.mark.parametrize("name", ["base", "t5-nano"])
@pytest.mark.parametrize("beginning", ["", "7 + 2 = 9.\n", "7 + 2 = 9.\nSo thère are"])
def test_ends_are_where_the_text_has_come_to(beginning, name, base, student):
    learner = base if name == "base" else student(name)
    [prefix] = learner._encoder.beginnings([beginning])
    [tokens] = learner._encoder.endings([beginning], [TEXT[len(beginning) :]])
    written = Written(tokens=tokens, logprobs=[-1.0] * len(tokens), entropies=[1.0] * len(tokens))
    item = Texts(learner.tokenizer).generation(written, prefix=prefix, beginning=beginning)
    decode = learner.tokenizer.decode
    head = len(decode(prefix)) if prefix else 0
    assert beginning + item.text == TEXT and item.tokens == len(tokens)
    slow = [
        len(decode(prefix + tokens[: i + 1], skip_special_tokens=True)) - head for i in range(len(tokens))
    ]
    assert list(item.ends) == [min(n, len(item.text)) for n in slow]


def test_a_text_of_blanks_and_an_end_mark_is_empty(base):
    [blank] = base._encoder.beginnings(["a\n"])
    tokens = [blank[-1], base.tokenizer.eos_token_id]
    written = Written(tokens=tokens, logprobs=[0.0, 0.0], entropies=[0.0, 0.0])
    item = Texts(base.tokenizer).generation(written, prefix=[], beginning="")
    assert (item.text, item.ends, item.tokens) == ("", (0, 0), 2)
