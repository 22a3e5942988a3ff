"""The client of OpenAI before the server; skipped where the package is absent."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asked import Parrot, until

openai = pytest.importorskip("openai", reason="the package openai is absent; it comes with the extra test")
TOKEN = "a-token-of-some-length"
QUESTION = [{"role": "user", "content": "one two three"}]
LONG = {"role": "user", "content": "y" * 90}


@pytest.fixture
def client(serve):
    """The client, before a parrot that writes slowly enough to be hung up on."""
    opened = []

    def start(writer, *, api_key=TOKEN, **limits):
        address = str(serve(writer, token=TOKEN, **limits).base_url)
        opened.append(openai.OpenAI(base_url=f"{address.rstrip('/')}/v1", api_key=api_key, max_retries=0))
        return opened[-1]

    yield start
    for one in opened:
        one.close()


def test_an_answer_and_the_models(client):
    asking = client(Parrot())
    answer = asking.chat.completions.create(
        model="pupil", messages=QUESTION, max_tokens=7, temperature=0, seed=1, logprobs=True, top_logprobs=1
    )
    assert answer.choices[0].message.content == "one two"
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.total_tokens == 20
    assert [entry.token for entry in answer.choices[0].logprobs.content] == list("one two")
    assert [model.id for model in asking.models.list()] == ["pupil"]
    assert asking.models.retrieve("pupil").owned_by == "tuition"


def test_a_stream_with_its_counts(client):
    chunks = list(
        client(Parrot()).chat.completions.create(
            model="pupil", messages=QUESTION, stream=True, stream_options={"include_usage": True}, stop="th"
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == "one two"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.completion_tokens == 10


def test_fifty_at_once(client):
    writer = Parrot(delay_s=0.002)
    asking = client(writer, collect_ms=100)

    def ask(i):
        messages = [{"role": "user", "content": f"question {i}"}]
        return asking.chat.completions.create(model="pupil", messages=messages).choices[0].message.content

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(ask, range(50))) == [f"question {i}" for i in range(50)]
    assert len(writer.batches) <= 5


def test_a_stream_that_is_closed_stops_its_row(client):
    writer = Parrot(delay_s=0.02)
    asking = client(writer)
    with asking.chat.completions.create(model="pupil", messages=[LONG], stream=True) as stream:
        next(iter(stream))
    again = asking.chat.completions.create(model="pupil", messages=QUESTION)
    assert again.choices[0].message.content == "one two three"
    assert writer.written["y" * 90] < 60


def test_a_client_that_gives_up_waiting_stops_its_row(client):
    writer = Parrot(delay_s=0.02)
    asking = client(writer)
    with pytest.raises(openai.APITimeoutError):
        asking.chat.completions.create(model="pupil", messages=[LONG], timeout=0.3)
    until(lambda: writer.written["y" * 90] > 0)
    assert asking.chat.completions.create(model="pupil", messages=QUESTION).usage.completion_tokens == 14
    assert writer.written["y" * 90] < 60


def test_what_it_cannot_do_is_told(client):
    asking = client(Parrot(delay_s=0.02), timeout_s=0.3)
    with pytest.raises(openai.BadRequestError, match="n is 2, and this server takes only 1"):
        asking.chat.completions.create(model="pupil", messages=QUESTION, n=2)
    tool = {"type": "function", "function": {"name": "add"}}
    with pytest.raises(openai.BadRequestError, match="it calls no tools"):
        asking.chat.completions.create(model="pupil", messages=QUESTION, tools=[tool])
    with pytest.raises(openai.NotFoundError, match="unknown model 'gpt'"):
        asking.chat.completions.create(model="gpt", messages=QUESTION)
    with pytest.raises(openai.NotFoundError, match="POST /v1/embeddings is not served"):
        asking.embeddings.create(model="pupil", input="a")
    with pytest.raises(openai.InternalServerError, match=r"took more than 0\.3 s"):
        asking.chat.completions.create(model="pupil", messages=[LONG])
    with pytest.raises(openai.APIError, match=r"took more than 0\.3 s"):
        list(asking.chat.completions.create(model="pupil", messages=[LONG], stream=True))


def test_a_wrong_token_is_told(client):
    with pytest.raises(openai.AuthenticationError, match="the token is missing or wrong"):
        client(Parrot(), api_key="wrong").models.list()


def test_the_block_of_the_page_runs(serve, capsys):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "use-the-student.md").read_text(encoding="utf-8")
    [block] = re.findall(r"```python\n(from openai.*?)```", page, re.DOTALL)
    address = str(serve(Parrot()).base_url).rstrip("/")
    names = {}
    exec(block.replace("http://127.0.0.1:8000", address), names)
    names["client"].close()
    assert capsys.readouterr().out == "Which animal barks?\nAnswer Choices:\n(a) the cat\n(b) the dog\n"
