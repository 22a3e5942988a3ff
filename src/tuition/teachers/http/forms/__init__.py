"""How each kind of endpoint is spoken to: the body of a call, and what comes back.

A new form is one file and one line in `FORMS`. `tests/contract/test_every_form.py` finds it there.
"""

from __future__ import annotations

from collections.abc import Mapping

from tuition.teachers.http.forms.anthropic import ANTHROPIC
from tuition.teachers.http.forms.form import Form, read_replies
from tuition.teachers.http.forms.gemini import GEMINI
from tuition.teachers.http.forms.openai import OPENAI

__all__ = ["FORMS", "Form", "read_replies"]

FORMS: Mapping[str, Form] = {"openai": OPENAI, "anthropic": ANTHROPIC, "gemini": GEMINI}
"""By the name that `wire.form` takes."""
