"""What a provider of each form reads and writes: one module a form, found by the form's name.

A form without one is no longer known by what its provider says, and the contract says what to write:

    PATH                                  where a call to the model `m` arrives
    key_of(headers)                       the key that a call carries
    asked(body)                           messages as (role, text), bound, temperature, n and schema of a call
    body(text, finish, usage, thought)    an answer; `usage` has OpenAI's names, `text` may be several answers
    END                                   the word by which a whole text ends
    BLOCKED                               a body without an answer, because of the prompt; None: there is none
"""

import importlib
from types import ModuleType

USAGE = {"prompt_tokens": 12, "completion_tokens": 7}


def of(form: str) -> ModuleType:
    try:
        return importlib.import_module(f"bodies.{form}")
    except ModuleNotFoundError:
        raise AssertionError(f"write tests/teachers/bodies/{form}.py:\n{__doc__}") from None
