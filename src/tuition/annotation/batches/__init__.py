"""Asking in batches: handed over at once, answered hours later, by a provider or by way of files."""

from __future__ import annotations

from tuition.annotation.batches.caller import BatchCaller
from tuition.annotation.batches.lines import refuse_batched
from tuition.annotation.batches.written import BatchAnswers, BatchFile, drop_batch, import_batch, write_batch

__all__ = [
    "BatchAnswers",
    "BatchCaller",
    "BatchFile",
    "drop_batch",
    "import_batch",
    "refuse_batched",
    "write_batch",
]
