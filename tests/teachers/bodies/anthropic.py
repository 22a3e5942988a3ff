from bodies import USAGE

PATH = "/v1/messages"
END = "end_turn"
BLOCKED = None
NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}


def key_of(headers):
    return headers["x-api-key"]


def asked(body):
    system = [("system", body["system"])] if "system" in body else []
    return {
        "messages": system + [(message["role"], message["content"]) for message in body["messages"]],
        "bound": body["max_tokens"],
        "temperature": body.get("temperature"),
        "n": 1,
        "schema": body.get("output_config", {}).get("format", {}).get("schema"),
    }


def body(text, finish=END, usage=USAGE, thought=""):
    counts = {NAMES[name]: value for name, value in (usage or {}).items() if name in NAMES}
    content = [{"type": "thinking", "thinking": thought, "signature": "x"}] if thought else []
    content += [{"type": "text", "text": text}] if text else []
    return {"type": "message", "model": "m-2026", "content": content, "stop_reason": finish, "usage": counts}
