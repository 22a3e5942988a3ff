"""Pools made by hand for the tests of selection."""

from tuition.core.protocols import Pool
from tuition.core.records import Evidence


def evidence(name, doubt, *, steps=3):
    """Every kind of evidence of an example, with more doubt the higher the number is, in [0, 1]."""
    sure = round(100 * (1 - doubt))
    votes = (50 + sure, 100 - sure) if sure < 100 else (150,)
    return Evidence.from_json(
        {
            "example_id": name,
            "steps": steps,
            "logprobs": (-doubt, -doubt),
            "entropies": (doubt, 2 * doubt),
            "votes": votes,
            "confidence": 1 - doubt / 4,
            "perplexity": 1 + doubt,
            "without_step": (1 - doubt,) * steps,
            "changed": (doubt > 0.5,) * steps,
            "prefix_votes": (votes,) * (steps + 1),
        }
    )


def pool_of(doubts, **columns):
    """A pool with a row of evidence for each of these doubts."""
    rows = [evidence(f"e{i}", doubt) for i, doubt in enumerate(doubts)]
    return Pool(size=len(rows), evidence=rows, **columns)


def permuted(pool, order):
    """The same rows in another order."""
    columns = ("domains", "evidence", "costs", "vectors")
    moved = {name: tuple(getattr(pool, name)[i] for i in order) for name in columns if getattr(pool, name)}
    return Pool(size=pool.size, asked=frozenset(order.index(i) for i in pool.asked), **moved)
