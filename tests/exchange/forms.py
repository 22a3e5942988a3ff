"""Files as other tools write them, by hand after their documentation, all with the same two replies."""

import json

QUESTIONS = ("What is 2 + 2?", "Which is a fruit?\nAnswer Choices:\n(a) a stone\n(b) a fig")
REPLIES = ("Two and two\nare 4.", "Stones are not eaten — figs are.")
MODEL = "gpt-4o-mini-2024-07-18"


def messages(i, *, system="", reply=True):
    said = [{"role": "assistant", "content": REPLIES[i]}] if reply else []
    told = [{"role": "system", "content": system}] if system else []
    return [*told, {"role": "user", "content": QUESTIONS[i]}, *said]


def completion(i, *texts):
    """A body as the endpoint returns it."""
    return {
        "id": f"chatcmpl-{i}",
        "object": "chat.completion",
        "created": 1738960610,
        "model": MODEL,
        "choices": [
            {
                "index": n,
                "message": {"role": "assistant", "content": text, "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
            for n, text in enumerate(texts or (REPLIES[i],))
        ],
        "usage": {"prompt_tokens": 13, "completion_tokens": 18, "total_tokens": 31},
    }


def curator(i, **more):
    return {
        "response_message": REPLIES[i],
        "parsed_response_message": None,
        "response_errors": None,
        "raw_response": completion(i),
        "raw_request": None,
        "generic_request": {
            "model": MODEL,
            "messages": messages(i, reply=False),
            "response_format": None,
            "original_row": {"prompt": QUESTIONS[i]},
            "original_row_idx": i,
            "generation_params": {},
        },
        "created_at": "2025-01-01T00:00:00",
        "finished_at": "2025-01-01T00:00:01",
        "token_usage": {"input": 13, "output": 18, "total": 31},
        "response_cost": 0.0001,
        "finish_reason": "stop",
        **more,
    }


def request(i):
    body = {"model": "gpt-4o-mini", "messages": messages(i, reply=False), "max_tokens": 64}
    return {"custom_id": f"q-{i}", "method": "POST", "url": "/v1/chat/completions", "body": body}


def output(i, **more):
    response = {"status_code": 200, "request_id": f"req_{i}", "body": completion(i)}
    return {"id": f"batch_req_{i}", "custom_id": f"q-{i}", "response": response, "error": None, **more}


def alpaca(i):
    return {"instruction": QUESTIONS[i], "input": "", "output": REPLIES[i], "model": MODEL}


ROWS = {
    "curator": curator,
    "distilabel": lambda i: {
        "instruction": QUESTIONS[i],
        "generation": REPLIES[i],
        "model_name": MODEL,
        "distilabel_metadata": {"raw_output_text_generation_0": REPLIES[i]},
    },
    "llama-factory": alpaca,
    "openai-messages": lambda i: {"messages": messages(i), "model": MODEL},
    "openai-stored": lambda i: {**completion(i), "metadata": {}, "messages": messages(i, reply=False)},
    "trl": lambda i: {
        "prompt": [{"role": "user", "content": QUESTIONS[i]}],
        "completion": [{"role": "assistant", "content": REPLIES[i]}],
        "model": MODEL,
    },
}
"""A row of each form that has one reply a row, by form."""


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def texts(rows):
    """By question: teacher and texts."""
    return {
        row["question"]: {
            teacher: [sample["text"] for sample in entry.get("samples") or [entry]]
            for teacher, entry in row["rationales"].items()
        }
        for row in rows
    }
