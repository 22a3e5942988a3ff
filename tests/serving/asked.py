"""What a client sends; a tiny student to send it to, and a writer without a model."""

import json
import time
from collections import Counter
from contextlib import contextmanager

import torch

from tuition.core.errors import DataError
from tuition.core.records import Example
from tuition.experiment.targets import answer_targets
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

CHAT = "/v1/chat/completions"
REFUSED = "this student reads one question: send one message, with the role user"
TEXTS = [f"predict: how much is {i} + {j}? It is {i + j}, é and 漢字." for i in range(12) for j in range(12)]


def make_student(name="llama-nano"):
    """A student that learnt nothing; its weights are large, so that it writes many kinds of tokens."""
    config = StudentConfig(model=f"fresh:{name}", device="cpu")
    student = load_student(config, TrainingConfig(), texts=TEXTS)
    with torch.no_grad():
        for weight in student.model.parameters():
            weight.mul_(6 if weight.dim() > 1 else 1)
    return student


def save_student(folder, name="llama-nano", **form):
    """Its folder, as a run leaves it."""
    make_student(name).save(folder, form={"prefix": "predict: ", **form})
    return folder


COLOURS = ("red", "green", "blue", "white", "pale grey")
ASKED = [
    Example(
        id=f"q{i}",
        question=f"which colour has {i} + {i * i}?",
        choices=(*COLOURS[i % 3 :], *COLOURS[: i % 3])[: 3 + i % 3],
        context="It is a cube." if i % 4 == 0 else "",
        answer=COLOURS[i % 3],
    )
    for i in range(10)
]


def teach(folder, name="llama-nano", *, steps=60, examples=ASKED, **form):
    """The folder of a student that learnt ten answers by heart."""
    how = {"prefix": "predict: ", "kind": "multiple_choice", "scoring": "generate", "max_tokens": 12, **form}
    answer_form = how.get("answer_form", "text")
    config = StudentConfig(model=f"fresh:{name}", device="cpu", answer_form=answer_form)
    training = TrainingConfig(steps=steps, lr=1e-2, batch_examples=10)
    student = load_student(config, training, texts=[*TEXTS, *COLOURS, *(one.question for one in examples)])
    if steps > 1:
        student.fit(answer_targets(examples, weight=1.0, form=answer_form), folder.parent / f"{name}-steps")
    student.save(folder, form=how)
    return folder


def ask_as(folder, **form):
    """Say in a student's form that it is asked in another way."""
    path = folder / "tuition.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | form))
    return folder


class Parrot:
    """Writes what it reads, one letter a token, and notes which letters it wrote side by side."""

    name, marks, reads, writes, positions = "pupil", [0], 200, 100, 250

    def __init__(self, delay_s=0.0):
        self.delay_s = delay_s
        self.batches = []
        self.written = Counter()

    def render(self, messages):
        if len(messages) != 1:
            raise DataError(REFUSED)
        return [ord(letter) for letter in messages[0]["content"]]

    def options(self, messages):
        return []

    def decode(self, ids, *, with_marks=False):
        return "".join(chr(id) for id in ids if id or with_marks)

    def stream(self, prompts, told):
        texts = ["".join(map(chr, prompt.ids)) for prompt in prompts]
        self.batches.append(texts)
        left = {place: iter([*prompt.ids, 0]) for place, prompt in enumerate(prompts)}
        while left:
            time.sleep(self.delay_s)
            if "fail" in texts:
                raise RuntimeError("out of memory")
            for place, tokens in list(left.items()):
                token = next(tokens)
                self.written[texts[place]] += 1
                logprobs = {} if prompts[place].top is None else {token: -0.5, ord("x"): -1.0}
                if not told(place, token, logprobs) or token == 0:
                    del left[place]


def body(text="how much is 3 + 4?", **more):
    """What a client sends."""
    return {"model": "pupil", "messages": [{"role": "user", "content": text}]} | more


def content(answer):
    """The text of a whole answer."""
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["message"]["content"]


@contextmanager
def streaming(client, **more):
    """Open a stream; give its events, read one by one."""

    def events(lines):
        for line in lines:
            if line:
                said = line.removeprefix("data: ")
                yield said if said == "[DONE]" else json.loads(said)

    with client.stream("POST", CHAT, json=body(**more, stream=True)) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield events(answer.iter_lines())


def until(is_true, timeout_s=20):
    """Wait for something."""
    end = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
