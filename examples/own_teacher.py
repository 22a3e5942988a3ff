"""A teacher of your own: anything that can answer a request, here a function with rules.

    python examples/own_teacher.py

A class with `name`, `endpoint`, `model`, `price`, `abilities` and `complete` is a teacher. Retrying, pacing,
budgets and keeping what was paid are done around it.
"""

import re

import tuition
from tuition.core.budget import price_of
from tuition.core.protocols import TeacherAbilities
from tuition.testing import check_teacher


class Rules:
    """Answers sums by rule, and says so; what it does not know it does not guess."""

    endpoint, model = "rules:", "rules-1"
    price = price_of(prompt=0.0, completion=0.0)
    abilities = TeacherAbilities(is_simulated=True, concurrency=8)

    def __init__(self, config: tuition.TeacherConfig) -> None:
        self.name = config.name

    async def complete(self, request: tuition.Request) -> tuition.Reply:
        """Answer the last sum in the prompt."""
        asked = request.messages[-1].content
        sums = re.findall(r"(\d+) plus (\d+)", asked)
        if sums:
            left, right = map(int, sums[-1])
            text = f"Add them up: {left} + {right} = {left + right}. The answer is {left + right}."
        else:
            text = f"I do not know: {' '.join(asked.split()[-12:])}"
        usage = tuition.Usage(prompt_tokens=len(asked.split()), completion_tokens=len(text.split()))
        return tuition.Reply(text=text, usage=usage, model=self.model)


def main() -> None:
    """Hold it to the contract of teachers, then ask it twice; the second time comes from the store."""
    table = tuition.TeacherConfig(kind="own_teacher:Rules", name="rules")
    check_teacher(lambda: Rules(table))
    questions = ["What is 17 plus 25?", "Who was Ada Lovelace?"]
    for _ in range(2):
        replies = tuition.ask(questions, teacher=Rules(table), store="runs/own_teacher.db")
        print([reply.text for reply in replies])
    # In a configuration: kind = "own_teacher:Rules" in a [[teacher]] table; then tuition run FILE --trust


if __name__ == "__main__":
    main()
