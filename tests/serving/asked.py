"""What a client sends, and a tiny student to send it to."""

from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.load import load_student

PLAIN = (
    "{%- if messages | length != 1 or messages[0]['role'] != 'user' -%}"
    "{{- raise_exception('this student reads one question: send one message, with the role user') -}}"
    "{%- endif -%}{{- 'predict: ' ~ messages[0]['content'] ~ '\\n' -}}"
)
TEXTS = [f"predict: how much is {i} + {j}? It is {i + j}, é and 漢字." for i in range(12) for j in range(12)]
CHAT = "/v1/chat/completions"


def save_student(folder, name="llama-nano", template=PLAIN):
    """A student that learnt nothing, saved with a chat template."""
    config = StudentConfig(model=f"fresh:{name}", device="cpu")
    student = load_student(config, TrainingConfig(), texts=TEXTS)
    student.save(folder)
    if template is not None:
        (folder / "chat_template.jinja").write_text(template)
    return folder


def body(text="how much is 3 + 4?", **more):
    """What a client sends."""
    return {"model": "pupil", "messages": [{"role": "user", "content": text}], **more}
