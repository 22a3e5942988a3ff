"""TinyLLM's loss with numbers worked out by hand (arXiv 2402.04616)."""

import pytest

from tuition.student.batches import Item, shares


def loss(items: list[Item], token_losses: list[list[float]], normaliser: str) -> float:
    factors = shares(items, range(len(items)), normaliser=normaliser)
    return sum(factor * loss for factor, losses in zip(factors, token_losses, strict=True) for loss in losses)


def item(objective: str, weight: float, terms: int, *, example: str = "a") -> Item:
    return Item(example_id=example, objective=objective, weight=weight, length=10, terms=terms)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_the_summed_loss_adds_weighted_objectives(normaliser):
    items = [item("answer", 1.0, 1), item("first", 0.5, 1), item("second", 2.0, 1)]
    assert loss(items, [[0.7], [1.2], [0.4]], normaliser) == pytest.approx(2.1)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_the_convex_loss_is_a_choice_of_weights(normaliser):
    items = [item("answer", 0.5, 1), item("only", 0.5, 2)]
    assert loss(items, [[0.7], [1.0, 1.4]], normaliser) == pytest.approx(0.95)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_two_items_whose_means_agree(normaliser):
    items = [item("answer", 1.0, 2), item("answer", 1.0, 1, example="b")]
    assert loss(items, [[2, 4], [3]], normaliser) == pytest.approx(3.0)


@pytest.mark.parametrize(("normaliser", "expected"), [("item", 3.5), ("batch", 3.75)])
def test_the_paper_averages_items_and_the_published_code_tokens(normaliser, expected):
    items = [item("answer", 1.0, 3), item("answer", 1.0, 1, example="b")]
    assert loss(items, [[2, 4, 6], [3]], normaliser) == pytest.approx(expected)


@pytest.mark.parametrize("normaliser", ["item", "batch"])
def test_an_objective_averages_over_the_items_that_have_one(normaliser):
    items = [item("answer", 1.0, 1, example=name) for name in "abcd"] + [item("rare", 3.0, 1, example="b")]
    assert loss(items, [[1.0], [1.0], [1.0], [1.0], [0.5]], normaliser) == pytest.approx(1.0 + 3.0 * 0.5)
