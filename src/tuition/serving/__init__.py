"""Serve a writer over HTTP in the form of OpenAI's Chat Completions, many requests decoded together.

Knows no model: a writer puts messages into token ids and continues them (`Writer`).
"""

from __future__ import annotations

from tuition.serving.app import app
from tuition.serving.guard import is_loopback
from tuition.serving.writer import Limits, Prompt, Writer

__all__ = ["Limits", "Prompt", "Writer", "app", "is_loopback"]
