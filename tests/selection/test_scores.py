import math

import numpy as np
import pytest

from tuition.core.errors import ConfigError, DataError
from tuition.core.protocols import Pool
from tuition.core.records import Evidence
from tuition.selection import SelectionConfig, needs_of, scores_of
from tuition.selection.scores import (
    STRATEGIES,
    disagreement,
    egss_inter,
    egss_intra,
    entropy,
    least_confidence,
    margin,
    max_token_entropy,
    mean_token_entropy,
    self_confidence,
)
from tuition.testing.pools import pool_of

# a = B; the answers without each step are B, A, B, C. Disagreements behind the prefixes: 0.5, 0.25, 0.
ROW = Evidence.from_json(
    {
        "example_id": "hand",
        "steps": 4,
        "confidence": 0.8,
        "without_step": (0.8, 0.3, 0.9, 0.1),
        "changed": (False, True, False, True),
        "prefix_votes": ((2, 2), (3, 1), (4,)),
        "votes": (2, 1, 1),
        "entropies": (0.5, 1.0, 0.0),
    }
)


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        # entropy in nats, least confidence, margin, disagreement
        ((4,), (0.0, 0.0, 0.0, 0.25)),
        ((2, 2), (math.log(2), 0.5, 1.0, 0.5)),
        ((3, 1), (0.5623351446188083, 0.25, 0.5, 0.5)),
        ((2, 1, 1), (1.0397207708399179, 0.5, 0.75, 0.75)),
        ((1, 1, 1, 1), (math.log(4), 0.75, 1.0, 1.0)),
    ],
)
def test_votes(votes, expected):
    found = [score(votes) for score in (entropy, least_confidence, margin, disagreement)]
    assert found == pytest.approx(expected)
    assert min(math.copysign(1, score) for score in found) == 1, "and no minus zero"


def test_tokens_and_self_confidence():
    assert mean_token_entropy(ROW) == 0.5
    assert max_token_entropy(ROW) == 1.0
    assert self_confidence(ROW) == pytest.approx(0.2)
    assert self_confidence(Evidence.from_json({"example_id": "unreadable", "confidence": None})) == 1.0


def test_the_intra_score_by_hand():
    assert egss_intra(ROW, SelectionConfig(intra="hard")) == 0.5
    assert egss_intra(ROW, SelectionConfig(intra="soft")) == pytest.approx(0.3)


@pytest.mark.parametrize("intra", ["hard", "soft"])
def test_without_steps_nothing_can_be_left_out(intra):
    bare = Evidence.from_json({"example_id": "bare", "confidence": 0.4, "changed": ()})
    assert egss_intra(bare, SelectionConfig(intra=intra)) == 0.0
    config = SelectionConfig(strategy="egss_intra", intra=intra)
    assert scores_of(Pool(size=1, evidence=[bare]), config).tolist() == [0.0], "and nothing is absent"


@pytest.mark.parametrize("intra", ["hard", "soft"])
def test_an_explanation_without_a_readable_answer_never_looks_sure(intra):
    row = Evidence.from_json({"example_id": "lost", "changed": (True, True), "confidence": None})
    assert egss_intra(row, SelectionConfig(intra=intra)) == 1.0


@pytest.mark.parametrize(
    ("how", "score"),
    [
        ({}, 0.25),
        ({"inter": "max"}, 0.5),
        # n + 1 = 3 prefixes; the first whose doubt is above 0.3 is i = 0, above 0.5 none.
        ({"inter": "first_uncertain"}, 1.0),
        ({"inter": "first_uncertain", "uncertain_above": 0.5}, 0.0),
        ({"doubt": "entropy"}, (math.log(2) + 0.5623351446188083) / 3),
        ({"prefixes": "none"}, 0.5),
        ({"prefixes": "none", "doubt": "entropy"}, 1.0397207708399179),
    ],
)
def test_the_inter_score_by_hand(how, score):
    assert egss_inter(ROW, SelectionConfig(**how)) == pytest.approx(score)


def test_doubt_weighs_more_the_earlier_it_comes():
    config = SelectionConfig(inter="first_uncertain")
    late = Evidence.from_json({"example_id": "late", "prefix_votes": ((4,), (3, 1), (2, 2), (4,))})
    # Of 4 prefixes the third is the first with doubt above 0.3: (4 - 2) / 4.
    assert egss_inter(late, config) == 0.5


def test_egss_mixes_z_scores():
    # Intra (hard) 0, 1, 0, 1 and inter 0, 0, 0.5, 0.5: both have z of -1 and +1.
    rows = [
        Evidence.from_json(
            {"example_id": f"e{i}", "steps": 1, "changed": (bool(i % 2),), "prefix_votes": (votes,)}
        )
        for i, votes in enumerate([(4,), (4,), (2, 2), (2, 2)])
    ]
    pool = Pool(size=4, evidence=rows)
    half = SelectionConfig(strategy="egss", intra="hard")
    assert scores_of(pool, half).tolist() == pytest.approx([-1.0, 0.0, 0.0, 1.0])
    most = SelectionConfig(strategy="egss", intra="hard", intra_weight=0.75)
    assert scores_of(pool, most).tolist() == pytest.approx([-1.0, 0.5, -0.5, 1.0])
    # Two of three alike: z of one is the root of 2, that of the others half of it, below 0.
    lone = SelectionConfig(strategy="egss", intra="hard", intra_weight=0.25)
    found = scores_of(Pool(size=3, evidence=[rows[0], rows[0], rows[3]]), lone)
    assert found.tolist() == pytest.approx([-math.sqrt(0.5), -math.sqrt(0.5), math.sqrt(2)])


def test_a_score_without_spread_counts_as_0():
    # Three equal floats whose mean is another float.
    rows = [
        Evidence.from_json(
            {
                "example_id": f"e{i}",
                "steps": 1,
                "confidence": 0.7,
                "without_step": (0.6,),
                "changed": (True,),
                "prefix_votes": ((3 - i, i) if i else (3,),),
            }
        )
        for i in range(3)
    ]
    config = SelectionConfig(strategy="egss", intra_weight=1.0)
    assert scores_of(Pool(size=3, evidence=rows), config).tolist() == [0.0, 0.0, 0.0]


NEEDS = [
    ({"strategy": "random"}, set()),
    *(
        ({"strategy": name}, {"samples"})
        for name in ("entropy", "least_confidence", "margin", "disagreement")
    ),
    ({"strategy": "self_confidence"}, {"confidence"}),
    ({"strategy": "mean_token_entropy"}, {"greedy"}),
    ({"strategy": "max_token_entropy"}, {"greedy"}),
    ({"strategy": "perplexity"}, {"perplexity"}),
    ({"strategy": "egss_intra", "intra": "hard"}, {"removal"}),
    ({"strategy": "egss_intra", "intra": "soft"}, {"removal", "confidence"}),
    ({"strategy": "egss_inter"}, {"prefixes"}),
    ({"strategy": "egss_inter", "prefixes": "none"}, {"samples"}),
    ({"strategy": "egss", "intra": "hard", "prefixes": "none"}, {"removal", "samples"}),
]


@pytest.mark.parametrize(("how", "needs"), NEEDS)
def test_a_strategy_names_what_it_reads(how, needs):
    assert needs_of(SelectionConfig(**how)) == needs


def test_every_strategy_is_in_the_table_above():
    assert list(STRATEGIES) == list(dict.fromkeys(how["strategy"] for how, _ in NEEDS))


@pytest.mark.parametrize(
    ("kind", "strategy", "row"),
    [
        ("samples", "entropy", {"prefix_votes": ((2, 1),), "entropies": (0.5,)}),
        ("greedy", "mean_token_entropy", {"votes": (2, 1), "prefix_votes": ((2, 1),)}),
        ("prefixes", "egss_inter", {"votes": (2, 1), "entropies": (0.5,)}),
        ("removal", "egss_intra", {"steps": 1, "confidence": 0.5, "votes": (2, 1)}),
    ],
)
def test_evidence_that_nobody_looked_for_is_refused(kind, strategy, row):
    rows = [ROW, Evidence.from_json({"example_id": "bare", **row})]
    said = (
        rf"row 1 \(example 'bare'\) has no evidence of {kind}, which strategy '{strategy}' reads; "
        "ask the student for what needs_of names"
    )
    with pytest.raises(DataError, match=said):
        scores_of(Pool(size=2, evidence=rows), SelectionConfig(strategy=strategy))


def test_where_nobody_looked_at_all_or_the_strategy_is_unknown_the_configuration_is_wrong():
    with pytest.raises(
        ConfigError, match=r"'egss_intra' reads what .* shows \(confidence, removal\), and nobody looked"
    ):
        scores_of(Pool(size=1), SelectionConfig(strategy="egss_intra"))
    with pytest.raises(ConfigError, match="unknown strategy 'entrpy'; did you mean 'entropy'"):
        scores_of(Pool(size=1), SelectionConfig(strategy="entrpy"))


def test_a_loss_of_probability_that_is_no_number_is_not_taken_for_none():
    row = Evidence.from_json(
        {
            "example_id": "sick",
            "steps": 2,
            "confidence": 0.5,
            "without_step": (0.5, float("nan")),
            "changed": (False, True),
        }
    )
    with pytest.raises(DataError, match=r"scores row 0 \(example 'sick'\) as nan"):
        scores_of(Pool(size=1, evidence=[row]), SelectionConfig(strategy="egss_intra"))


def test_evidence_is_one_a_row():
    with pytest.raises(DataError, match="the pool has 5 rows and evidence for 2"):
        scores_of(Pool(size=5, evidence=pool_of([0.1, 0.2]).evidence), SelectionConfig(strategy="entropy"))


def test_scores_come_one_a_row_asked_or_not():
    pool = pool_of([0.1, 0.2, 0.3], asked=frozenset({1}))
    found = scores_of(pool, SelectionConfig(strategy="mean_token_entropy"))
    assert isinstance(found, np.ndarray)
    assert found.tolist() == pytest.approx([0.15, 0.3, 0.45])
