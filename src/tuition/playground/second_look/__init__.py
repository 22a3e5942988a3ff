"""How a teacher program reads prompts and explanations: what is asked, which step is wrong, what follows.

Knows solutions and texts; knows no profile and no label beyond what a prompt shows.
"""

from __future__ import annotations

from tuition.playground.second_look.check import first_wrong, steps_reached
from tuition.playground.second_look.follow import led_to, steps_followed
from tuition.playground.second_look.mend import broken, continued, in_json
from tuition.playground.second_look.prompted import Prompted, read_prompt

__all__ = [
    "Prompted",
    "broken",
    "continued",
    "first_wrong",
    "in_json",
    "led_to",
    "read_prompt",
    "steps_followed",
    "steps_reached",
]
