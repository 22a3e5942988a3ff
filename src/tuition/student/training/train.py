"""The training loop: `transformers.Trainer` with one data item an optimizer step.

Knows a model, rows and the plan; knows no texts.
Checkpoints, resuming, precision and devices are the Trainer's.

Source: TinyLLM (arXiv 2402.04616), section on the multi-task objective.
Differs: gradient accumulation is ours (the passes of one step): a Trainer that accumulates averages taken
per pass computes another loss.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers import PreTrainedModel, TrainerState, TrainingArguments
from transformers.integrations import TensorBoardCallback
from transformers.trainer_callback import PrinterCallback

from tuition.core.errors import TrainingError
from tuition.core.protocols import Lesson, Progress
from tuition.core.records import Target
from tuition.student.config import TrainingConfig
from tuition.student.encode import Row
from tuition.student.families import Pass
from tuition.student.lessons.lesson import Learning
from tuition.student.lessons.meter import Meter
from tuition.student.training.checkpoints import last_checkpoint
from tuition.student.training.optimizer import give_back, muon_with_adamw
from tuition.student.training.passes import (
    PASS_TOKENS,
    Item,
    pass_tokens_of,
    plan_steps,
    rate_at,
    shares,
    split_step,
)
from tuition.student.training.share import share_rows

__all__ = ["StepTrainer", "Steps", "item_of", "make_steps", "train_model"]

_KEPT = 2
"""Checkpoints on disk: one to go on from if the newer was half written."""
_LAID = ("forward", "_original_forward")
"""What accelerate sets on a model."""


@dataclass(eq=False)
class Steps(Dataset[dict[str, list[Pass]]]):
    """Optimizer steps as data: item i holds the forward passes of step i, made when it is due."""

    learning: Learning
    rows: Sequence[Row]
    items: Sequence[Item]
    _: KW_ONLY
    plan: Sequence[Sequence[int]]
    groups: Sequence[Sequence[int]]
    """The targets that share a row."""
    config: TrainingConfig
    pad_id: int
    device: str = "cpu"
    pass_tokens: int = PASS_TOKENS

    def __post_init__(self) -> None:
        self._by_first = {group[0]: group for group in self.groups}

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> dict[str, list[Pass]]:
        """Make the passes of one step."""
        step, learning, family = self.plan[index], self.learning, self.learning.family
        budgets = {"token_budget": self.config.token_budget, "pass_tokens": self.pass_tokens}
        compared = [i for i in step if i in learning.pairs]
        step = [i for i in step if i not in learning.preferred]
        factors = dict(zip(step, shares(self.items, step, normaliser=self.config.normaliser), strict=True))
        # An example brings all its targets, so a row is in a step whole or not at all.
        groups = [self._by_first[i] for i in step if i in self._by_first]
        sizes = [cast("tuple[int, int]", family.lengths([self.rows[i] for i in g])) for g in groups]
        passes = [
            family.collate(
                [[self.rows[i] for i in groups[j]] for j in part],
                [[factors[i] for i in groups[j]] for j in part],
                pad_id=self.pad_id,
            )
            for part in split_step(sizes, **budgets)
        ]
        weights = [self.items[i].weight for i in compared]
        passes += learning.passes(compared, weights, budgets=budgets, pad_id=self.pad_id)
        return {"passes": passes}

    def of(self, index: int, objective: str | None) -> list[Pass]:
        """Make the passes of what one objective adds to a step; None: of all."""
        if objective is None:
            return self[index]["passes"]
        mine = {i for i in self.plan[index] if self.items[i].objective == objective}
        groups = [[i for i in group if i in mine] for group in self.groups]
        only = replace(self, plan=[sorted(mine)], groups=[group for group in groups if group])
        return only[0]["passes"] if mine else []


class StepTrainer(transformers.Trainer):
    """A Trainer whose data items are whole optimizer steps and whose loss is the sum over their passes."""

    def __init__(
        self,
        model: nn.Module,
        steps: Steps,
        *,
        arguments: TrainingArguments,
        progress: Progress | None = None,
        validate: Callable[[], float] | None = None,
    ) -> None:
        self._steps = steps
        self._config = steps.config
        self._validate = validate
        # A Trainer that evaluates wants a data set; `evaluate` reads none.
        examined = None if validate is None else steps
        super().__init__(
            model=model, args=arguments, train_dataset=steps, eval_dataset=examined, data_collator=_only
        )
        # A Trainer that believes the model averages by itself would divide, or not divide, behind our back.
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        if progress is not None:
            self.add_callback(_Told(progress))
        if validate is not None:
            self.add_callback(_Best)
        if self._config.meter:
            names = list(dict.fromkeys(item.objective for item in steps.items))
            parts = names if self._config.meter == "objectives" else ()
            if len(names) < 2 and parts:
                raise TrainingError(
                    f"training.meter = 'objectives' compares two or more, and all targets are {names[0]!r}"
                )
            every = self._config.meter_every
            self.add_callback(Meter(steps.learning, steps.of, objectives=parts, every=every))

    def training_step(
        self, model: nn.Module, inputs: Mapping[str, object], num_items_in_batch: Tensor | int | None = None
    ) -> Tensor:
        """Run all passes of one optimizer step forward and backward."""
        del num_items_in_batch
        model.train()
        total = torch.zeros((), device=self.args.device)
        for batch in cast("list[Pass]", inputs["passes"]):
            tensors = {name: tensor.to(self.args.device) for name, tensor in batch.items()}
            with self.compute_loss_context_manager():
                loss = self._steps.learning.loss(model, tensors)
            self.accelerator.backward(loss)
            total += loss.detach()
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss of step {self.state.global_step + 1} is {total.item()}; lower training.lr (and "
                "matrix_lr), or take precision fp32"
            )
        return total

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Have the student answer validation; where it is better than ever before, it is saved at once."""
        with _as_loaded(self.model):
            metrics = {"eval_accuracy": cast("Callable[[], float]", self._validate)()}
        best = self.state.best_metric
        if best is None or metrics["eval_accuracy"] > best:
            self.control.should_save = True
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Make the optimizer the configuration names."""
        if self._config.optimizer == "adamw":
            return super().create_optimizer(model)
        if self.optimizer is None:
            self.optimizer = muon_with_adamw(
                cast("nn.Module", self.model if model is None else model),
                lr=self._config.lr,
                matrix_lr=self._config.matrix_lr,
                weight_decay=self._config.weight_decay,
            )
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Make the learning-rate schedule."""
        if self.lr_scheduler is None:
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
                cast("torch.optim.Optimizer", self.optimizer if optimizer is None else optimizer),
                lambda step: rate_at(step, num_training_steps, config=self._config),
            )
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def floating_point_ops(self, inputs: Mapping[str, object]) -> int:
        """Leave the operations uncounted: the Trainer's estimate reads one dictionary, not passes."""
        del inputs
        return 0

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> SequentialSampler:
        # The plan is shuffled already; its order is part of what a resumed training repeats.
        return SequentialSampler(self._steps)


class _Told(transformers.TrainerCallback):
    """Passes the progress on."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def on_step_end(self, args: object, state: TrainerState, control: object, **_: object) -> None:
        self._progress("training", state.global_step, state.max_steps)


class _Best(transformers.TrainerCallback):
    """Finds the checkpoint of the best validation where it lies now; the state has an old path."""

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: object, **_: object
    ) -> None:
        if state.best_global_step:
            best = Path(str(args.output_dir)) / f"checkpoint-{state.best_global_step}"
            if not best.is_dir():
                raise TrainingError(
                    f"the checkpoint of the best validation, {str(best)!r}, is gone; remove "
                    f"{str(best.parent)!r} to train again"
                )
            state.best_model_checkpoint = str(best)


def item_of(target: Target, row: Row, lesson: Lesson | None = None) -> Item:
    """Say what planning needs to know of a target."""
    groups = {"domain": target.example.domain, "objective": target.objective}
    return Item(
        example_id=target.example.id,
        objective=target.objective,
        weight=target.weight,
        length=row.length,
        terms=row.terms,
        group=groups[lesson.grouped_by] if lesson and lesson.mixture else "",
    )


def make_steps(
    model: PreTrainedModel,
    rows: Sequence[Row],
    items: Sequence[Item],
    *,
    learning: Learning,
    config: TrainingConfig,
    pad_id: int,
) -> Steps:
    """Plan the optimizer steps, and which targets share a row."""
    config = config.model_copy(update={"token_budget": learning.budget(config.token_budget)})
    plan = plan_steps(
        items,
        batch_examples=config.batch_examples,
        mixture=learning.lesson.mixture,
        **{name: getattr(config, name) for name in ("steps", "epochs", "seed")},
    )
    budget, device = config.token_budget, model.device.type
    parameters = sum(weight.numel() for weight in model.parameters())
    shared = share_rows(
        model,
        rows,
        items,
        family=learning.family,
        token_budget=budget,
        pad_id=pad_id,
        beside=() if learning.mentor is None else (learning.mentor,),
    )
    groups = [[i for i in group if i not in learning.preferred] for group in shared]
    return Steps(
        learning,
        rows,
        items,
        plan=plan,
        groups=[group for group in groups if group],
        config=config,
        pad_id=pad_id,
        device=device,
        # A GPU is idle between small passes, so each costs it a whole one.
        pass_tokens=pass_tokens_of(parameters) if device == "cpu" else budget,
    )


@contextlib.contextmanager
def _as_loaded(model: Any) -> Generator[None]:
    """Let a model in training compute as a loaded one: without accelerate's autocast around `forward`."""
    laid = {name: vars(model).pop(name) for name in _LAID if name in vars(model)}
    attention = model.config._attn_implementation
    yield
    vars(model).update(laid)
    if model.config._attn_implementation != attention:
        model.set_attn_implementation(attention)


def train_model(
    model: Any,
    steps: Steps,
    *,
    folder: Path,
    progress: Progress | None,
    validate: Callable[[], float] | None = None,
    logs: Path | None = None,
) -> TrainerState:
    """Train, going on from the last whole checkpoint in the folder; with `validate`, end with the best."""
    config = steps.config
    save_every, every = min(config.save_every, len(steps)), None
    if validate is not None:
        examples = len({item.example_id for item in steps.items})
        every = min(config.validate_every or math.ceil(examples / config.batch_examples), len(steps))
        # the Trainer finds the best only where it validates wherever it saves
        save_every = every * max(1, save_every // every)
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=len(steps),
        per_device_train_batch_size=1,
        gradient_accumulation_steps=1,
        learning_rate=config.lr,
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        bf16=config.precision == "bf16",
        use_cpu=steps.device == "cpu",
        seed=config.seed,
        save_strategy="steps",
        save_steps=save_every,
        save_total_limit=_KEPT,
        logging_strategy="steps",
        logging_steps=max(1, len(steps) // 50),
        disable_tqdm=True,
        report_to=list(config.report_to) or "none",
        run_name=None if logs is None else f"{logs.parent.parent.name}/{logs.name}",
        project="tuition",
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        eval_strategy="no" if every is None else "steps",
        eval_steps=every,
        load_best_model_at_end=every is not None,
        metric_for_best_model=None if every is None else "accuracy",
    )
    caches = getattr(model.config, "use_cache", None)
    trainer = StepTrainer(model, steps, arguments=arguments, progress=progress, validate=validate)
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, TensorBoardCallback) and logs is not None and callback.logging_dir is None:
            callback.logging_dir = str(logs)
    checkpoint = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    # accelerate laid autocast around `forward`: the model would compute in bf16 here, and in fp32 once it is
    # loaded from its folder. Its own `unwrap_model(keep_fp32_wrapper=False)` also takes off decorators of the
    # model's class, among them the one that renames arguments.
    for name in _LAID:
        vars(model).pop(name, None)
    # The Trainer switches it off, and what is saved would write slowly in other hands.
    if caches is not None:
        model.config.use_cache = caches
    state = trainer.state
    del trainer
    give_back()
    return state


def _only(features: list[dict[str, list[Pass]]]) -> dict[str, list[Pass]]:
    """Take the one step out of the Trainer's batch of one."""
    if len(features) != 1:
        raise TrainingError(
            f"the Trainer asked for {len(features)} steps at once, which it does where it sees several GPUs; "
            "set CUDA_VISIBLE_DEVICES to one of them, or start with torchrun."
        )
    return features[0]
