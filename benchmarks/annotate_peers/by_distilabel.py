"""distilabel: one step over the OpenAI client in a pipeline, its cache off.

A step's batch is what it has in flight. Tried and slower: larger batches from the loading step, two replicas
of half the batch, which it then serves in turn.
"""

import os

os.environ["DISTILABEL_LOG_LEVEL"] = "WARNING"

import measure
from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration


def ask(prompts, *, url, at_once, folder):
    rows = [{"i": i, "instruction": prompt} for i, prompt in enumerate(prompts)]
    with Pipeline("annotate", cache_dir=folder / "distilabel") as pipeline:
        llm = OpenAILLM(
            model="gpt-4o-mini",
            base_url=url,
            api_key="none",
            max_retries=0,
            generation_kwargs={"max_new_tokens": 256},
        )
        load = LoadDataFromDicts(data=rows, batch_size=at_once)
        write = TextGeneration(llm=llm, input_batch_size=at_once, add_raw_input=False, add_raw_output=False)
        load >> write
    told = pipeline.run(use_cache=False)
    texts = {row["i"]: row["generation"] for row in told["default"]["train"]}
    return [texts[i] for i in range(len(prompts))]


if __name__ == "__main__":
    measure.measured(ask)
