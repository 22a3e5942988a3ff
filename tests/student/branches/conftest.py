"""Students that have learnt to end a text, explanations to branch from, and the slow way to check them by."""

import pytest
import torch

from tuition.core.records import Example, Target
from tuition.playground import BASE_FOLDER
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

STEPS = ("7 + 2 = 9.", "So there are 9 apples now.", "Half of 9 is 4.5.", "That is red.")


@pytest.fixture
def without_each():
    """Gives the whole of some steps, and what is left without each, as beginnings that ask for the answer."""

    def make(steps=STEPS):
        kept = [steps, *(steps[:i] + steps[i + 1 :] for i in range(len(steps)))]
        return ["\n".join((*part, "The answer is")) for part in kept]

    return make


@pytest.fixture
def first_steps():
    """Gives the first 0 .. n of some steps as beginnings."""
    return lambda steps=STEPS: ["".join(f"{step}\n" for step in steps[:i]) for i in range(len(steps) + 1)]


@pytest.fixture
def questions(targets):
    """Every third target, as a question."""
    return targets[::3]


@pytest.fixture
def prefixes(questions, without_each, first_steps):
    """For every question one beginning or more, of unlike lengths."""
    return [
        (first_steps(STEPS[i % 3 :]) + without_each(STEPS[: i % 4 + 1]))[i % 3 : 2 + i]
        for i in range(len(questions))
    ]


@pytest.fixture(scope="session")
def learnt():
    """Weights of students that were taught, by name: each is taught once."""
    return {}


@pytest.fixture
def taught(student, targets, learnt, tmp_path):
    """Makes a student that has learnt the targets a little."""

    def make(name, **config):
        learner = student(name, training={"steps": 40, "lr": 1e-2}, **config)
        if name not in learnt:
            learner.fit(targets, tmp_path / "fit")
            learnt[name] = learner.model.state_dict()
        learner.model.load_state_dict(learnt[name])
        return learner

    return make


@pytest.fixture
def base():
    """The embedded student."""
    return load_student(StudentConfig(device="cpu"), TrainingConfig(), base_folder=BASE_FOLDER)


@pytest.fixture
def apples():
    """Questions as the embedded student knows them."""
    return [
        Target(
            example=Example(id=f"a{n}", question="?"),
            prefix="explain: ",
            input=f"Tom has {n} apples and buys {n % 7 + 2} more. How many apples does Tom have?",
            output="?",
        )
        for n in range(3, 9)
    ]


@pytest.fixture
def fed():
    """Counts the tokens that go into a model's embedding, padding included, until the test ends."""
    hooks = []

    def count(model):
        counted = []
        size = model.get_input_embeddings().num_embeddings
        for module in model.modules():
            if isinstance(module, torch.nn.Embedding) and module.num_embeddings == size:
                hooks.append(
                    module.register_forward_hook(
                        lambda module, inputs, output: counted.append(inputs[0].numel())
                    )
                )
        return counted

    yield count
    for hook in hooks:
        hook.remove()


class Plain:
    """The slow way: every branch read from its first token, alone, without a cache."""

    def logits(self, learner, prompt, output):
        """What may follow the prompt and each token of the output; (output + 1, V)."""
        with torch.inference_mode():
            if learner.family == "seq2seq":
                read = torch.tensor([[learner.model.config.decoder_start_token_id, *output]])
                out = learner.model(input_ids=torch.tensor([prompt]), decoder_input_ids=read, use_cache=False)
                return out.logits[0]
            out = learner.model(input_ids=torch.tensor([prompt + output]), use_cache=False)
            return out.logits[0, len(prompt) - 1 :]

    def score(self, learner, prompt, prefix, ending):
        """Log-probabilities of the ending's tokens."""
        known = self.logits(learner, prompt, prefix + ending).log_softmax(-1)[len(prefix) : -1]
        return [row[token].item() for row, token in zip(known, ending, strict=True)]

    def greedy(self, learner, prompt, prefix, max_tokens):
        """The tokens written behind a prefix, the end mark included."""
        written = []
        while len(written) < max_tokens and learner.tokenizer.eos_token_id not in written:
            written.append(int(self.logits(learner, prompt, prefix + written)[-1].argmax()))
        return written


@pytest.fixture
def plain():
    """The slow way."""
    return Plain()
