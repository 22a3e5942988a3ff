"""Say what torch computes on here."""

from __future__ import annotations

import torch

__all__ = ["devices"]


def devices() -> list[str]:
    """List the devices, those that `student.device` takes and Apple's beside them."""
    found = [f"CPU, {torch.get_num_threads()} threads"]
    for i in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(i)
        found.append(f"CUDA {i}: {card.name}, {card.total_memory / 2**30:.0f} GiB")
    found += ["MPS (not used by students yet)"] * torch.backends.mps.is_available()
    return found
