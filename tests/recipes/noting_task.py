"""A task that writes down on how many threads its student computes, as `noting_task:Noting`."""

import os
from pathlib import Path

from tuition.tasks.kinds import MultipleChoice


class Noting(MultipleChoice):
    def grade(self, answer, example):
        import torch

        with Path(os.environ["NOTED"]).open("a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {torch.get_num_threads()}\n")
        return super().grade(answer, example)
