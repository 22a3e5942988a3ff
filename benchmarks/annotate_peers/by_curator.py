"""bespokelabs-curator over its OpenAI backend: limits out of the way; no cache, display or telemetry."""

import os

os.environ |= {
    "CURATOR_DISABLE_CACHE": "1",
    "CURATOR_DISABLE_RICH_DISPLAY": "1",
    "TELEMETRY_ENABLED": "0",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}

# Where tiktoken cannot download its tables: this module brings them and tells tiktoken so.
import litellm.litellm_core_utils.default_encoding  # noqa: F401
import measure
from bespokelabs import curator


class Asker(curator.LLM):
    def prompt(self, input):
        return input["prompt"]

    def parse(self, input, response):
        return {"i": input["i"], "text": response}


def ask(prompts, *, url, at_once, folder):
    asker = Asker(
        model_name="gpt-4o-mini",
        backend="openai",
        generation_params={"max_tokens": 256},
        backend_params={
            "base_url": url,
            "api_key": "none",
            "max_concurrent_requests": at_once,
            "max_requests_per_minute": 10**7,
            "max_tokens_per_minute": 10**11,
            "max_retries": 0,
        },
    )
    rows = [{"i": i, "prompt": prompt} for i, prompt in enumerate(prompts)]
    told = asker(rows, working_dir=str(folder / "curator"))
    texts = {row["i"]: row["text"] for row in told.dataset}
    return [texts[i] for i in range(len(prompts))]


if __name__ == "__main__":
    measure.measured(ask)
