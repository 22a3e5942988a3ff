"""The training loop: `transformers.Trainer` with one data item an optimizer step.

Knows a model, rows and the plan; knows no texts.
Checkpoints, resuming, precision and devices are the Trainer's.

Source: TinyLLM (arXiv 2402.04616), section on the multi-task objective.
Differs: gradient accumulation is ours (the passes of one step): a Trainer that accumulates averages taken
per pass computes another loss.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import cast

import torch
import transformers
from torch import Tensor, nn
from torch.utils.data import Dataset, SequentialSampler
from transformers.trainer_callback import PrinterCallback

from tuition.core.errors import TrainingError
from tuition.core.protocols import Progress
from tuition.core.records import Target
from tuition.student.config import TrainingConfig
from tuition.student.encode import Row
from tuition.student.families import Family, Pass
from tuition.student.training.optimizer import muon_with_adamw
from tuition.student.training.passes import PASS_TOKENS, Item, rate_at, shares, split_step

__all__ = [
    "StepTrainer",
    "Steps",
    "claim_folder",
    "item_of",
    "last_checkpoint",
    "train_model",
]

_KEPT = 2
"""Checkpoints on disk: one to go on from if the newer was half written."""


@dataclass(eq=False)
class Steps(Dataset[dict[str, list[Pass]]]):
    """Optimizer steps as data: item i holds the forward passes of step i, made when it is due."""

    family: Family
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
        """Find each group by its first target."""
        self._by_first = {group[0]: group for group in self.groups}

    def __len__(self) -> int:
        """Count the steps."""
        return len(self.plan)

    def __getitem__(self, index: int) -> dict[str, list[Pass]]:
        """Make the passes of one step."""
        step, budget = self.plan[index], self.config.token_budget
        factors = dict(zip(step, shares(self.items, step, normaliser=self.config.normaliser), strict=True))
        # An example brings all its targets, so a row is in a step whole or not at all.
        groups = [self._by_first[i] for i in step if i in self._by_first]
        sizes = [cast("tuple[int, int]", self.family.lengths([self.rows[i] for i in g])) for g in groups]
        passes = split_step(sizes, token_budget=budget, pass_tokens=self.pass_tokens)
        return {
            "passes": [
                self.family.collate(
                    [[self.rows[i] for i in groups[j]] for j in part],
                    [[factors[i] for i in groups[j]] for j in part],
                    pad_id=self.pad_id,
                )
                for part in passes
            ]
        }


class StepTrainer(transformers.Trainer):
    """A Trainer whose data items are whole optimizer steps and whose loss is the sum over their passes."""

    def __init__(
        self,
        model: nn.Module,
        steps: Steps,
        *,
        arguments: transformers.TrainingArguments,
        progress: Progress | None = None,
    ) -> None:
        """Set the loop up."""
        self._steps = steps
        self._config = steps.config
        super().__init__(model=model, args=arguments, train_dataset=steps, data_collator=_only)
        # A Trainer that believes the model averages by itself would divide, or not divide, behind our back.
        self.model_accepts_loss_kwargs = False
        self.remove_callback(PrinterCallback)
        if progress is not None:
            self.add_callback(_Told(progress))

    def training_step(
        self,
        model: nn.Module,
        inputs: Mapping[str, object],
        num_items_in_batch: Tensor | int | None = None,
    ) -> Tensor:
        """Run all passes of one optimizer step forward and backward."""
        del num_items_in_batch
        model.train()
        total = torch.zeros((), device=self.args.device)
        for batch in cast("list[Pass]", inputs["passes"]):
            tensors = {name: tensor.to(self.args.device) for name, tensor in batch.items()}
            with self.compute_loss_context_manager():
                loss = self._steps.family.loss(model, tensors)
            self.accelerator.backward(loss)
            total += loss.detach()
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss of step {self.state.global_step + 1} is {total.item()}; lower training.lr (and "
                "matrix_lr), or take precision fp32"
            )
        return total

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

    def on_step_end(
        self,
        args: transformers.TrainingArguments,
        state: transformers.TrainerState,
        control: transformers.TrainerControl,
        **_: object,
    ) -> None:
        self._progress("training", state.global_step, state.max_steps)


def last_checkpoint(folder: Path) -> Path | None:
    """Find the newest whole checkpoint, not one that was being written as the process died. None: no such."""
    found = [path for path in folder.glob("checkpoint-*") if path.name.rpartition("-")[2].isdigit()]
    found.sort(key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for path in found:
        # The Trainer writes its state last, after weights and optimizer.
        with contextlib.suppress(OSError, ValueError):
            if "global_step" in json.loads((path / "trainer_state.json").read_text(encoding="utf-8")):
                return path
    return None


def claim_folder(folder: Path, identity: str) -> None:
    """Make a folder the place of one training."""
    mark = folder / "training.id"
    if mark.exists() and mark.read_text(encoding="utf-8") != identity and last_checkpoint(folder):
        raise TrainingError(
            f"{str(folder)!r} holds checkpoints of a training with other targets or settings, or by another "
            "version of tuition; give this one a folder of its own, or remove that one"
        )
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text(identity, encoding="utf-8")


def item_of(target: Target, row: Row) -> Item:
    """Say what planning needs to know of a target."""
    return Item(
        example_id=target.example.id,
        objective=target.objective,
        weight=target.weight,
        length=row.length,
        terms=row.terms,
    )


def train_model(
    model: nn.Module, steps: Steps, *, folder: Path, progress: Progress | None
) -> list[tuple[int, float]]:
    """Train, going on from the last whole checkpoint in the folder."""
    config = steps.config
    arguments = transformers.TrainingArguments(
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
        save_steps=min(config.save_every, len(steps)),
        save_total_limit=_KEPT,
        logging_strategy="steps",
        logging_steps=max(1, len(steps) // 50),
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=False,
        remove_unused_columns=False,
    )
    trainer = StepTrainer(model, steps, arguments=arguments, progress=progress)
    checkpoint = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    # accelerate laid autocast around `forward`: the model would compute in bf16 here, and in fp32 once it is
    # loaded from its folder. Its own `unwrap_model(keep_fp32_wrapper=False)` also takes off decorators of the
    # model's class, among them the one that renames arguments.
    vars(model).pop("_original_forward", None)
    vars(model).pop("forward", None)
    return [(int(row["step"]), row["loss"]) for row in trainer.state.log_history if "loss" in row]


def _only(features: list[dict[str, list[Pass]]]) -> dict[str, list[Pass]]:
    """Take the one step out of the Trainer's batch of one."""
    if len(features) != 1:
        raise TrainingError(
            f"the Trainer asked for {len(features)} steps at once, which it does where it sees several GPUs; "
            "set CUDA_VISIBLE_DEVICES to one of them, or start with torchrun."
        )
    return features[0]
