import pytest
from tiny import experiment, teachers

from tuition.annotation import RoutingConfig
from tuition.core.records import Example
from tuition.recipes.common import choose_train
from tuition.recipes.plan.example import SAMPLE, ExamplePrice, ExamplePricer, Use, sample_of
from tuition.recipes.ready import load_splits
from tuition.recipes.routing import assemble


def use(calls, usd):
    return Use(calls=calls, tokens=10 * calls, usd=usd)


def price(low, expected, high):
    return ExamplePrice(
        low=use(1, low), expected=use(1, expected), high=use(2, high), call_usd=high / 2, token_usd=high / 100
    )


def questions(n):
    return [Example(id=f"q{i}", question="Why " * (9 if i == 3 else 2), answer=None) for i in range(n)]


def test_uses_add_up_and_an_unknown_price_stays_unknown():
    assert use(2, 0.5).plus(use(4, 0.25), share=0.5) == use(4, 0.625)
    assert use(2, 0.5).plus(use(4, None), share=0.5).usd is None
    assert Use.of([use(1, 0.5), use(3, 0.25)], min) == Use(calls=1, tokens=10, usd=0.25)
    assert Use.of([use(1, 0.5), use(3, None)], max) == Use(calls=3, tokens=30, usd=None)


def test_what_comes_after_is_asked_for_a_share_and_in_the_worst_case_for_all():
    total = price(1.0, 2.0, 4.0).plus(price(10.0, 20.0, 40.0), least=0.0, expected=0.5)
    assert (total.low.usd, total.expected.usd, total.high.usd) == (1.0, 12.0, 44.0)
    assert (total.expected.calls, total.high.calls) == (1.5, 4)
    assert (total.call_usd, total.token_usd) == (20.0, 0.4)


def test_one_of_several_is_the_least_the_mean_the_most():
    one = ExamplePrice.one_of([price(1.0, 2.0, 4.0), price(10.0, 20.0, 40.0)])
    assert (one.low.usd, one.expected.usd, one.high.usd) == (1.0, 11.0, 40.0)
    assert one.call_usd == 20.0


def test_the_sample_has_the_longest_question_and_is_drawn_by_the_seed():
    pool = questions(200)
    first, again, other = (sample_of(pool, seed=seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first) == SAMPLE == len({item.id for item in first})
    assert first[0].id == other[0].id == "q3"
    assert sample_of(pool[:5], seed=0) == [pool[3], *(pool[i] for i in (0, 1, 2, 4))]
    assert sample_of(pool[:1], seed=0) == pool[:1]


def pricer(folder, *settings, names=("ada", "bela")):
    settings = ("annotation.longer=1", *settings)
    config = experiment(folder, *settings, recipe="elad", teacher=teachers(*names))
    splits, _ = load_splits(config)
    everyone = assemble(config, route="all", routing=RoutingConfig()).everyone
    return ExamplePricer(config, everyone, choose_train(config, splits))


def test_the_calls_of_each_annotator(tmp_path):
    made = pricer(tmp_path)
    found = {}
    for by in ("answer_only", "chain", "clear", "clear_one_call", "clear_panel", "repair"):
        one = made.price(by, is_cold=False)
        found[by] = (one.low.calls, round(one.expected.calls, 2), one.high.calls)
        assert 0 < one.low.usd < one.expected.usd < one.high.usd
        assert one.low.tokens < one.expected.tokens < one.high.tokens
    # Four steps are guessed, twelve are the most; the tiny pool has labels, so that a repair needs no hint.
    assert found == {
        "answer_only": (1, 1, 1),
        "chain": (1, 1, 1),
        "clear": (1, 3.8, 13),
        "clear_one_call": (1, 1.05, 2),
        "clear_panel": (2, 4, 4),
        "repair": (1, 1, 1),
    }


def test_a_short_answer_is_cheaper_than_a_chain_and_the_dearest_call_is_known(tmp_path):
    made = pricer(tmp_path)
    answer, chain = (made.price(by, is_cold=False) for by in ("answer_only", "chain"))
    assert answer.expected.usd < chain.expected.usd
    assert chain.call_usd == chain.high.usd
    clear = made.price("clear", is_cold=False)
    assert clear.call_usd < clear.high.usd
    assert chain.token_usd * chain.high.tokens >= chain.high.usd


def test_replies_that_may_be_asked_for_longer_are_in_the_bound_and_short_ones_are_not(tmp_path):
    once, again = (pricer(tmp_path, f"annotation.longer={times}") for times in (1, 3))
    for by, (calls, dearer) in {"answer_only": (1, False), "chain": (2, True)}.items():
        first, both = once.price(by, is_cold=False), again.price(by, is_cold=False)
        assert (first.low, first.expected) == (both.low, both.expected)
        assert both.high.calls == calls
        assert (both.high.usd > 2 * first.high.usd, both.high.tokens > 2 * first.high.tokens) == (
            dearer,
            dearer,
        )
        assert both.call_usd == pytest.approx(both.high.usd - (first.high.usd if dearer else 0))


def test_explanations_may_be_longer_than_guessed(tmp_path):
    short, long = (
        pricer(tmp_path, f"explanation.max_tokens={n}").price("clear", is_cold=False) for n in (16, 256)
    )
    assert short.expected.tokens < long.expected.tokens and short.high.usd < long.high.usd


@pytest.mark.parametrize(
    ("check", "calls"), [("student", (1, 1.5, 2)), ("sample", (2, 2.5, 3)), ("verify", (2, 2.5, 3))]
)
def test_the_checks_of_a_cascade(tmp_path, check, calls):
    made = pricer(tmp_path, "allocation.escalate=true", f"allocation.check={check}")
    one = made.price("chain", is_cold=False)
    assert (one.low.calls, one.expected.calls, one.high.calls) == calls
    cold = made.price("chain", is_cold=True).low.calls
    assert cold == (1 if check == "student" else calls[0])
