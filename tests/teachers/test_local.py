"""The teacher that runs its model itself, on tiny random models written and read as real ones are."""

import asyncio
import dataclasses
import gc
import json
import os
import shutil
import subprocess
import sys
import time
import weakref

import pytest
import torch
import transformers

from tuition.annotation import Account, AnnotationConfig, ask_all
from tuition.core.errors import MissingExtra, TeacherError
from tuition.core.records import Message, Request
from tuition.core.store import Place, Store
from tuition.student.load import make_model
from tuition.teachers import TeacherConfig, make_teacher

TEXTS = [f"Question: how many is {i} and {2 * i}? It is {3 * i}." for i in range(40)]
TEMPLATE = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
PLACE = Place(run="r1")
FAST = AnnotationConfig(backoff_s=0.001)


def write_model(folder, shape, *, template=None, seed=0, **settings):
    model, tokenizer = make_model(shape, TEXTS, seed=seed)
    # A fresh model is nearly even-handed; sharper weights make greedy choices clear of rounding.
    for parameter in model.parameters():
        parameter.data.mul_(4)
    tokenizer.chat_template = template
    for name, value in settings.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        "plain": write_model(root / "plain", "llama-nano"),
        "chat": write_model(root / "chat", "llama-nano", template=TEMPLATE),
        "t5": write_model(root / "t5", "t5-nano", seed=3),
        "bert": write_model(root / "bert", "bert-nano"),
    }


def teacher_of(folder, **table):
    return make_teacher(TeacherConfig(kind="local", name="tiny", model=str(folder), **table))


def request(teacher, text, *, sample=0, **parameters):
    return Request(
        endpoint=teacher.endpoint,
        model=teacher.model,
        messages=(Message(role="user", content=text),),
        parameters={"max_tokens": 12, **parameters},
        sample=sample,
        teacher=teacher.name,
        example_id=text,
    )


def complete(teacher, *requests):
    """All at once, as `ask` does."""

    async def all_of():
        async with teacher:
            return await asyncio.gather(*(teacher.complete(item) for item in requests))

    return asyncio.run(all_of())


def by_hand(folder, prompt, *, n=12, is_decoder=True):
    """The slow plain loop: one token at a time, the likeliest each time, nothing kept, nothing padded."""
    auto = transformers.AutoModelForCausalLM if is_decoder else transformers.AutoModelForSeq2SeqLM
    model = auto.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    written = []
    with torch.no_grad():
        for _ in range(n):
            if is_decoder:
                logits = model(input_ids=torch.cat([ids, torch.tensor([written]).long()], 1)).logits
            else:
                start = [model.config.decoder_start_token_id, *written]
                logits = model(input_ids=ids, decoder_input_ids=torch.tensor([start])).logits
            written.append(int(logits[0, -1].argmax()))
            if written[-1] == tokenizer.eos_token_id:
                break
    return tokenizer.decode(written, skip_special_tokens=True).strip(), len(ids[0]), len(written)


@pytest.mark.parametrize(("kind", "is_decoder"), [("plain", True), ("t5", False)])
def test_it_writes_what_the_model_writes(folders, kind, is_decoder):
    teacher = teacher_of(folders[kind])
    texts = ["How many is 3 and 4?", "How many?", "Question: 9 and 9, and 100 more, and 7 on top of it?"]
    for text, reply in zip(
        texts, complete(teacher, *(request(teacher, text) for text in texts)), strict=True
    ):
        wanted, prompt_tokens, completion_tokens = by_hand(folders[kind], text, is_decoder=is_decoder)
        assert reply.text == wanted
        assert reply.usage.prompt_tokens == prompt_tokens
        assert reply.usage.completion_tokens == completion_tokens
        assert not reply.usage.is_estimated
        assert reply.finish == ("length" if completion_tokens == 12 else "stop")
        assert reply.model == f"{kind}@{teacher.endpoint.removeprefix('local:')}"
        assert reply.latency_s > 0


def test_the_chat_template_is_used_where_there_is_one(folders):
    teacher = teacher_of(folders["chat"])
    [reply] = complete(teacher, request(teacher, "How many is 3 and 4?"))
    wanted, prompt_tokens, _ = by_hand(folders["chat"], "[user] How many is 3 and 4?\n[assistant]")
    assert (reply.text, reply.usage.prompt_tokens) == (wanted, prompt_tokens)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("chat", "[system] Be brief.\n[user] 3 and 4?\n[assistant] Of?\n[user] Hens.\n[assistant]"),
        ("plain", "Be brief.\n\n3 and 4?\n\nOf?\n\nHens."),
    ],
)
def test_a_system_message_and_earlier_turns_are_read(folders, kind, text):
    teacher = teacher_of(folders[kind])
    turns = [("system", "Be brief."), ("user", "3 and 4?"), ("assistant", "Of?"), ("user", "Hens.")]
    messages = tuple(Message(role=role, content=content) for role, content in turns)
    [reply] = complete(teacher, dataclasses.replace(request(teacher, ""), messages=messages))
    wanted, prompt_tokens, _ = by_hand(folders[kind], text)
    assert (reply.text, reply.usage.prompt_tokens) == (wanted, prompt_tokens)


def test_an_end_mark_ends_the_text_and_says_stop(tmp_path, folders):
    """The token that the model writes third is made its end mark."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folders["plain"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["plain"])
    ids = tokenizer("How many?", return_tensors="pt").input_ids
    third = model.generate(ids, max_new_tokens=3, do_sample=False)[0, -1].item()
    model.generation_config.eos_token_id = [model.config.eos_token_id, third]
    model.save_pretrained(tmp_path / "ends")
    tokenizer.save_pretrained(tmp_path / "ends")
    teacher = teacher_of(tmp_path / "ends")
    [reply] = complete(teacher, request(teacher, "How many?"))
    assert reply.finish == "stop"
    assert reply.usage.completion_tokens <= 3


def test_bounds_are_each_request_s_own(folders):
    teacher = teacher_of(folders["plain"])
    short, long = complete(
        teacher, request(teacher, "one", max_tokens=3), request(teacher, "two", max_tokens=20)
    )
    assert (short.usage.completion_tokens, short.finish) == (3, "length")
    assert long.usage.completion_tokens > 3


def test_how_the_model_would_sample_is_not_heeded(tmp_path, folders):
    folder = write_model(
        tmp_path / "hot", "llama-nano", do_sample=True, temperature=5.0, repetition_penalty=9.0
    )
    hot, plain = teacher_of(folder), teacher_of(folders["plain"])
    assert complete(hot, request(hot, "one"))[0].text == complete(plain, request(plain, "one"))[0].text


def test_equal_requests_draw_equal_texts_whatever_is_written_beside(folders):
    teacher = teacher_of(folders["plain"], temperature=1.0, concurrency=16)
    asked = [request(teacher, f"how many is {i}?", temperature=1.0, sample=i % 2) for i in range(12)]
    together = [reply.text for reply in complete(teacher, *asked)]
    alone = [complete(teacher, item)[0].text for item in asked]
    assert together == alone
    assert len(set(together)) == 12
    greedy = [complete(teacher, request(teacher, "one", temperature=t))[0].text for t in (0, None)]
    samples = {
        complete(teacher, request(teacher, "one", temperature=1.0, sample=i))[0].text for i in range(6)
    }
    assert len(set(greedy)) == 1 and len(samples) == 6


def test_draws_follow_the_softmax(folders):
    """Frequencies of the first token against the model's own probabilities at that temperature."""
    teacher = teacher_of(folders["plain"], temperature=0.5, concurrency=400)
    model = transformers.AutoModelForCausalLM.from_pretrained(folders["plain"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(folders["plain"])
    with torch.no_grad():
        logits = model(tokenizer("how many", return_tensors="pt").input_ids).logits[0, -1]
    wanted = (logits / 0.5).softmax(-1)
    asked = [request(teacher, "how many", temperature=0.5, sample=i, max_tokens=1) for i in range(400)]
    texts = [reply.text for reply in complete(teacher, *asked)]
    best = int(wanted.argmax())
    share = texts.count(tokenizer.decode([best]).strip()) / 400
    p = sum(
        float(wanted[i])
        for i in range(len(wanted))
        if tokenizer.decode([i], skip_special_tokens=True).strip() == tokenizer.decode([best]).strip()
    )
    assert 0.02 < p < 0.98
    assert abs(share - p) < 4 * (p * (1 - p) / 400) ** 0.5


def test_what_cannot_be_asked_is_a_failure_and_holds_up_no_other(folders):
    teacher = teacher_of(folders["plain"])
    long, fine, odd = complete(
        teacher,
        request(teacher, "how many? " * 700),
        request(teacher, "how many?"),
        request(teacher, "how many?", top_p=0.5),
    )
    assert fine.failure is None and fine.text
    assert long.failure.kind == odd.failure.kind == "bad_request"
    assert "max_tokens is 12; the model reads 1 to 2048 in all" in long.failure.message
    assert "knows no parameter 'top_p'" in odd.failure.message


def test_thoughts_stand_apart(monkeypatch, folders):
    said = ["<think>\nhm</think>\n\nIt is 7.", "hm </think> It is 8.", "<think> hm", "It is 9."]
    texts = iter(said)
    monkeypatch.setattr(transformers.PreTrainedTokenizerFast, "decode", lambda *args, **more: next(texts))
    teacher = teacher_of(folders["plain"])
    replies = complete(teacher, *(request(teacher, text, max_tokens=1) for text in said))
    assert [reply.text for reply in replies] == ["It is 7.", "It is 8.", "", "It is 9."]
    assert [reply.reasoning for reply in replies] == ["hm", "hm", "hm", ""]
    assert replies[2].failure.kind == "truncated"
    assert "max_tokens ran out before the answer began" in replies[2].failure.message


def test_waiting_requests_are_written_together(monkeypatch, folders, tmp_path):
    """Sixteen requests at a concurrency of eight take few passes, and no more are in one than that."""
    sizes = []
    generate = transformers.LlamaForCausalLM.generate

    def counted(self, *args, **kwargs):
        sizes.append(len(kwargs["input_ids"]))
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "generate", counted)
    teacher = teacher_of(folders["plain"], concurrency=8)
    asked = [request(teacher, f"how many is {i}?") for i in range(16)]
    with Store(tmp_path / "tuition.db") as store:
        replies = ask_all(asked, teacher, account=Account(store=store, place=PLACE), config=FAST).replies
    assert all(reply.failure is None for reply in replies)
    assert sum(sizes) == 16
    assert max(sizes) <= 8
    assert len(sizes) <= 6


def test_a_batch_that_does_not_fit_is_halved(monkeypatch, folders):
    generate = transformers.LlamaForCausalLM.generate

    def small(self, *args, **kwargs):
        if len(kwargs["input_ids"]) > 2 or kwargs["input_ids"].shape[1] > 60:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "generate", small)
    teacher = teacher_of(folders["plain"])
    texts = ["a", "b", "c " * 100, "d", "e"]
    replies = complete(teacher, *(request(teacher, text) for text in texts))
    assert [reply.failure is None for reply in replies] == [True, True, False, True, True]
    assert "one prompt alone does not fit into memory" in replies[2].failure.message


def test_kept_replies_need_no_model_and_tokens_count(folders, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(folders["plain"], folder)
    teacher = teacher_of(folder)
    asked = [request(teacher, f"how many is {i}?") for i in range(3)]
    with Store(tmp_path / "tuition.db") as store:
        first = ask_all(asked, teacher, account=Account(store=store, place=PLACE), config=FAST)
        shutil.rmtree(folder)
        again = ask_all(asked, teacher, account=Account(store=store, place=PLACE), config=FAST)
        spend = store.spend("r1")
    assert [reply.text for reply in again.replies] == [reply.text for reply in first.replies]
    assert (spend.calls, spend.usd, spend.paid_usd, spend.estimated) == (3, 0.0, 0.0, 0)
    assert spend.completion_tokens == sum(reply.usage.completion_tokens for reply in first.replies)


def test_its_endpoint_names_its_content(folders, tmp_path):
    copy = tmp_path / "elsewhere" / "plain"
    shutil.copytree(folders["plain"], copy)
    assert teacher_of(copy).endpoint == teacher_of(folders["plain"]).endpoint
    assert teacher_of(copy).model == "plain"
    other = write_model(tmp_path / "plain", "llama-nano", seed=1)
    assert teacher_of(other).endpoint != teacher_of(copy).endpoint
    assert teacher_of(copy).price.prompt == 0
    assert not teacher_of(copy).abilities.is_paid


def test_breaking_off_does_not_wait_for_the_end(monkeypatch, folders):
    forward, passes = transformers.LlamaForCausalLM.forward, []

    def slow(self, *args, **kwargs):
        passes.append(time.sleep(0.01))
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "forward", slow)
    teacher = teacher_of(folders["plain"])

    async def broken_off():
        async with teacher:
            waiting = asyncio.create_task(teacher.complete(request(teacher, "how many?", max_tokens=2000)))
            while len(passes) < 5:
                await asyncio.sleep(0.01)
            waiting.cancel()
            await waiting

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(broken_off())
    assert 5 <= len(passes) < 100
    [again] = complete(teacher, request(teacher, "how many?"))
    assert again.failure is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda folder: (folder / "config.json").unlink(),
            "lacks config.json; write it with save_pretrained",
        ),
        (lambda folder: (folder / "tokenizer.json").unlink(), r"lacks a tokenizer \(tokenizer.json\)"),
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks weights as safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "is damaged"),
        (lambda folder: shutil.rmtree(folder), "there is no such folder; did you mean 'modell'"),
    ],
)
def test_folders_that_are_no_model(folders, tmp_path, change, words):
    shutil.copytree(folders["plain"], tmp_path / "model")
    (tmp_path / "modell").mkdir()
    change(tmp_path / "model")
    with pytest.raises(TeacherError, match=words):
        teacher_of(tmp_path / "model")


def test_a_model_that_writes_no_text(folders):
    with pytest.raises(TeacherError, match="of the kind 'BertForMultipleChoice', which writes no text"):
        teacher_of(folders["bert"])


def test_several_greedy_samples_are_refused(folders):
    with pytest.raises(TeacherError, match="3 samples without a temperature, and all would be the same"):
        teacher_of(folders["plain"], samples=3)
    teacher_of(folders["plain"], samples=3, temperature=0.7)


@pytest.mark.parametrize("fault", ["cut weights", "another tokenizer"])
def test_weights_that_cannot_be_loaded_end_the_asking(folders, tmp_path, fault):
    folder = tmp_path / "broken"
    shutil.copytree(folders["plain"], folder)
    if fault == "cut weights":
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:200])
    else:
        words = json.loads((folder / "tokenizer.json").read_text())
        words["added_tokens"] += [
            {**words["added_tokens"][0], "id": 10_000 + i, "content": f"<more {i}>"} for i in range(2000)
        ]
        (folder / "tokenizer.json").write_text(json.dumps(words))
    teacher = teacher_of(folder)
    asked = [request(teacher, f"how many is {i}?") for i in range(20)]
    with Store(tmp_path / "tuition.db") as store:
        with pytest.raises(TeacherError, match="'tiny' accepts no call: its model cannot be loaded: "):
            ask_all(asked, teacher, account=Account(store=store, place=PLACE), config=FAST)
        assert store.spend("r1").calls <= teacher.abilities.concurrency


def test_without_torch_the_pip_line(monkeypatch, folders):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    with pytest.raises(
        MissingExtra, match=r"'torch' is not installed; it comes with: pip install 'tuition\[train\]'"
    ):
        teacher_of(folders["plain"])


IN_CACHE = """
import sys
from tuition.teachers import TeacherConfig, make_teacher
assert "torch" not in sys.modules and "transformers" not in sys.modules
for model in ("org/tiny", "org/tiny@{commit}"):
    teacher = make_teacher(TeacherConfig(kind="local", name="tiny", model=model))
    assert "torch" not in sys.modules and "transformers" not in sys.modules
    print(teacher.model, teacher.endpoint)
import asyncio
import gc
from tuition.core.records import Message, Request
request = Request(endpoint="", model="", messages=(Message(role="user", content="how many?"),),
                  parameters={{"max_tokens": 4}})
print(asyncio.run(teacher.complete(request)).model)
make_teacher(TeacherConfig(kind="local", name="tiny", model="org/other"))
"""


def test_a_name_on_the_hub_is_pinned_to_its_commit(folders, tmp_path):
    """From a cache laid out as the hub's own, without a network; nothing heavy is loaded before a call."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    kept = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(folders["plain"], kept / "snapshots" / commit)
    (kept / "refs").mkdir()
    (kept / "refs" / "main").write_text(commit)
    done = subprocess.run(
        [sys.executable, "-c", IN_CACHE.format(commit=commit)],
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == [f"org/tiny local:{commit}"] * 2 + [f"org/tiny@{commit}"], done.stderr
    assert "TeacherError: teacher 'tiny' names the model 'org/other', which is no folder here" in done.stderr
    assert "Name a folder, or check the name, the revision and the network." in done.stderr


def test_the_weights_are_let_go_when_the_asking_ends(monkeypatch, folders):
    seen = []
    generate = transformers.LlamaForCausalLM.generate

    def noted(self, *args, **kwargs):
        seen.append(weakref.ref(self))
        return generate(self, *args, **kwargs)

    monkeypatch.setattr(transformers.LlamaForCausalLM, "generate", noted)
    teacher = teacher_of(folders["plain"])
    complete(teacher, request(teacher, "one"))
    gc.collect()
    assert [model() for model in seen] == [None]
    complete(teacher, request(teacher, "two"))
    assert len(seen) == 2, "and loaded again when they are needed"
