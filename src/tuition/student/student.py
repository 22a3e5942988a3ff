"""The student, whatever its family: it answers, scores, learns, and is kept; a `core.protocols.Learner`."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import peft
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tuition.core.errors import DataError, TrainingError
from tuition.core.protocols import Generation, Lesson, Progress
from tuition.core.records import Json, Target, content_id
from tuition.student.branches.branches import Branches
from tuition.student.branches.read import write
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.encode import Cuts, Encoder
from tuition.student.families import FAMILIES
from tuition.student.lessons.lesson import learning_of
from tuition.student.look import most_positions
from tuition.student.predict import end_marks, mean_states, option_score, score_encodings, score_outputs
from tuition.student.template import FORM, ask_in, saved_template
from tuition.student.training.checkpoints import claim_folder, last_checkpoint
from tuition.student.training.optimizer import Additions, with_additions, without_wrapper
from tuition.student.training.train import item_of, make_steps, train_model
from tuition.version import __version__

__all__ = ["Student"]

_ASKED_BY = ("instruction", "answer_form", "option_score", "max_input_tokens", "max_output_tokens")
"""Settings that a saved student is asked by, too."""
_NOT_IN_IDENTITY = {"threads", "device", "batch_questions", "template", "saved", "saved_dtype"}
"""Settings of a training that may differ when it is gone on with."""
_OF_WATCHING = {"save_every", "report_to", "meter", "meter_every"}
"""Settings of a training that change nothing that is learnt."""
_OF_VALIDATION = {"keep", "validate_every", "validate_questions"}
"""Settings of a training that matter where the best student is kept."""


class Student:
    """One model with its tokenizer, and how it is asked and trained."""

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        family: str,
        config: StudentConfig,
        training: TrainingConfig,
        own_template: str | None = None,
        is_chat: bool = False,
        stored: torch.dtype = torch.float32,
        base: str | None = None,
    ) -> None:
        """Join the parts; `tuition.student.load.load_student` makes them.

        With `base`, where the model lies that additions are trained on, they can be saved apart from it.
        """
        self.model: PreTrainedModel
        self.tokenizer = tokenizer
        self.family = family
        """seq2seq, causal or options."""
        self.abilities = FAMILIES[family].abilities
        self._config = config
        self._training = training
        self._positions = most_positions(model.config.to_dict())
        template = own_template if is_chat else None
        self._encoder = Encoder(
            tokenizer, config, family=family, positions=self._positions, template=template
        )
        self._own_template = own_template
        self._template = template
        self._stored = stored
        self._base = base if config.saved == "adapter" else None
        self._additions: Additions | None = None
        self._settle(model)

    @property
    def parameters(self) -> int:
        """Number of weights, shared ones once."""
        return sum(weight.numel() for weight in self.model.parameters())

    @property
    def cuts(self) -> Cuts:
        """What had to be cut in the last call of `generate`, `score_options` or `fit`."""
        return self._encoder.cuts

    def prompts(self, questions: Sequence[Target]) -> list[list[int]]:
        """Give what the student reads, as tokens."""
        return self._encoder.prompts(questions)

    def heads(self, prefixes: Sequence[str]) -> list[list[int]]:
        """Give instructions as a decoder reads them before it writes; empty where the question has them."""
        return self._encoder.heads(prefixes)

    def generate(self, questions: Sequence[Target], *, max_tokens: int) -> list[Generation]:
        """Write one greedy continuation for each question."""
        self._refuse_silent("; answer with score_options, or")
        self._begin()
        written = write(
            self.model,
            self._encoder.prompts(questions),
            heads=self.heads([target.prefix for target in questions]),
            max_tokens=max_tokens,
            marks=end_marks(self.model, self.tokenizer.eos_token_id),
            positions=self._positions if self.family == "causal" else None,
            pad_id=self.tokenizer.pad_token_id,
            batch_questions=self._config.batch_questions,
        )
        ids = [row.tokens for row in written]
        texts = self.tokenizer.batch_decode(ids, skip_special_tokens=True) if ids else []
        return [
            Generation(text=text.strip(), tokens=len(row.tokens), logprobs=tuple(row.logprobs))
            for text, row in zip(texts, written, strict=True)
        ]

    def score_options(self, questions: Sequence[Target]) -> list[tuple[float, ...]]:
        """Score every choice of each question."""
        poor = [target.example.id for target in questions if len(target.example.choices) < 2]
        if poor:
            raise DataError(
                f"{len(poor)} of {len(questions)} questions have fewer than two choices (first: {poor[0]!r});"
                " options can only be scored where there are options. Answer by generation."
            )
        self._begin()
        if not self.abilities.generates:
            rows = self._encoder.questions(questions)
            sizes = {"pad_id": self.tokenizer.pad_token_id, "batch_questions": self._config.batch_questions}
            return [tuple(scores) for scores in score_encodings(self.model, rows, **sizes)]
        scored = self._scored(questions, [target.example.choices for target in questions])
        by = self._config.option_score
        return [tuple(option_score(logprobs, by=by) for logprobs in options) for options in scored]

    def outputs(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts as it would write them, each with its end mark unless it had to be cut."""
        return [self._encoder.output(text) for text in texts]

    def score(self, targets: Sequence[Target]) -> list[tuple[float, ...]]:
        """Say how familiar each target's output is to the student behind its question."""
        self._refuse_silent(", so no text is familiar to it;")
        self._begin()
        # Whole rationales have many tokens, and each costs the memory of a vocabulary: fewer at once.
        budget = self._training.token_budget
        scored = self._scored(targets, [[target.output] for target in targets], token_budget=budget)
        return [tuple(logprobs) for [logprobs] in scored]

    def _scored(
        self, questions: Sequence[Target], texts: Sequence[Sequence[str]], *, token_budget: int | None = None
    ) -> list[list[list[float]]]:
        """Score several texts behind each question: one log-probability a token."""
        outputs, prompts = [self.outputs(several) for several in texts], self._encoder.prompts(questions)
        size = self._config.batch_questions
        if token_budget is not None:
            pairs = zip(prompts, outputs, strict=True)
            longest = max((len(prompt) + max(map(len, several)) for prompt, several in pairs), default=1)
            size = max(1, min(size, token_budget // longest))
        return score_outputs(
            self.model,
            prompts,
            outputs,
            heads=self.heads([target.prefix for target in questions]),
            pad_id=self.tokenizer.pad_token_id,
            batch_questions=size,
        )

    def explain(
        self, questions: Sequence[Target], *, samples: int, temperature: float, max_tokens: int, seed: int
    ) -> list[list[Generation]]:
        """Write explanations with the probabilities behind them."""
        written = self.answers_from_prefixes(
            questions,
            [[""]] * len(questions),
            samples=samples,
            temperature=temperature,
            max_tokens=max_tokens,
            seed=seed,
        )
        return [drawn for [drawn] in written]

    def answers_from_prefixes(
        self,
        questions: Sequence[Target],
        prefixes: Sequence[Sequence[str]],
        *,
        samples: int,
        temperature: float,
        max_tokens: int,
        seed: int,
    ) -> list[list[list[Generation]]]:
        """Continue an output from several beginnings; question and common beginnings are read once."""
        return self._branches(questions, prefixes).write(
            samples=samples, temperature=temperature, max_tokens=max_tokens, seed=seed
        )

    def scores_from_prefixes(
        self, questions: Sequence[Target], prefixes: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]]
    ) -> list[list[list[tuple[float, ...]]]]:
        """Score endings behind beginnings, all read once and none cut: a natural log-probability a token."""
        return self._branches(questions, prefixes).score(outputs)

    def embed(self, questions: Sequence[Target]) -> np.ndarray:
        """Say where each question lies: the mean of the last hidden states over its tokens."""
        self._begin()
        return mean_states(
            self.model,
            self._encoder.prompts(questions),
            pad_id=self.tokenizer.pad_token_id,
            batch_questions=self._config.batch_questions,
        )

    def fit(
        self,
        targets: Sequence[Target],
        folder: Path,
        *,
        lesson: Lesson | None = None,
        progress: Progress | None = None,
        validate: Callable[[], float] | None = None,
        logs: Path | None = None,
    ) -> Mapping[str, Json]:
        """Train on the targets; go on from the last whole checkpoint in the folder if there is one."""
        if not targets:
            raise TrainingError("there is nothing to learn: no targets are left after filters")
        if self._config.update == "none":
            raise TrainingError("student.update is 'none', which is to train nothing; set 'full' or 'lora'")
        started = time.perf_counter()
        learning = learning_of(lesson, self, targets, encoder=self._encoder, seed=self._training.seed)
        unused = set() if self._config.update == "prompt" else {"prompt_length"}
        settings = {
            "student": self._config.model_dump(mode="json", exclude=_NOT_IN_IDENTITY | unused),
            "training": self._training.model_dump(
                mode="json", exclude={*_OF_WATCHING, *(_OF_VALIDATION if validate is None else ())}
            ),
            "targets": [target.to_json() for target in targets],
            **learning.identity,
        }
        if self._template is not None:
            settings["template"] = self._template
        claim_folder(folder, content_id(settings))
        self._encoder.forget_cuts()
        rows = self._encoder.rows(targets)
        items = [item_of(target, row, lesson) for target, row in zip(targets, rows, strict=True)]
        before = last_checkpoint(folder)
        self._prepare(is_training=True)
        pad_id = self.tokenizer.pad_token_id
        steps = make_steps(self.model, rows, items, learning=learning, config=self._training, pad_id=pad_id)
        model: PreTrainedModel | peft.PeftModel = self.model
        if self._config.update in ("lora", "prompt"):
            model = with_additions(self.model, self._config, seed=self._training.seed)
        cuts = self.cuts
        trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
        with learning.heads_on(model):
            state = train_model(model, steps, folder=folder, progress=progress, validate=validate, logs=logs)
        losses = [[int(row["step"]), row["loss"]] for row in state.log_history if "loss" in row]
        found = [[row["step"], row["eval_accuracy"]] for row in state.log_history if "eval_accuracy" in row]
        self._settle(model, is_new=True)
        return {
            "steps": len(steps),
            "examples": len({target.example.id for target in targets}),
            "targets": dict(Counter(target.objective for target in targets)),
            "tokens": sum(items[i].length for step in steps.plan for i in step),
            "first_loss": losses[0][1],
            "last_loss": losses[-1][1],
            "losses": losses,
            **({"validated": found, "best_step": state.best_global_step} if found else {}),
            **({"metered": rows} if (rows := [row for row in state.log_history if "kappa" in row]) else {}),
            **({} if self._config.update == "full" else {"trained_parameters": trained}),
            "cut_contexts": cuts.contexts,
            "cut_outputs": cuts.outputs,
            "long_questions": cuts.questions,
            "resumed_from": int(before.name.rpartition("-")[2]) if before else None,
            "wall_s": round(time.perf_counter() - started, 3),
        }

    def _settle(self, model: PreTrainedModel | peft.PeftModel, *, is_new: bool = False) -> None:
        """Take a model, its additions merged; what is in memory then is what will lie in the folder."""
        if is_new and self._additions is not None:
            # What was added before is in the model, and not where the base is.
            self._base = None
        self._additions = None
        is_low_rank = isinstance(model, peft.PeftModel)
        if is_low_rank and self._base is not None:
            self._additions = Additions.of(model, base=self._base, family=self.family)
        self.model = without_wrapper(model) if is_low_rank else model
        if (is_new or is_low_rank) and self._additions is None and self._stored != self.model.dtype:
            with torch.no_grad():
                for weight in self.model.parameters():
                    weight.copy_(weight.to(self._stored))

    def save(self, folder: Path, *, form: Mapping[str, Json] | None = None) -> None:
        """Write weights (safetensors), configuration and tokenizer, as `from_pretrained` reads them.

        They are in the precision that the student was loaded in; or they are low-rank additions alone. The
        tokenizer's chat template writes the question as the student reads it, with the `prefix` in `form`;
        `tuition.json` says the rest.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if self._additions is None:
            self.model.save_pretrained(folder, state_dict=self._stored_weights())
        else:
            self._additions.save(folder)
        self.tokenizer.save_pretrained(folder)
        about = self._form(form or {})
        if self.abilities.generates:
            (folder / "chat_template.jinja").write_text(str(about.pop("chat_template")), encoding="utf-8")
        (folder / FORM).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    def _stored_weights(self) -> dict[str, torch.Tensor]:
        """Give the weights in the precision in which they are saved."""
        weights = self.model.state_dict()
        if self._stored != self.model.dtype:
            # Weights of two names, as of tied embeddings, stay one tensor, which is saved once.
            cast = {
                weight.data_ptr(): weight.to(self._stored)
                for weight in weights.values()
                if weight.is_floating_point()
            }
            weights = {name: cast.get(weight.data_ptr(), weight) for name, weight in weights.items()}
        return weights

    def _form(self, more: Mapping[str, Json]) -> dict[str, Json]:
        """Say how this student is asked; `chat_template` writes it."""
        config, prefix = self._config, str(more.get("prefix", ""))
        about: dict[str, Json] = {
            "format": 1,
            "tuition": __version__,
            "family": self.family,
            "template": "plain" if self._template is None else "chat",
            "prefix": prefix,
            **{name: getattr(config, name) for name in _ASKED_BY},
            **more,
        }
        if self.abilities.generates:
            about["chat_template"] = saved_template(
                self.tokenizer,
                self._template,
                prefix=prefix,
                instruction=config.instruction,
                family=self.family,
            )
            if isinstance(example := more.get("example"), Mapping):
                reads = ask_in(self.tokenizer, str(about["chat_template"]), str(example.get("sent", "")))
                about["example"] = {**example, "reads": reads}
        if self._own_template is not None:
            about["own_template"] = self._own_template
        return about

    def _branches(self, questions: Sequence[Target], prefixes: Sequence[Sequence[str]]) -> Branches:
        self._refuse_silent(", so it cannot explain; choose by a score that reads no explanation, or")
        self._begin()
        return Branches(
            model=self.model,
            tokenizer=self.tokenizer,
            encoder=self._encoder,
            questions=questions,
            prefixes=prefixes,
            positions=self._positions if self.family == "causal" else None,
            batch_rows=self._config.batch_questions,
        )

    def _refuse_silent(self, advice: str) -> None:
        if not self.abilities.generates:
            raise TrainingError(
                f"this student scores options and writes no text{advice} take an encoder-decoder or "
                "decoder-only student"
            )

    def _begin(self) -> None:
        """Get ready to answer."""
        self._encoder.forget_cuts()
        self._prepare(is_training=False)

    def _prepare(self, *, is_training: bool) -> None:
        """Choose the faster attention: on a CPU that is `eager` in training and `sdpa` in generation."""
        self.model.train(is_training)
        if self.model._supports_sdpa:
            eager = is_training and self.model.device.type == "cpu"
            self.model.set_attn_implementation("eager" if eager else "sdpa")
