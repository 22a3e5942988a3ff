import pytest

from tuition.annotation import FILTERS, AnnotationConfig
from tuition.core.config import parse
from tuition.core.errors import ConfigError


def test_defaults_are_the_paper_s_way_of_asking():
    config = AnnotationConfig()
    assert (config.examples, config.forced, config.rationale_prompt) == (2, True, "rationale/1")
    assert config.filters == FILTERS["usual"]


def test_forcing_and_demonstrations_are_one_line_each():
    config = parse(AnnotationConfig, {"forced": False, "examples": 0, "filters": ["empty"]}, where="x")
    assert (config.forced, config.examples, config.filters) == (False, 0, ("empty",))


@pytest.mark.parametrize("name", FILTERS)
def test_filters_by_name_are_their_checks(name):
    config = parse(AnnotationConfig, {"filters": name}, where="x")
    assert config.filters == FILTERS[name]
    assert config == AnnotationConfig(filters=FILTERS[name])


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"filters": "useful"}, "unknown choice of filters 'useful'.*Known: paper, strict, usual"),
        ({"filters": 3}, "'filters' is 3: Input should be a valid tuple"),
        ({"filters": ["lopping"]}, "unknown health check 'lopping'; did you mean 'looping'"),
        (
            {"rationale_prompt": "rationale/9"},
            "unknown prompt that shows the answer 'rationale/9'; did you mean",
        ),
        ({"rationale_prompt": "solve/1"}, "unknown prompt that shows the answer 'solve/1'"),
        ({"solve_prompt": "rationale/1"}, "unknown prompt that does not show the answer 'rationale/1'"),
        ({"exampels": 3}, "unknown key 'exampels'; did you mean 'examples'"),
        ({"examples": -1}, "'examples' is -1"),
        ({"max_attempts": 0}, "'max_attempts' is 0"),
    ],
)
def test_faults_are_told(table, words):
    with pytest.raises(ConfigError, match=words):
        parse(AnnotationConfig, table, where="x.toml")
