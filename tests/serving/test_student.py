"""A saved student behind the server writes what the same student writes in memory."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from asked import CHAT, REFUSED, body, content, make_student, save_student, streaming

from tuition.core.errors import DataError, TrainingError
from tuition.core.records import Example, Target
from tuition.operate.serve import StudentWriter, load_writer
from tuition.serving.batcher import Text

QUESTIONS = [f"how much is {i} + {i * i}?" + " and more" * (i % 4) for i in range(50)]


@pytest.fixture(scope="module")
def in_memory(writer):
    """What the student in memory writes to each question."""
    student = make_student(writer.name)
    examples = [Example(id=text, question=text, answer="") for text in QUESTIONS]
    asked = [Target(example=one, prefix="predict: ", input=one.question, output="?") for one in examples]
    return [one.text for one in student.generate(asked, max_tokens=12)]


def ask(client, writer, text, **more):
    return client.post(CHAT, json=body(text, model=writer.name, **more))


def test_fifty_at_once_are_answered_as_in_memory(serve, writer, in_memory):
    client = serve(writer, collect_ms=50)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda text: content(ask(client, writer, text, max_tokens=12)), QUESTIONS))
    assert answers == in_memory
    assert len(set(answers)) > 5


def test_a_stream_says_the_same(serve, writer, in_memory):
    client = serve(writer)
    for text, answer in zip(QUESTIONS[:8], in_memory, strict=False):
        with streaming(client, model=writer.name, text=text, max_tokens=12) as events:
            said = [one["choices"][0]["delta"].get("content", "") for one in events if one != "[DONE]"]
        assert "".join(said) == answer


def test_a_seed_draws_the_same_text_again_alone_or_in_company(serve, writer):
    client = serve(writer, collect_ms=50)
    drawn = {"max_tokens": 10, "temperature": 1.2}
    first = content(ask(client, writer, QUESTIONS[3], seed=7, **drawn))
    with ThreadPoolExecutor(8) as pool:
        others = [pool.submit(ask, client, writer, QUESTIONS[3], seed=i, **drawn) for i in range(8)]
        texts = [content(one.result()) for one in others]
    assert texts[7] == first
    assert len(set(texts)) > 1
    assert len({content(ask(client, writer, QUESTIONS[3], **drawn)) for _ in range(4)}) > 1


def test_log_probabilities_are_of_the_tokens_written(serve, writer):
    said = ask(serve(writer), writer, QUESTIONS[2], max_tokens=6, logprobs=True, top_logprobs=2).json()
    entries = said["choices"][0]["logprobs"]["content"]
    is_ended = said["choices"][0]["finish_reason"] == "stop"
    assert len(entries) == said["usage"]["completion_tokens"] - is_ended
    for entry in entries:
        best = entry["top_logprobs"][0]
        assert (entry["token"], entry["logprob"]) == (best["token"], best["logprob"])
        assert 0 >= entry["logprob"] >= entry["top_logprobs"][1]["logprob"]


def test_several_turns_are_refused_in_the_words_of_the_template(serve, writer):
    turns = [{"role": role, "content": "a"} for role in ("user", "assistant", "user")]
    refused = serve(writer).post(CHAT, json={"model": writer.name, "messages": turns})
    assert refused.status_code == 400
    assert refused.json()["error"]["message"].endswith(f"refuses these messages: {REFUSED}")


def test_without_a_bound_the_students_own_is_taken(tmp_path, serve):
    folder = save_student(tmp_path / "pupil", max_tokens=3, max_input_tokens=40)
    writer = load_writer(folder)
    client = serve(writer)
    answered = ask(client, writer, "a").json()
    assert answered["choices"][0]["finish_reason"] == "length"
    assert answered["usage"]["completion_tokens"] == 3
    refused = ask(client, writer, "9 " * 40)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "context_length_exceeded"
    (folder / "tuition.json").write_text("{")
    with pytest.raises(TrainingError, match=r"tuition\.json.* is broken"):
        load_writer(folder)


def test_a_run_folder_gives_its_name(tmp_path):
    save_student(tmp_path / "my-run" / "student")
    for given in (tmp_path / "my-run", tmp_path / "my-run" / "student"):
        assert load_writer(given).name == "my-run"
    with pytest.raises(DataError, match="holds no saved student; name a run folder, or the `student` in it"):
        load_writer(tmp_path)


def test_a_student_that_scores_options_is_refused_before_it_is_loaded(tmp_path, monkeypatch):
    import tuition.student.load

    folder = save_student(tmp_path / "pupil", "bert-nano")
    monkeypatch.setattr(tuition.student.load, "load_student", None)
    with pytest.raises(TrainingError, match="scores options and writes no text, so it cannot be served"):
        load_writer(folder)


def test_one_without_a_template_is_refused(tmp_path):
    folder = save_student(tmp_path / "pupil")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(TrainingError, match="has no chat template, which says how the student is asked"):
        load_writer(folder)


def test_a_template_that_fails_is_a_sentence(tmp_path):
    folder = save_student(tmp_path / "p")
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] + 5 }}")
    writer = StudentWriter(folder, name="p")
    with pytest.raises(DataError, match="chat template refuses these messages"):
        writer.render([{"role": "user", "content": "a"}])


def test_texts_are_read_by_two_threads_at_once(writer):
    ids = writer.render([{"role": "user", "content": "how much? " * 200}])

    def work(i):
        if i % 2:
            return writer.render([{"role": "user", "content": "how much? " * 200}]) == ids
        text = Text(writer.decode, ("zzz",))
        return bool([text.add(token) for token in ids[:200]]) and text.whole().startswith("predict: how")

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(40)))


def test_a_model_with_a_chat_template_of_its_own_reads_several_turns(tmp_path, serve):
    folder = save_student(tmp_path / "pupil")
    (folder / "tuition.json").unlink()
    turn = "{% for m in messages %}{{ m['role'] ~ ': ' ~ m['content'] ~ '\n' }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(turn + "{% if add_generation_prompt %}assistant: {% endif %}")
    writer = load_writer(folder)
    turns = [{"role": role, "content": "a"} for role in ("system", "user", "assistant", "user")]
    assert writer.decode(writer.render(turns)) == "system: a\nuser: a\nassistant: a\nuser: a\nassistant: "
    answer = serve(writer).post(CHAT, json=body(messages=turns, max_tokens=3))
    assert content(answer) is not None
