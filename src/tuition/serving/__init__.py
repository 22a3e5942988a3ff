"""Serve a writer over HTTP in the form of OpenAI's Chat Completions, or pass an application's requests on.

Knows no model: a writer puts messages into token ids and continues them (`Writer`).
"""

from __future__ import annotations

from tuition.serving.app import app
from tuition.serving.capture import CaptureConfig, Captured
from tuition.serving.guard import is_loopback
from tuition.serving.listen import listen, url_of
from tuition.serving.writer import Limits, Prompt, Second, Writer

__all__ = [
    "CaptureConfig",
    "Captured",
    "Limits",
    "Prompt",
    "Second",
    "Writer",
    "app",
    "is_loopback",
    "listen",
    "url_of",
]
