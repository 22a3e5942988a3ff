"""Muon for the matrices of the blocks and AdamW for the rest, as one optimiser; low-rank additions.

Knows parameters, and neither data nor losses.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import math
import warnings
from collections.abc import Callable, Generator, Sequence
from copy import copy as copied
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, overload

import peft
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import AdamW, Muon, Optimizer
from transformers import PreTrainedModel

from tuition.core.errors import TrainingError
from tuition.student.config import StudentConfig

__all__ = [
    "Additions",
    "MuonWithAdamW",
    "StackedMuon",
    "give_back",
    "muon_with_adamw",
    "with_additions",
    "with_saved",
    "without_wrapper",
]

_PROMPTED = ("llama", "mistral")
"""Types of models whose attention peft has prompts for."""
_STACK = 2**22
"""Numbers orthogonalised at once; on a CPU, larger stacks leave its caches and are slower."""


def give_back() -> None:
    """Return to the system what a training held, before the examination needs as much.

    The Trainer and its callbacks hold one another, and with them the optimizer, until a collection; what is
    freed then stays with malloc, which gives it back when told to (the GNU C library; others have no such
    call).
    """
    gc.collect()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


class StackedMuon(Muon):
    """`torch.optim.Muon` with the matrices of one shape orthogonalised together: the same numbers, sooner."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # ty: ignore[incompatible-method-override]
        """Change every matrix that has a gradient, once."""
        for group in self.param_groups:
            by_shape: dict[torch.Size, list[Tensor]] = {}
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape.setdefault(weight.shape, []).append(weight)
            for shape, weights in by_shape.items():
                size = max(1, _STACK // shape.numel())
                for start in range(0, len(weights), size):
                    self._step_alike(weights[start : start + size], group)

    def _step_alike(self, weights: Sequence[Tensor], group: dict[str, Any]) -> None:
        """Step matrices of one shape."""
        updates = []
        for weight in weights:
            grad = cast("Tensor", weight.grad)
            if "momentum_buffer" not in self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(grad)
            moment = self.state[weight]["momentum_buffer"]
            moment.lerp_(grad, 1 - group["momentum"])
            updates.append(grad.lerp(moment, group["momentum"]))
        rows, columns = weights[0].shape
        rate = group["lr"] * math.sqrt(max(1, rows / columns))
        for weight, update in zip(weights, _orthogonal(torch.stack(updates), group), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(update, alpha=-rate)


def _orthogonal(matrices: Tensor, group: dict[str, Any]) -> Tensor:
    """Bring the singular values of each matrix near 1 by Newton-Schulz steps; (matrices, rows, columns)."""
    a, b, c = group["ns_coefficients"]
    is_tall = matrices.shape[1] > matrices.shape[2]
    stack = (matrices.mT if is_tall else matrices).bfloat16()
    stack = stack / stack.flatten(1).norm(dim=1).clamp(min=group["eps"])[:, None, None]
    for _ in range(group["ns_steps"]):
        gram = stack @ stack.mT
        stack = torch.baddbmm(stack, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), stack, beta=a)
    return stack.mT if is_tall else stack


class MuonWithAdamW(Optimizer):
    """Step two optimisers as one: they share one list of groups and one state, both of this object.

    Weights in half precision are stepped through float32 copies, or small steps would be rounded away.
    """

    def __init__(
        self, muon: StackedMuon | None, adamw: AdamW, copies: dict[nn.Parameter, nn.Parameter]
    ) -> None:
        self._copies = copies
        self._parts: list[Optimizer] = [part for part in (muon, adamw) if part is not None]
        self._sizes = [len(part.param_groups) for part in self._parts]
        super().__init__([group for part in self._parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Hand this object's groups and state to the parts, because a checkpoint replaces them."""
        start = 0
        for part, size in zip(self._parts, self._sizes, strict=True):
            part.param_groups = self.param_groups[start : start + size]
            part.state = self.state
            start += size

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change every parameter that has a gradient, once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for weight, copy in self._copies.items():
            copy.grad = None if weight.grad is None else weight.grad.float()
        for part in self._parts:
            part.step()
        for weight, copy in self._copies.items():
            weight.copy_(copy)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the model's weights."""
        super().zero_grad(set_to_none)
        for weight in self._copies:
            if weight.grad is not None:
                weight.grad = None if set_to_none else weight.grad.zero_()

    def state_dict(self) -> dict[str, Any]:
        """Return groups, moments and float32 copies, as a checkpoint keeps them."""
        return {**super().state_dict(), "copies": [copy.detach() for copy in self._copies.values()]}

    @torch.no_grad()
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue from a saved state."""
        super().load_state_dict(state_dict)
        self._share()
        for copy, saved in zip(self._copies.values(), state_dict["copies"], strict=True):
            copy.copy_(saved)


def muon_with_adamw(model: nn.Module, *, lr: float, matrix_lr: float, weight_decay: float) -> MuonWithAdamW:
    """Build the optimiser of a model from scratch or of a small pre-trained one.

    Block matrices are the two-dimensional weights inside a numbered layer that are no embedding table.
    Parameters that do not require a gradient are left out; vectors (norms, biases) are never decayed. A model
    in bfloat16 learns in about half the time of one in float32, on a CPU with matrix units.

    Source: Muon, Jordan et al. 2024 (kellerjordan.github.io/posts/muon), as `torch.optim.Muon` has it; a test
    compares the two.
    """
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    matrices: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    copies: dict[nn.Parameter, nn.Parameter] = {}
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        stepped = weight
        if weight.dtype in (torch.bfloat16, torch.float16):
            stepped = copies[weight] = nn.Parameter(weight.detach().float())
        is_in_layer = any(part.isdigit() for part in name.split("."))
        if weight.ndim < 2:
            vectors.append(stepped)
        elif weight.ndim == 2 and id(weight) not in tables and is_in_layer:
            matrices.append(stepped)
        else:
            others.append(stepped)
    if not (matrices or others or vectors):
        raise TrainingError(
            "the model has no parameter that requires a gradient; unfreeze some of them to train it."
        )
    muon = StackedMuon(matrices, lr=matrix_lr, weight_decay=weight_decay) if matrices else None
    decayed = {"params": others, "weight_decay": weight_decay}
    kept = {"params": vectors, "weight_decay": 0.0}
    return MuonWithAdamW(muon, AdamW([decayed, kept], lr=lr, betas=(0.9, 0.95), fused=True), copies)


def with_additions(model: PreTrainedModel, config: StudentConfig, *, seed: int) -> peft.PeftModel:
    """Put low-rank additions on every linear layer, or prompts into the attention of the upper layers.

    Source: LLaMA-Adapter (arXiv 2303.16199), as peft has it: all layers but the lowest two, ten tokens each.

    Differs: in a model of four layers or fewer, all of them.
    """
    additions: peft.PeftConfig = peft.LoraConfig(
        r=config.lora_rank, lora_alpha=config.lora_alpha, lora_dropout=0.0, target_modules="all-linear"
    )
    if config.update == "prompt":
        kind, n = model.config.model_type, int(model.config.num_hidden_layers)
        if kind not in _PROMPTED:
            raise TrainingError(
                f"student.update = 'prompt' is for models of type {' and '.join(_PROMPTED)}, this one is "
                f"{kind!r}; take 'lora'"
            )
        if any("adaption_prompt" in name for name, _ in model.named_parameters()):
            raise TrainingError(
                "this student has learnt prompts before, and takes no second ones; take 'lora'"
            )
        layers = n if n <= 4 else n - 2
        additions = peft.AdaptionPromptConfig(
            adapter_len=config.prompt_length, adapter_layers=layers, task_type=peft.TaskType.CAUSAL_LM
        )
    with torch.random.fork_rng(), _old_attribute():
        torch.manual_seed(seed)
        return peft.get_peft_model(model, additions)


@contextlib.contextmanager
def _old_attribute() -> Generator[None]:
    """Let peft ask models for an attribute that transformers has renamed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        yield


@dataclass(frozen=True, slots=True, eq=False)
class Additions:
    """Low-rank additions or prompts in the form of peft, to be saved apart from their model."""

    config: peft.PeftConfig
    weights: dict[str, torch.Tensor]

    @classmethod
    def of(cls, model: peft.PeftModel, *, base: str, family: str) -> Additions:
        """Take the additions of a model, not merged yet; `base` is where the model without them is."""
        config = copied(cast("peft.LoraConfig", model.peft_config["default"]))
        if isinstance(config, peft.LoraConfig):
            # peft holds a set, which would be written in another order each time
            config.target_modules = sorted(config.target_modules or ())
        config.base_model_name_or_path, config.inference_mode = base, True
        config.task_type = peft.TaskType.CAUSAL_LM if family == "causal" else peft.TaskType.SEQ_2_SEQ_LM
        weights = peft.get_peft_model_state_dict(model, save_embedding_layers=False)
        return cls(config, {name: weight.detach().clone() for name, weight in weights.items()})

    def save(self, folder: Path) -> None:
        """Write them."""
        self.config.save_pretrained(str(folder))
        save_file(self.weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})


def without_wrapper(model: peft.PeftModel) -> PreTrainedModel:
    """Give the model that additions were trained on, with them: merged, or prompts in its attention."""
    if model.peft_config["default"].peft_type == peft.PeftType.ADAPTION_PROMPT:
        return cast("PreTrainedModel", model.get_base_model())
    return model.merge_and_unload()


def with_saved(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """Put the additions in a folder on the model that they were trained on; what comes back is peft's."""
    with _old_attribute():
        return cast("PreTrainedModel", peft.PeftModel.from_pretrained(model, folder))
