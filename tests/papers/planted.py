"""A scripted teacher that errs by a rule, and says of its own errors what is true and what is not."""

import re

from tuition.core.budget import price_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Reply, Usage

RULE = "The question contains the word not."
MADE_UP = "The first number in the question is even."
ALWAYS = "The question is about numbers."


SEEN = []


class Planted:
    """Answers whether one number exceeds another, and overlooks every `not`."""

    endpoint, model = "planted:", "planted-1"
    price = price_of(prompt="1", completion="1")
    abilities = TeacherAbilities()

    def __init__(self, config):
        self.name = config.name

    async def complete(self, request):
        text = request.messages[-1].content
        SEEN.append(text)
        return Reply(text=self.reply(text), usage=Usage(prompt_tokens=10, completion_tokens=5))

    def reply(self, text):
        if text.endswith("Hypotheses:"):
            lines = [f"{i}. Hypothesis: {one}" for i, one in enumerate((MADE_UP, RULE, ALWAYS), 1)]
            return "\n".join(["I have read them all.", *lines])
        question = re.findall(r"Question: (.*)", text)[-1]
        first, second = map(int, re.findall(r"\d+", question))
        if text.endswith("True or false:"):
            is_true = {RULE: " not " in question, MADE_UP: first % 2 == 0, ALWAYS: True}
            said = re.search(r"Statement: (.*)", text)[1]
            return f"I looked. The statement is {'true' if is_true[said] else 'false'}."
        return f"The answer is {'yes' if first > second else 'no'}."
