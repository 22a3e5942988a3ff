"""The commands that are servers: `tuition serve` and `tuition capture`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tuition.cli.options import CascadeFile
from tuition.cli.show import say


def serve(
    student: Annotated[Path, typer.Argument(help="A student's folder, or the run folder it lies in.")],
    *,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8000,
    host: Annotated[
        str, typer.Option(help="Address to bind; one that other machines reach needs --token-env.")
    ] = "127.0.0.1",
    token_env: Annotated[
        str | None, typer.Option(help="Environment variable of the token that clients must show.")
    ] = None,
    cascade: CascadeFile = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Such as timeout_s=60, batch=8 or max_tokens=256.")
    ] = None,
) -> None:
    """Serve a student over HTTP, as an OpenAI-compatible endpoint."""
    from tuition.core.config import override, parse
    from tuition.operate import serve as serving
    from tuition.operate.cascade.ask import read_cascade
    from tuition.serving import url_of

    limits = parse(serving.Limits, override({}, tuple(setting or ())), where="--set")
    token = serving.read_token(token_env, host=host)
    second = None if cascade is None else serving.load_second(student, read_cascade(cascade))
    writer = serving.load_writer(student)
    url = url_of(host, port)
    typer.echo(f"Serving the model {writer.name!r}{url and f' at {url}'}; end with Ctrl-C.")
    serving.serve(writer, host=host, port=port, token=token, limits=limits, second=second)


def capture(
    *,
    upstream: Annotated[
        str, typer.Option(help="The endpoint's base URL, such as https://api.openai.com/v1.")
    ],
    out: Annotated[Path, typer.Option(help="The file that answers are added to, JSONL.")] = Path(
        "captured.jsonl"
    ),
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 8010,
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Such as timeout_s=60 or 'mask=[\"email\"]'.")
    ] = None,
) -> None:
    """Pass an application's requests on to its endpoint, and keep questions and answers."""
    from tuition.core.config import override, parse
    from tuition.serving import CaptureConfig, Captured, listen, url_of
    from tuition.serving.proxy import check_upstream, proxy

    config = parse(CaptureConfig, override({}, tuple(setting or ())), where="--set")
    address, host = check_upstream(upstream), "127.0.0.1"
    captured = Captured(out)
    masked = f"{', '.join(config.mask)} are masked" if config.mask else "nothing is masked"
    say(f"Passing on to {address}; end with Ctrl-C.")
    if url := url_of(host, port):
        say(f"Start the application with OPENAI_BASE_URL={url}")
    say(
        f"Stored in {out}, which only its owner may read: the messages and answers of chat completions, with "
        f"model, time and token counts; {masked}. Never stored: keys, cookies and other headers, what failed."
    )
    if captured.cut:
        say(f"Cut off from its end: half a line of {captured.cut} bytes, of an answer that nobody got whole.")
    try:
        listen(proxy(address, captured, config), host=host, port=port, connections=2 * config.concurrency)
    finally:
        captured.close()
    for reason, n in captured.passed_over.items():
        say(f"  Passed on and not stored, {reason}: {n}.")
    say(f"Stored in {out}: {captured.kept.total()} answers.")
    if captured.kept:
        say("Next: name the file in a configuration, as [task] train and as the file of each teacher:")
    for model in captured.kept:
        table = {"kind": "recorded", "name": model, "file": str(out)}
        say("  [[teacher]]\n" + "\n".join(f"  {key} = {json.dumps(value)}" for key, value in table.items()))
