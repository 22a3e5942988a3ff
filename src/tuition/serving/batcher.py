"""Requests wait in a line, are collected for a moment, and are decoded together in a thread of their own."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tuition.serving.guard import Refusal
from tuition.serving.writer import Limits, Prompt, Writer

__all__ = ["Batcher", "Job", "Piece", "Text", "full"]

_LOG = logging.getLogger(__name__)
_HALF = "\ufffd"
"""What stands where a text ends within a letter."""


class Text:
    """A text as it grows: whole letters, up to a stop sequence, without the blanks around it."""

    def __init__(self, decode: Callable[[Sequence[int]], str], stops: Sequence[str]) -> None:
        """A student's answer is the text without blanks around it, so blanks wait for what follows them."""
        self.is_stopped = False
        self._decode, self._stops = decode, stops
        self._ids: list[int] = []
        self._shown = self._read = 0
        self._held = ""
        self._is_begun = False

    def add(self, token: int, *, is_read: bool = True) -> str:
        """Take a token; give what can be shown now, unless nobody reads it before the end."""
        self._ids.append(token)
        if not is_read:
            return ""
        # Some tokens are written in another way at the beginning of a text, so the last ones are read again.
        before = self._decode(self._ids[self._shown : self._read])
        now = self._decode(self._ids[self._shown :])
        if now.endswith(_HALF):
            return ""
        self._shown, self._read = self._read, len(self._ids)
        return self._let(now[len(before) :])

    def rest(self) -> str:
        """Give what was held back, at the end."""
        before = self._decode(self._ids[self._shown : self._read])
        shown = self._let(self._decode(self._ids[self._shown :])[len(before) :])
        held, self._held = self._held.rstrip(), ""
        return shown + (held if self._is_begun else held.lstrip())

    def whole(self) -> str:
        """Decode all at once, as `predict` does."""
        text = self._decode(self._ids)
        return text[: min(_places(text, self._stops), default=len(text))].strip()

    def _let(self, more: str) -> str:
        if self.is_stopped:
            return ""
        text = self._held + more
        places = _places(text, self._stops)
        self.is_stopped = bool(places)
        if places:
            end, self._held = len(text[: min(places)].rstrip()), ""
        else:
            begun = [n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])]
            end = len(text[: len(text) - max(begun, default=0)].rstrip())
            self._held = text[end:]
        shown = text[:end] if self._is_begun else text[:end].lstrip()
        self._is_begun = self._is_begun or bool(shown)
        return shown


def _places(text: str, stops: Sequence[str]) -> list[int]:
    return [place for stop in stops if (place := text.find(stop)) >= 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a client gets at once."""

    text: str
    logprobs: tuple[dict[str, object], ...] = ()
    """One entry a token, in OpenAI's form."""
    finish: str | None = None
    """Why the text ended. None: it goes on."""


@dataclass(eq=False, kw_only=True)
class Job:
    """One request, from the line to its end."""

    prompt: Prompt
    text: Text
    is_streamed: bool
    has_stops: bool
    """The text is looked through for stop sequences as it grows."""
    pieces: asyncio.Queue[Piece | Refusal] = field(default_factory=asyncio.Queue)
    is_cancelled: bool = False
    """Nobody waits for it any more."""
    is_done: bool = False
    written: int = 0
    """Tokens, the end mark included."""
    logprobs: list[dict[str, object]] = field(default_factory=list)
    """Of tokens not yet in a piece."""
    sure: float | None = None
    """The confidence that the writer told; None: that of the tokens holds."""
    logprob: float = 0.0
    """Of all tokens together, where the prompt asks for probabilities."""

    @property
    def confidence(self) -> float | None:
        """How sure the text is, as `core.records.Prediction` has it; None: the prompt does not ask."""
        if self.prompt.top is None or not self.written:
            return None
        return math.exp(self.logprob / self.written) if self.sure is None else self.sure


def full() -> Refusal:
    """Write the refusal of a request for which there is no place."""
    message = "as many requests are waiting as may; try again later"
    return Refusal(503, message, code="queue_full", headers={"Retry-After": "1"})


class Batcher:
    """The line of one writer."""

    def __init__(self, writer: Writer, limits: Limits) -> None:
        """Nothing runs until the first job comes."""
        self._writer, self._limits = writer, limits
        self._waiting: deque[Job] = deque()
        self._work: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoding")

    def put(self, job: Job) -> None:
        """Take a job; its pieces come into its queue."""
        if len(self._waiting) >= self._limits.queue + self._limits.batch:
            raise full()
        self._waiting.append(job)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._decode_all())

    def cancel(self, job: Job) -> None:
        """Nobody waits for a job any more: it leaves the line, or ends at its next token."""
        job.is_cancelled = True
        if job in self._waiting:
            self._waiting.remove(job)

    async def _decode_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self._limits.collect_ms / 1000)
            jobs = [self._waiting.popleft() for _ in range(min(self._limits.batch, len(self._waiting)))]
            if not jobs:
                continue
            future = loop.run_in_executor(self._thread, self._decode, jobs, loop)
            await asyncio.wait([future])
            if (fault := future.exception()) is not None:
                _LOG.error("a batch of %d requests failed", len(jobs), exc_info=fault)
            for job in jobs:
                if not job.is_done and not job.is_cancelled:
                    message = "the student failed; the server's log says why"
                    job.pieces.put_nowait(Refusal(500, message, code="server_error"))

    def _decode(self, jobs: Sequence[Job], loop: asyncio.AbstractEventLoop) -> None:
        def told(
            place: int, token: int, logprobs: Mapping[int, float], /, *, confidence: float | None = None
        ) -> bool:
            job = jobs[place]
            if job.is_cancelled:
                return False
            job.sure = confidence
            piece = self._take(job, token, logprobs)
            if piece is not None:
                job.is_done = piece.finish is not None
                loop.call_soon_threadsafe(job.pieces.put_nowait, piece)
            return not job.is_done

        self._writer.stream([job.prompt for job in jobs], told)

    def _take(self, job: Job, token: int, logprobs: Mapping[int, float]) -> Piece | None:
        """Add a token to a job; give a piece where there is something to send."""
        job.written += 1
        job.logprob += logprobs.get(token, 0.0)
        is_end = token in self._writer.marks
        if logprobs and not is_end:
            job.logprobs.append(self._entry(token, logprobs, top=job.prompt.top or 0))
        new = job.text.add(token, is_read=job.is_streamed or job.has_stops)
        finish = "length" if job.written == job.prompt.max_tokens else None
        finish = "stop" if is_end or job.text.is_stopped else finish
        if finish is not None:
            new = new + job.text.rest() if job.is_streamed else job.text.whole()
        elif not job.is_streamed or not new:
            return None
        entries, job.logprobs = tuple(job.logprobs), []
        return Piece(text=new, logprobs=entries, finish=finish)

    def _entry(self, token: int, logprobs: Mapping[int, float], *, top: int) -> dict[str, object]:
        """Write a token's log-probability and those of the likeliest; its own may be told besides."""
        likeliest = sorted(logprobs.items(), key=lambda pair: -pair[1])[:top]
        return {**self._one(token, logprobs[token]), "top_logprobs": [self._one(*pair) for pair in likeliest]}

    def _one(self, token: int, logprob: float) -> dict[str, object]:
        text = self._writer.decode([token], with_marks=True)
        # A part of a letter has no text, and its bytes are not told by every tokenizer.
        raw = None if _HALF in text else list(text.encode())
        return {"token": text, "logprob": max(logprob, -9999.0), "bytes": raw}
