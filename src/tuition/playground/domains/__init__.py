"""The domains of the playground, from easy to hard; a new one is a file here and a line in `DOMAINS`."""

from __future__ import annotations

from tuition.playground.domain import Domain
from tuition.playground.domains.coins import COINS
from tuition.playground.domains.dates import DATES
from tuition.playground.domains.knowledge import KNOWLEDGE
from tuition.playground.domains.letters import LETTERS
from tuition.playground.domains.phrases import PHRASES
from tuition.playground.domains.tickets import TICKETS
from tuition.playground.domains.tracking import TRACKING

__all__ = ["DOMAINS"]

DOMAINS: dict[str, Domain] = {
    domain.name: domain for domain in (COINS, DATES, LETTERS, KNOWLEDGE, PHRASES, TRACKING, TICKETS)
}
"""Every domain by its name."""
