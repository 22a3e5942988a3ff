import pytest
import torch


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano", "bert-nano"])
def test_a_question_lies_at_the_mean_of_its_states_whatever_stands_beside_it(name, student, answers):
    learner = student(name, batch_questions=5)
    vectors = learner.embed(answers)
    assert vectors.shape == (len(answers), 32) and len(set(map(tuple, vectors))) == len(answers)
    for target, vector in zip(answers, vectors, strict=True):
        ids = torch.tensor(learner._encoder.prompts([target]))
        body = learner.model.get_encoder() if name == "t5-nano" else learner.model.base_model
        with torch.no_grad():
            states = body(input_ids=ids).last_hidden_state[0]
        assert vector.tolist() == pytest.approx(states.mean(0).tolist(), abs=1e-5)
