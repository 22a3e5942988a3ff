"""A stranger's teacher: a program that takes over a student's answer where the student is sure.

It copies the prediction of a receipt from a confidence of 0.9 on; else it gives its own answer, which is its
model's name.
"""

import re

from tuition.core.budget import price_of
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Reply, Usage

RECEIPT = re.compile(r"\nModel's Prediction: (.*)\nModel's Confidence: (.*)\nExplanation:$")


class CopyingTeacher:
    endpoint = "copying:"
    price = price_of(prompt=1, completion=2)
    abilities = TeacherAbilities(is_simulated=True)

    def __init__(self, config):
        self.name, self.model = config.name, config.model
        self.asked = []

    async def complete(self, request):
        asked = request.messages[-1].content
        self.asked.append(asked)
        found = RECEIPT.search(asked)
        copies = found is not None and float(found[2]) >= 0.9
        answer = found[1] if copies else self.model
        text = f"Let me see. The answer is {answer}."
        return Reply(text=text, usage=Usage(prompt_tokens=40, completion_tokens=10), model=self.model)
