"""What a teacher's tokens cost: as its table says, else as a maintained table does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any

from tuition.core.budget import Price, price_of
from tuition.teachers.config import TeacherConfig

__all__ = ["known_price", "price_for"]

_QUARTERS = [timedelta(minutes=15 * i) for i in range(96)]
"""The day to come; a tariff that holds for a quarter of an hour is met."""


def price_for(config: TeacherConfig) -> Price | None:
    """Say what a teacher's tokens cost: by its table, else by the maintained one; None: unknown.

    In batches a token costs `batch_share` of its price, rounded up to a whole nano-dollar a million tokens.
    """
    price = config.price or known_price(config.model or config.name, config.base_url)
    if price is None or not config.wire.in_batches:
        return price
    share = Decimal(str(config.wire.batch_share))

    def shared(nano: int) -> int:
        return int((nano * share).to_integral_value(ROUND_CEILING))

    cached = None if price.cached is None else shared(price.cached)
    return Price(prompt=shared(price.prompt), completion=shared(price.completion), cached=cached)


def known_price(model: str, base_url: str) -> Price | None:
    """Look a model up in the price table that genai-prices brings; nothing is fetched.

    The address says whose price it is. The highest tier counts, and the dearest hour of the day to come where
    nights are cheaper. None where the table does not know the model.
    """
    # Here, for the table takes a moment to load and most runs need none of it.
    import genai_prices

    try:
        found = genai_prices.calc_price(
            genai_prices.Usage(input_tokens=1, output_tokens=1), model, provider_api_url=base_url
        ).model
    except LookupError:
        return None
    now = datetime.now(UTC)
    hours = [found.get_prices(now + quarter) for quarter in _QUARTERS]
    prompt, completion = _dearest(hours, "input_mtok"), _dearest(hours, "output_mtok")
    if prompt is None or completion is None:
        return None
    return price_of(prompt=prompt, completion=completion, cached=_dearest(hours, "cache_read_mtok"))


def _dearest(hours: Sequence[Any], unit: str) -> str | None:
    """The highest price of a unit, over all hours and tiers; None: some hour has none."""
    prices: list[Any] = [getattr(hour, unit, None) for hour in hours]
    if any(price is None for price in prices):
        return None
    tiers = [tier.price for price in prices for tier in getattr(price, "tiers", ())]
    return str(max([*tiers, *(getattr(price, "base", price) for price in prices)]))
