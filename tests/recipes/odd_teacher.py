"""A stranger's teacher: a program that fails on some questions, as `odd_teacher:OddTeacher`.

Its model is `kind/id kind/id`: which failure on which example.
"""

from tuition.core.records import Failure, Reply
from tuition.playground.teachers import PlaygroundTeacher


class OddTeacher(PlaygroundTeacher):
    def __init__(self, config):
        super().__init__("chen", name=config.name, concurrency=config.concurrency)
        self.fails = {id_: kind for kind, _, id_ in (part.partition("/") for part in config.model.split())}

    async def complete(self, request):
        kind = self.fails.get(request.example_id)
        if kind is None:
            return await super().complete(request)
        return Reply(failure=Failure(kind=kind, message="not this one"))
