from bodies import USAGE

PATH = "/v1/chat/completions"
END = "stop"
BLOCKED = {"choices": [], "prompt_feedback": {"block_reason": "SAFETY"}, "usage": {"prompt_tokens": 12}}


def key_of(headers):
    return headers["authorization"].removeprefix("Bearer ")


def asked(body):
    return {
        "messages": [(message["role"], message["content"]) for message in body["messages"]],
        "bound": body["max_tokens"],
        "temperature": body.get("temperature"),
        "n": body.get("n", 1),
        "schema": body.get("response_format", {}).get("json_schema", {}).get("schema"),
    }


def body(*texts, finish=END, usage=USAGE, thought=""):
    kept = {"reasoning_content": thought} if thought else {}
    choices = [
        {"message": {"role": "assistant", "content": text, **kept}, "finish_reason": finish} for text in texts
    ]
    return {"model": "m-2026", "choices": choices, "usage": usage}
