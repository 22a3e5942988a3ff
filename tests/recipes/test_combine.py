import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuition.core.errors import ConfigError
from tuition.experiment.learn.distil import loss_weights

ALPHAS = st.dictionaries(
    st.sampled_from(["ada", "bela", "chen"]), st.floats(0.01, 10, allow_subnormal=False), min_size=1
)


def loss(weights, answer, rationales):
    gamma, alphas = weights
    return gamma * answer + sum(alphas[name] * value for name, value in rationales.items())


def test_the_summed_loss_of_the_paper():
    weights = loss_weights(1.0, {"first": 0.5, "second": 2.0}, combine="summed")
    assert weights == (1.0, {"first": 0.5, "second": 2.0})
    assert loss(weights, 0.7, {"first": 1.2, "second": 0.4}) == pytest.approx(2.1)


def test_the_convex_loss_of_one_teacher_whatever_its_weight():
    for alpha in (0.1, 1.0, 7.0):
        weights = loss_weights(0.5, {"only": alpha}, combine="convex")
        assert loss(weights, 0.7, {"only": 1.2}) == pytest.approx(0.95)


def test_the_convex_and_the_normalised_loss_of_two_teachers():
    alphas, losses = {"first": 0.5, "second": 2.0}, {"first": 1.2, "second": 0.4}
    convex = loss_weights(0.5, alphas, combine="convex")
    # 0.5 · 0.7 + 0.5 · (0.2 · 1.2 + 0.8 · 0.4) = 0.35 + 0.28
    assert loss(convex, 0.7, losses) == pytest.approx(0.63)
    normalised = loss_weights(1.0, alphas, combine="normalised")
    assert loss(normalised, 0.7, losses) == pytest.approx(2.1 / 3.5)


@given(gamma=st.floats(0, 0.99, allow_subnormal=False), alphas=ALPHAS)
def test_a_convex_and_a_normalised_sum_share_out_one_whole(gamma, alphas):
    for combine in ("convex", "normalised"):
        answer, rationales = loss_weights(gamma, alphas, combine=combine)
        assert answer + sum(rationales.values()) == pytest.approx(1.0)
        first = next(iter(alphas))
        ratio = {name: rationales[name] / rationales[first] for name in alphas}
        assert ratio == pytest.approx({name: alphas[name] / alphas[first] for name in alphas})


@given(gamma=st.floats(0, 0.99, allow_subnormal=False), alphas=ALPHAS, data=st.data())
def test_one_objective_of_all_teachers_weighs_what_its_mean_target_weighs(gamma, alphas, data):
    counts = {name: data.draw(st.integers(1, 9)) for name in alphas}

    def mean(weights):
        return sum(weights[name] * counts[name] for name in weights) / sum(counts.values())

    for combine in ("convex", "normalised"):
        answer, rationales = loss_weights(gamma, alphas, combine=combine, counts=counts)
        assert answer + mean(rationales) == pytest.approx(1.0)
    assert loss_weights(gamma, alphas, combine="summed", counts=counts) == (gamma, alphas)


def test_equal_weights_of_one_objective_are_its_whole_share():
    counts = {"ada": 30, "bela": 10}
    assert loss_weights(0.25, {"ada": 2.0, "bela": 2.0}, combine="convex", counts=counts) == (
        0.25,
        {"ada": 0.75, "bela": 0.75},
    )


def test_weights_that_leave_nothing_to_share_out_are_refused():
    with pytest.raises(ConfigError, match=r"combine = 'convex' shares .* those of ada are 0; give at least"):
        loss_weights(0.5, {"ada": 0.0}, combine="convex")
    assert loss_weights(0.5, {"ada": 0.0}, combine="summed") == (0.5, {"ada": 0.0})
