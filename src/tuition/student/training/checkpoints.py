"""The folder of one training: whose it is, and where the training can go on from."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from tuition.core.errors import TrainingError

__all__ = ["claim_folder", "last_checkpoint"]


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
