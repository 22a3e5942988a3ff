from bodies import USAGE

PATH = "/v1/models/m:generateContent"
END = "STOP"
BLOCKED = {
    "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
    "usageMetadata": {"promptTokenCount": 12, "totalTokenCount": 12},
    "modelVersion": "m-2026",
}
NAMES = {
    "prompt_tokens": "promptTokenCount",
    "completion_tokens": "candidatesTokenCount",
    "total_tokens": "totalTokenCount",
}


def key_of(headers):
    return headers["x-goog-api-key"]


def asked(body):
    config = body["generationConfig"]
    turns = [("system", body["systemInstruction"])] if "systemInstruction" in body else []
    turns += [(turn["role"].replace("model", "assistant"), turn) for turn in body["contents"]]
    assert ("responseJsonSchema" in config) == (config.get("responseMimeType") == "application/json")
    return {
        "messages": [(role, "".join(part["text"] for part in turn["parts"])) for role, turn in turns],
        "bound": config["maxOutputTokens"],
        "temperature": config.get("temperature"),
        "n": config.get("candidateCount", 1),
        "schema": config.get("responseJsonSchema"),
    }


def body(*texts, finish=END, usage=USAGE, thought=""):
    counts = {NAMES[name]: value for name, value in (usage or {}).items() if name in NAMES}
    thoughts = [{"text": thought, "thought": True}] if thought else []
    contents = [thoughts + ([{"text": text, "thoughtSignature": "x"}] if text else []) for text in texts]
    return {
        "candidates": [
            {"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": i}
            for i, parts in enumerate(contents)
        ],
        "usageMetadata": counts,
        "modelVersion": "m-2026",
        "responseId": "r",
    }
