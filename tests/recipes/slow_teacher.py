"""A stranger's teacher, `slow_teacher:SlowTeacher` in a configuration: a program that takes its time."""

from tuition.playground.teachers import PlaygroundTeacher


class SlowTeacher(PlaygroundTeacher):
    def __init__(self, config):
        super().__init__("ada", name=config.name, concurrency=config.concurrency, latency_scale=0.4)
