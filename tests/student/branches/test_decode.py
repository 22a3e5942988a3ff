import pytest
import torch

from tuition.student.branches.read import Noted, decode


class Fixed:
    """A memory whose next token has probabilities 1/2, 1/4, 1/4 and 0, whatever was read."""

    is_whole = False

    def __init__(self, rows, read=None):
        self.lengths = torch.zeros(rows, dtype=torch.long)
        self.rows = [] if read is None else read

    def read(self, tokens):
        self.rows.append(len(tokens))
        logits = torch.tensor([0.5, 0.25, 0.25, 0.0]).log()
        return logits.expand(len(tokens), 1, 4)

    def select(self, owners, lengths):
        return Fixed(len(owners), self.rows)


def drawn(uniforms, *, temperature=1.0, limits=None, marks=(3,)):
    uniforms = torch.tensor(uniforms)
    memory, last = Fixed(len(uniforms)), torch.zeros(len(uniforms), dtype=torch.long)
    limits = torch.tensor(limits or [uniforms.shape[1]] * len(uniforms))
    noted = Noted(*uniforms.shape, temperature=temperature, uniforms=uniforms, with_entropies=True)
    decode(memory, last, limits=limits, marks=marks, choose=noted.choose)
    rows = noted.written(limits.tolist(), marks)
    return [row.tokens for row in rows], rows, memory.rows


def test_a_number_draws_the_token_whose_share_it_falls_into():
    tokens, rows, _ = drawn([[0.0, 0.49, 0.5, 0.74, 0.75, 0.999]])
    assert tokens == [[0, 0, 1, 1, 2, 2]]
    halves = [0.5, 0.5, 0.25, 0.25, 0.25, 0.25]
    assert rows[0].logprobs == pytest.approx(torch.tensor(halves).log().tolist())
    # 1/2 ln 2 + 1/4 ln 4 + 1/4 ln 4, and nothing for the impossible token
    assert rows[0].entropies == pytest.approx([1.5 * 0.6931472] * 6)


def test_at_half_the_temperature_shares_are_squared_and_probabilities_are_not():
    # squares 1/4, 1/16, 1/16: shares 2/3, 1/6, 1/6
    tokens, rows, _ = drawn([[0.66, 0.67, 0.83, 0.84]], temperature=0.5)
    assert tokens == [[0, 1, 1, 2]]
    assert rows[0].logprobs == pytest.approx(torch.tensor([0.5, 0.25, 0.25, 0.25]).log().tolist())


def test_rows_that_ended_are_dropped_and_keep_their_places():
    tokens, _, read = drawn([[0.9, 0.1, 0.1], [0.1, 0.6, 0.9], [0.1, 0.1, 0.1], [0.6, 0.9, 0.1]], marks=(2,))
    assert tokens == [[2], [0, 1, 2], [0, 0, 0], [1, 2]]
    assert read == [4, 4, 2], "a quarter of idle rows is carried on, half of them is not"


def test_a_row_at_its_limit_is_read_no_more():
    tokens, _, read = drawn([[0.1] * 3] * 8, limits=[1, 3, 3, 3, 3, 3, 3, 2])
    assert [len(row) for row in tokens] == [1, 3, 3, 3, 3, 3, 3, 2]
    assert read == [8, 7, 6]


def test_rows_that_must_stay_together_are_read_to_the_end_of_the_last(monkeypatch):
    monkeypatch.setattr(Fixed, "is_whole", True)
    tokens, _, read = drawn([[0.9, 0.1, 0.1], [0.1, 0.6, 0.9], [0.1, 0.1, 0.1], [0.6, 0.9, 0.1]], marks=(2,))
    assert tokens == [[2], [0, 1, 2], [0, 0, 0], [1, 2]]
    assert read == [4, 4, 4]
