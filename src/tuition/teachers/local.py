"""A language model in this process: any decoder-only or encoder-decoder model that transformers reads.

Requests that wait together are written together. Weights are loaded at the first call that must be made and
let go when the asking ends. Only safetensors are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from jinja2 import TemplateError

from tuition.core.budget import Price
from tuition.core.errors import TeacherError
from tuition.core.protocols import TeacherAbilities
from tuition.core.records import Failure, Reply, Request, Usage
from tuition.core.texts.thoughts import thought_apart
from tuition.teachers.batching import Worker, Write
from tuition.teachers.config import TeacherConfig
from tuition.teachers.weights import Weights, find_weights

if TYPE_CHECKING:
    import transformers
    from torch import Generator, Tensor
    from torch.nn import Embedding

__all__ = ["LocalTeacher"]

_PARAMETERS = {"max_tokens", "temperature"}
_KEPT_SETTINGS = ("decoder_start_token_id", "forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens")
"""Settings a model brings that belong to its form; how it would sample is for the teacher's table to say."""


class LocalTeacher:
    """A language model whose weights lie here, or on the hub.

    Asking moves no money; tokens are counted by its own tokenizer, and count against a budget in tokens. A
    sampled reply depends on the request alone and not on the others in its batch, up to rounding.
    """

    def __init__(self, config: TeacherConfig) -> None:
        """Find the weights and name them by their content; nothing is loaded.

        A model that cannot be found or writes no text is a TeacherError; so are several greedy samples, which
        would all be alike.
        """
        self.name = config.name
        self._weights = find_weights(config.model or config.name, teacher=config.name)
        self.model = self._weights.name
        self.endpoint = f"local:{self._weights.revision}"
        self.price: Price | None = config.price or Price(prompt=0, completion=0)
        self.abilities = TeacherAbilities(is_paid=False, concurrency=config.concurrency)
        if config.samples > 1 and not config.temperature:
            raise TeacherError(
                f"teacher {self.name!r} is to write {config.samples} samples without a temperature, and all "
                "would be the same text; set its temperature, such as 0.7, or samples = 1."
            )
        self._lock = threading.Lock()
        self._users = 0
        self._worker: Worker | None = None

    async def __aenter__(self) -> LocalTeacher:
        with self._lock:
            self._users += 1
            if self._worker is None:
                self._worker = Worker(partial(_load, self._weights), most=self.abilities.concurrency)
        return self

    async def __aexit__(self, *exception: object) -> None:
        with self._lock:
            self._users -= 1
            ending, self._worker = (self._worker, None) if self._users == 0 else (None, self._worker)
        if ending is not None:
            await asyncio.to_thread(ending.stop)

    async def complete(self, request: Request) -> Reply:
        """Write one reply, in a batch with others that wait; inside `async with` the model stays loaded."""
        async with self:
            worker = self._worker
            assert worker is not None
            return await asyncio.wrap_future(worker.put(request))


def _load(weights: Weights, is_over: threading.Event) -> Write:
    """Load a model with its tokenizer, which takes seconds to minutes; what comes back writes with it."""
    import torch
    import transformers
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    revision = {} if weights.is_folder else {"revision": weights.revision}
    options = {"trust_remote_code": False, **revision}
    described = transformers.AutoConfig.from_pretrained(weights.source, **options)
    auto = (
        transformers.AutoModelForSeq2SeqLM
        if described.is_encoder_decoder
        else transformers.AutoModelForCausalLM
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights.source, **options)
    on_gpu = torch.cuda.is_available()
    # A CPU is slow at half precision, or cannot do it.
    model = auto.from_pretrained(
        weights.source, use_safetensors=True, dtype="auto" if on_gpu else torch.float32, **options
    )
    tokenizer = cast("transformers.PreTrainedTokenizerBase", tokenizer)
    room = cast("Embedding", model.get_input_embeddings()).num_embeddings
    if len(tokenizer) > room:
        raise ValueError(f"its tokenizer knows {len(tokenizer)} tokens, the model {room}")
    return _Engine(
        model=model.to("cuda" if on_gpu else "cpu").eval(),
        tokenizer=tokenizer,
        name=f"{weights.name}@{weights.revision}",
        is_over=is_over,
    ).write


class _Engine:
    """A loaded model with its tokenizer."""

    def __init__(
        self,
        *,
        model: transformers.PreTrainedModel,
        tokenizer: transformers.PreTrainedTokenizerBase,
        name: str,
        is_over: threading.Event,
    ) -> None:
        import transformers

        self._model, self._tokenizer, self._name, self._is_over = model, tokenizer, name, is_over
        self._is_decoder = not model.config.is_encoder_decoder
        own = model.generation_config or transformers.GenerationConfig()
        ends = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
        self._ends = [end for end in dict.fromkeys([tokenizer.eos_token_id, *ends]) if end is not None]
        pads = (tokenizer.pad_token_id, own.pad_token_id, *self._ends, 0)
        self._pad = next(pad for pad in pads if pad is not None)
        kept = {name: getattr(own, name, None) for name in _KEPT_SETTINGS}
        start = kept["decoder_start_token_id"]
        kept["decoder_start_token_id"] = (
            getattr(model.config, "decoder_start_token_id", None) if start is None else start
        )
        model.generation_config = transformers.GenerationConfig(
            **kept, eos_token_id=self._ends or None, pad_token_id=self._pad
        )

    def write(self, requests: Sequence[Request]) -> list[Reply]:
        """Write a reply to each request; one that cannot be written is a failure and holds up no other."""
        started = time.monotonic()
        prompts = [self._read(request) for request in requests]
        fit = {i: prompt for i, prompt in enumerate(prompts) if isinstance(prompt, list)}
        written = self._generate([requests[i] for i in fit], list(fit.values()))
        latency_s = time.monotonic() - started
        replies = [Reply(failure=prompt) if isinstance(prompt, Failure) else Reply() for prompt in prompts]
        for (i, prompt), tokens in zip(fit.items(), written, strict=True):
            replies[i] = self._reply(requests[i], prompt, tokens, latency_s=latency_s)
        return replies

    def _read(self, request: Request) -> list[int] | Failure:
        """Turn messages into tokens: by the chat template; where there is none, one text after the other."""
        unknown = sorted(request.parameters.keys() - _PARAMETERS)
        if unknown:
            return Failure(kind="bad_request", message=f"a local teacher knows no parameter {unknown[0]!r}")
        encode = cast("Callable[..., Mapping[str, list[int]]]", self._tokenizer)
        if self._is_decoder and self._tokenizer.chat_template:
            turns = [{"role": turn.role, "content": turn.content} for turn in request.messages]
            try:
                text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
            except TemplateError as error:
                return Failure(kind="bad_request", message=f"its chat template refuses the messages: {error}")
            ids = encode(text, add_special_tokens=False)["input_ids"]
        else:
            ids = encode("\n\n".join(message.content for message in request.messages))["input_ids"]
            # Some tokenizers close every text, and a closed text is not continued.
            ids = ids[:-1] if self._is_decoder and ids[-1:] == [self._tokenizer.eos_token_id] else ids
        window = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        bound = _bound(request)
        needed = len(ids) + bound if self._is_decoder else max(len(ids), bound)
        if ids and not (isinstance(window, int) and needed > window):
            return ids
        message = (
            f"the prompt has {len(ids)} tokens and max_tokens is {bound}; the model reads 1 to {window} "
            "in all. Shorten the question, set fewer annotation.examples, or lower max_tokens"
        )
        return Failure(kind="bad_request", message=message)

    def _generate(self, requests: Sequence[Request], prompts: Sequence[list[int]]) -> list[list[int] | None]:
        """Continue the prompts; None for one that does not fit into memory even alone."""
        import torch

        if not prompts:
            return []
        try:
            return list(self._continue(requests, prompts))
        except torch.OutOfMemoryError:
            if len(prompts) == 1:
                return [None]
        half = len(prompts) // 2
        first = self._generate(requests[:half], prompts[:half])
        return first + self._generate(requests[half:], prompts[half:])

    def _continue(self, requests: Sequence[Request], prompts: Sequence[list[int]]) -> list[list[int]]:
        import torch

        width = max(len(prompt) for prompt in prompts)
        # A decoder goes on from the last column, so its prompts are filled up in front.
        rows = [self._filled(prompt, width, self._pad) for prompt in prompts]
        mask = [self._filled([1] * len(prompt), width, 0) for prompt in prompts]
        device = self._model.device
        generate = cast("Callable[..., Tensor]", self._model.generate)
        draw = _Draw([_source(request, device.type) for request in requests])
        with torch.inference_mode():
            out = generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
                max_new_tokens=max(_bound(request) for request in requests),
                do_sample=False,
                logits_processor=[draw],
                stopping_criteria=[self._stop],
            )
        # An encoder-decoder begins with its start mark, a decoder with the prompt.
        new = out[:, width:] if self._is_decoder else out[:, 1:]
        written = []
        for request, tokens in zip(requests, new.tolist(), strict=True):
            ends = [i + 1 for i, token in enumerate(tokens) if token in self._ends]
            written.append(tokens[: min([_bound(request), *ends[:1]])])
        return written

    def _filled(self, row: list[int], width: int, value: int) -> list[int]:
        fill = [value] * (width - len(row))
        return fill + row if self._is_decoder else row + fill

    def _stop(self, input_ids: Tensor, scores: object, **more: object) -> Tensor:
        import torch

        return torch.full((len(input_ids),), self._is_over.is_set(), device=input_ids.device)

    def _reply(
        self, request: Request, prompt: list[int], tokens: list[int] | None, *, latency_s: float
    ) -> Reply:
        if tokens is None:
            message = "one prompt alone does not fit into memory beside the model; lower max_tokens"
            return Reply(failure=Failure(kind="server", message=message), latency_s=latency_s)
        whole = cast("str", self._tokenizer.decode(tokens, skip_special_tokens=True)).strip()
        text, thought = thought_apart(whole)
        is_whole, failure = bool(tokens) and tokens[-1] in self._ends, None
        if not text.strip():
            failure = Failure(kind="empty", message="the text is empty")
            if not is_whole:
                failure = Failure(kind="truncated", message="max_tokens ran out before the answer began")
        return Reply(
            text=text.strip(),
            reasoning=thought,
            finish="stop" if is_whole else "length",
            usage=Usage(prompt_tokens=len(prompt), completion_tokens=len(tokens)),
            model=self._name,
            latency_s=latency_s,
            failure=failure,
        )


def _bound(request: Request) -> int:
    bound = request.parameters["max_tokens"]
    assert isinstance(bound, int)
    return bound


def _source(request: Request, device: str) -> tuple[float, Generator] | None:
    """Temperature and generator, seeded by the request: equal ones draw equal tokens. None: greedy."""
    import torch

    temperature: Any = request.parameters.get("temperature")
    if not temperature:
        return None
    return float(temperature), torch.Generator(device).manual_seed(int(request.key[:15], 16))


class _Draw:
    """Samples each row with its own temperature and generator, though rows are written together.

    The greatest of logit / temperature plus Gumbel noise is a draw from the softmax, so that greedy writing
    over such scores samples.
    """

    def __init__(self, sources: Sequence[tuple[float, Generator] | None]) -> None:
        self._sources = sources

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        scores = scores.float()
        for i, source in enumerate(self._sources):
            if source is not None:
                temperature, generator = source
                waits = scores.new_empty(scores.shape[1]).exponential_(generator=generator)
                scores[i] = scores[i] / temperature - waits.log()
        return scores
