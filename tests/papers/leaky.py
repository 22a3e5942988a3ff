"""A scripted teacher of sums that tells answers where it writes questions, and writes some that are taken."""

import json
import re
from random import Random

from tuition.core.budget import price_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Reply, Usage

VALID = "What is 1 plus 2?"
TEST = "What is 2 minus 1?"
SIGNS = {"adding": "plus", "taking away": "minus"}
LEAK = "7777"
"""What it says of every answer where it writes; never the right one."""

SEEN = []


def solved(question):
    first, sign, second = re.search(r"(\d+) (plus|minus) (\d+)", question).groups()
    return int(first) + int(second) if sign == "plus" else int(first) - int(second)


class Leaky:
    """Knows two skills, and finds them by the sign of a sum."""

    endpoint, model = "leaky:", "leaky-1"
    price = price_of(prompt="1", completion="1")
    abilities = TeacherAbilities()

    def __init__(self, config):
        self.name = config.name

    async def complete(self, request):
        text = request.messages[-1].content
        reply = self.reply(text, request.sample)
        SEEN.append((request, reply))
        usage = Usage(prompt_tokens=len(text.split()), completion_tokens=len(reply.split()))
        return Reply(text=reply, usage=usage)

    def reply(self, text, sample):
        if text.endswith("\nSkills:"):
            return "They take two.\n" + "\n".join(f"{i}. Skill: {name}." for i, name in enumerate(SIGNS, 1))
        asked = text.rpartition("Question: ")[2]
        if text.endswith(("\nMissing skills:", "\nNeeded skills:")):
            return "".join(f"Skill: {name}\n" for name, sign in SIGNS.items() if sign in asked)
        if text.endswith("\nNew questions:"):
            return self.written(text, sample)
        return f"I count and get {solved(asked)}.\nThe answer is {solved(asked)}."

    def written(self, text, sample):
        named = re.search(r"^Skill: (.+)$", text, re.M)
        sign, draw = SIGNS[named[1]] if named else "plus", Random(sample)
        n = int(re.search(r"Write (\d+) new", text)[1])
        new = [f"What is {draw.randrange(20, 90)} {sign} {draw.randrange(9)}?" for _ in range(n)]
        rows = [{"question": one, "answer": LEAK} for one in new]
        rows[-1]["question"] += f"\nAnswer: {LEAK}"
        rows[0]["question"] = (VALID, TEST)[sample % 2] if n > 1 else new[0]
        return "\n".join(map(json.dumps, rows))
