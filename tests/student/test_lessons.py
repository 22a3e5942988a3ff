import dataclasses

import pytest
import torch

from tuition.core.errors import TrainingError
from tuition.core.protocols import Contrast, Imitate, Lesson, Prefer
from tuition.core.records import content_id
from tuition.student.config import StudentConfig, TrainingConfig
from tuition.student.encode import TextRow
from tuition.student.families import FAMILIES
from tuition.student.lessons import lesson as lessons
from tuition.student.lessons.lesson import learning_of
from tuition.student.lessons.measures import divergence, preference, triplet
from tuition.student.load import load_student
from tuition.student.training.train import item_of, make_steps

MEASURES = ("forward", "reverse", "jsd", "mse")


def shaken(learner, seed):
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in learner.model.parameters():
            weight += 0.2 * torch.randn(weight.shape, generator=source)
    learner.model.eval()
    return learner


def steps_of(learner, targets, lesson, **training):
    """All targets as one optimizer step of the real plan."""
    config = TrainingConfig(**{"steps": 1, "batch_examples": 100} | training)
    rows = learner._encoder.rows(targets)
    items = [item_of(target, row, lesson) for target, row in zip(targets, rows, strict=True)]
    learning = learning_of(lesson, learner, targets, encoder=learner._encoder)
    pad_id = learner.tokenizer.pad_token_id
    return make_steps(learner.model, rows, items, learning=learning, config=config, pad_id=pad_id)


def loss_of(learner, targets, lesson, **training):
    steps = steps_of(learner, targets, lesson, **training)
    losses = [steps.learning.loss(learner.model, batch) for batch in steps[0]["passes"]]
    return sum(losses), len(losses)


def gradients(learner, loss):
    learner.model.zero_grad()
    loss.backward()
    return {key: weight.grad.clone() for key, weight in learner.model.named_parameters()}


def label_logits(learner, target):
    """The logits of each token of an output, by one plain forward pass, and the tokens."""
    prompt, output = learner.prompts([target])[0], learner.outputs([target.output])[0]
    if learner.family == "seq2seq":
        logits = learner.model(input_ids=torch.tensor([prompt]), labels=torch.tensor([output])).logits[0]
    else:
        logits = learner.model(input_ids=torch.tensor([prompt + output])).logits[0, len(prompt) - 1 : -1]
    return logits, torch.tensor(output)


def plain_divergence(student, mentor, how):
    """Token by token, out of the definitions."""
    total = []
    for own, other in zip(student, mentor, strict=True):
        if how.measure == "mse":
            total.append(((own - other) ** 2).mean())
            continue
        p, q = (torch.softmax(row / how.temperature, -1) for row in (other, own))
        middle = (p + q) / 2

        def kl(a, b):
            return (a * (a / b).log()).sum()

        found = {"forward": kl(p, q), "reverse": kl(q, p), "jsd": (kl(p, middle) + kl(q, middle)) / 2}
        total.append(found[how.measure] * (how.temperature**2 if how.squared else 1))
    return torch.stack(total)


@pytest.mark.parametrize("measure", MEASURES)
def test_divergences_are_those_of_the_definitions_and_of_torch(measure):
    torch.manual_seed(0)
    student, mentor = torch.randn(2, 7, 11)
    for how in (Imitate(measure=measure), Imitate(measure=measure, temperature=0.7, squared=True)):
        found = divergence(student, mentor, how)
        assert torch.allclose(found, plain_divergence(student, mentor, how), atol=1e-6)
    own, other = (logits.log_softmax(-1) for logits in (student, mentor))
    one = Imitate(measure=measure, temperature=1.0)
    oracle = {
        "forward": torch.nn.KLDivLoss(reduction="batchmean", log_target=True)(own, other),
        "reverse": torch.nn.KLDivLoss(reduction="batchmean", log_target=True)(other, own),
        "mse": torch.nn.MSELoss()(student, mentor),
    }
    if measure in oracle:
        assert divergence(student, mentor, one).mean().item() == pytest.approx(oracle[measure].item())


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_divergences_are_those_of_trl(beta):
    # TRL's GKD: beta 0 is the forward divergence, 1 the reverse one, 0.5 that to the mean.
    gkd = pytest.importorskip("trl.trainer.gkd_trainer", reason="TRL is not installed; it is an oracle here")
    torch.manual_seed(0)
    student, mentor = torch.randn(2, 1, 7, 11)
    expected = gkd.GKDTrainer.generalized_jsd_loss(student, mentor, beta=beta, reduction="batchmean")
    measure = {0.0: "forward", 0.5: "jsd", 1.0: "reverse"}[beta]
    found = divergence(student, mentor, Imitate(measure=measure, temperature=1.0)).sum()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_wider_table_of_embeddings_is_no_other_vocabulary():
    student, mentor = torch.randn(3, 8), torch.randn(3, 6)
    assert torch.equal(divergence(student, mentor, Imitate()), divergence(student[:, :6], mentor, Imitate()))


def test_triplets_are_those_of_torch():
    torch.manual_seed(0)
    states = torch.randn(5, 3, 4)
    oracle = torch.nn.TripletMarginWithDistanceLoss(
        distance_function=lambda a, b: 1 - torch.cosine_similarity(a, b), margin=0.8, reduction="none"
    )
    assert torch.allclose(triplet(states, 0.8), oracle(*states.unbind(1)), atol=1e-6)


def test_a_preference_by_hand():
    # δ of the chosen .4, of the rejected −.6, β .3
    own, reference = torch.tensor([[-1.0, -3.0]]), torch.tensor([[-1.4, -2.4]])
    assert preference(own, reference, 0.3).item() == pytest.approx(0.554355, abs=1e-6)


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("token_budget", [1, 190, 10**6])
def test_imitation_equals_the_plain_loop(name, measure, token_budget, student, targets):
    learner, mentor = shaken(student(name), 1), shaken(student(name), 2)
    how = Imitate(measure=measure, share=0.4)
    sums, counts, weights = {}, {}, {}
    for target in targets:
        logits, labels = label_logits(learner, target)
        with torch.no_grad():
            wise, _ = label_logits(mentor, target)
        tokens = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
        mixed = 0.6 * tokens + 0.4 * plain_divergence(logits, wise, how)
        key = target.objective
        sums[key], counts[key] = sums.get(key, 0.0) + mixed.sum(), counts.get(key, 0) + len(labels)
        weights[key] = target.weight
    expected = sum(weights[key] * sums[key] / counts[key] for key in sums)
    plain = gradients(learner, expected)
    loss, passes = loss_of(learner, targets, Lesson(imitate=how, mentor=mentor), token_budget=token_budget)
    assert passes > 1 or token_budget > 190
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for key, found in gradients(learner, loss).items():
        assert torch.linalg.vector_norm(found - plain[key]) <= 2e-5 * torch.linalg.vector_norm(plain[key])


def test_options_are_imitated_too(student, answers):
    learner, mentor = shaken(student("bert-nano"), 1), shaken(student("bert-nano"), 2)
    how = Imitate(share=1.0, tokens=0.0, temperature=1.0)
    expected = [
        plain_divergence(torch.tensor([own]), torch.tensor([other]), how).item()
        for own, other in zip(learner.score_options(answers), mentor.score_options(answers), strict=True)
    ]
    loss, _ = loss_of(learner, answers, Lesson(imitate=how, mentor=mentor))
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert all(weight.isfinite().all() for weight in gradients(learner, loss).values())


def test_a_mentor_is_left_as_it_is(student, targets, tmp_path):
    mentor = shaken(student("llama-nano"), 2)
    before = content_id(lessons._weights_id(mentor.model))
    learner = student("llama-nano", training={"steps": 12, "lr": 1e-2})
    lesson = Lesson(imitate=Imitate(share=1.0), mentor=mentor)
    first = loss_of(learner, targets, lesson)[0].item()
    learner.fit(targets, tmp_path, lesson=lesson)
    assert loss_of(learner, targets, lesson)[0].item() < 0.7 * first, "it comes nearer to its mentor"
    assert content_id(lessons._weights_id(mentor.model)) == before
    assert all(weight.grad is None for weight in mentor.model.parameters())


def test_the_logits_of_two_models_bound_a_pass(student, targets, monkeypatch):
    learner, mentor = shaken(student("llama-nano"), 1), shaken(student("llama-nano"), 2)
    lesson = Lesson(imitate=Imitate(), mentor=mentor)
    whole, few = loss_of(learner, targets, lesson)
    width = learner.model.get_output_embeddings().weight.shape[0]
    monkeypatch.setattr(lessons, "_LOGITS", 120 * width)
    seen = []
    hook = mentor.model.get_output_embeddings().register_forward_hook(
        lambda _, __, logits: seen.append(logits.numel())
    )
    bounded, more = loss_of(learner, targets, lesson)
    hook.remove()
    assert more > few and bounded.item() == pytest.approx(whole.item(), rel=1e-5)
    assert max(seen) <= 120 * width


def test_a_mentor_that_cuts_text_differently_is_refused(student, targets):
    learner, other = student("llama-nano"), student("llama-mini")
    lesson = Lesson(imitate=Imitate(), mentor=student("t5-nano"))
    with pytest.raises(TrainingError, match="mentor and student cut text differently"):
        learning_of(lesson, learner, targets, encoder=learner._encoder)
    other.tokenizer.add_tokens(["<new>"])
    lesson = Lesson(imitate=Imitate(), mentor=other)
    with pytest.raises(TrainingError, match="take a mentor of the same family and tokenizer"):
        learning_of(lesson, learner, targets, encoder=learner._encoder)
    behind = Lesson(imitate=Imitate(), mentor=student("llama-nano", instruction="behind"))
    with pytest.raises(TrainingError, match="asked in other forms"):
        learning_of(behind, learner, targets, encoder=learner._encoder)


def paired(targets):
    """Every second target has another right output and a wrong one."""
    return [
        dataclasses.replace(target, like=f"so {target.output}", against=f"not {target.example.id}")
        if i % 2
        else target
        for i, target in enumerate(targets)
    ]


def last_state(learner, target):
    """The last hidden state of the last token of an output, before its end mark."""
    prompt, output = learner.prompts([target])[0], learner.outputs([target.output])[0][:-1]
    if learner.family == "causal":
        states = learner.model.model(input_ids=torch.tensor([prompt + output])).last_hidden_state
    else:
        start = learner.model.config.decoder_start_token_id
        read = learner.model.model if hasattr(learner.model, "model") else learner.model
        out = read(
            input_ids=torch.tensor([prompt]),
            decoder_input_ids=torch.tensor([[start, *output]]),
            output_hidden_states=True,
        )
        states = out.decoder_hidden_states[-1]
    return states[0, -1]


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_a_contrast_is_a_triplet_of_last_states_beside_the_tokens(name, student, targets):
    learner, targets = shaken(student(name), 1), paired(targets)
    plain, _ = loss_of(learner, targets, None)
    terms = []
    for target in targets:
        if target.like:
            a, p, n = (
                last_state(learner, dataclasses.replace(target, output=text))
                for text in (target.output, target.like, target.against)
            )
            near, far = (torch.cosine_similarity(a, other, dim=0) for other in (p, n))
            terms.append(target.weight * (0.9 - near + far).clamp(min=0))
    expected = plain + 0.5 * sum(terms) / len(terms)
    lesson = Lesson(contrast=Contrast(margin=0.9))
    wanted = gradients(learner, expected)
    loss, passes = loss_of(learner, targets, lesson, token_budget=400)
    assert passes > 2 and loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for key, found in gradients(learner, loss).items():
        assert torch.linalg.vector_norm(found - wanted[key]) <= 2e-5 * torch.linalg.vector_norm(wanted[key])


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_a_preference_sums_whole_outputs_and_leaves_their_tokens_alone(name, student, targets):
    learner, before, targets = shaken(student(name), 1), shaken(student(name), 2), paired(targets)
    pairs = [target for target in targets if target.against]
    terms = []
    for target in pairs:
        wrong = dataclasses.replace(target, output=target.against)
        gains = [sum(learner.score([one])[0]) - sum(before.score([one])[0]) for one in (target, wrong)]
        margin = torch.tensor(0.3 * (gains[0] - gains[1]))
        terms.append(target.weight * -torch.nn.functional.logsigmoid(margin).item())
    rest, _ = loss_of(learner, [target for target in targets if not target.against], None)
    loss, _ = loss_of(learner, targets, Lesson(prefer=Prefer(), reference=before))
    assert loss.item() == pytest.approx(rest.item() + sum(terms) / len(terms), rel=1e-4)


def test_a_pair_that_would_be_cut_is_refused(student, targets):
    learner = student("llama-nano", max_output_tokens=4)
    lesson = Lesson(prefer=Prefer(), reference=student("llama-nano", max_output_tokens=4))
    with pytest.raises(TrainingError, match="a preference compares whole outputs"):
        learning_of(lesson, learner, paired(targets), encoder=learner._encoder)


def test_tokens_of_the_question_weigh_what_they_are_told_to():
    # Losses [2, 2 | 1, 3], the question's by 0.1: (0.2 + 0.2 + 1 + 3) / 4 = 1.10
    row = TextRow(prompt=[5, 6, 7], output=[8, 2], asked=0.1)
    assert (row.terms, row.labels, row.weights) == (4, [6, 7, 8, 2], [0.1, 0.1, 1.0, 1.0])
    batch = FAMILIES["causal"].collate([[row]], [[1 / row.terms]], pad_id=0)
    assert batch["places"].tolist() == [0, 1, 2, 3]
    assert (torch.tensor([2.0, 2.0, 1.0, 3.0]) * batch["factors"]).sum().item() == pytest.approx(1.10)


def test_a_learnt_question_equals_the_plain_loop(student, targets):
    learner = shaken(student("llama-nano"), 1)
    heavy = [dataclasses.replace(target, prompt_weight=0.1, weight=1.0) for target in targets[:5]]
    heavy = [dataclasses.replace(target, objective="one") for target in heavy]
    sums, count = 0.0, 0
    for target in heavy:
        prompt, output = learner.prompts([target])[0], learner.outputs([target.output])[0]
        ids = torch.tensor(prompt + output)
        losses = torch.nn.functional.cross_entropy(
            learner.model(input_ids=ids[None]).logits[0, :-1], ids[1:], reduction="none"
        )
        sums += 0.1 * losses[: len(prompt) - 1].sum() + losses[len(prompt) - 1 :].sum()
        count += len(ids) - 1
    assert loss_of(learner, heavy, None)[0].item() == pytest.approx((sums / count).item(), rel=1e-5)


def test_an_encoder_decoder_does_not_learn_questions(student, targets):
    heavy = [dataclasses.replace(target, prompt_weight=0.1) for target in targets]
    with pytest.raises(TrainingError, match="an encoder-decoder never writes its question"):
        student("t5-nano")._encoder.rows(heavy)


def test_shares_of_choices_are_learnt_as_a_cross_entropy(student, answers):
    # KL of shares to a softmax is this cross-entropy less the entropy of the shares.
    learner = shaken(student("bert-nano"), 1)
    soft = []
    for i, target in enumerate(answers):
        n = len(target.example.choices)
        shares = torch.softmax(torch.arange(n) * (0.3 + 0.1 * i), 0).tolist()
        soft.append(dataclasses.replace(target, shares=tuple(shares)) if i % 3 else target)
    expected = []
    for target, scores in zip(soft, learner.score_options(soft), strict=True):
        hard = [float(choice == target.output) for choice in target.example.choices]
        likely = torch.tensor(scores).log_softmax(-1)
        oracle = torch.nn.CrossEntropyLoss()(
            torch.tensor(scores)[None], torch.tensor([target.shares or hard])
        )
        expected.append(oracle.item())
        assert oracle.item() == pytest.approx(-(torch.tensor(target.shares or hard) * likely).sum().item())
    loss, _ = loss_of(learner, soft, None)
    assert loss.item() == pytest.approx(sum(expected) / len(expected), rel=1e-4)
    assert all(weight.isfinite().all() for weight in gradients(learner, loss).values())


def test_shares_that_fit_no_choices_are_refused(student, answers):
    for shares in ((0.5, 0.6), (1.0,)):
        with pytest.raises(TrainingError, match="expected one for each of its"):
            student("bert-nano")._encoder.rows([dataclasses.replace(answers[0], shares=shares)])


def test_a_training_is_another_one_with_another_lesson(student, targets, tmp_path):
    def train(lesson):
        return student("llama-nano", training={"steps": 1}).fit(targets, tmp_path, lesson=lesson)

    mentor = shaken(student("llama-nano"), 2)
    lesson = Lesson(imitate=Imitate(), mentor=mentor)
    train(lesson)
    assert train(lesson)["resumed_from"] == 1, "the same lesson by the same mentor"
    others = [
        None,
        Lesson(imitate=Imitate(share=0.5), mentor=mentor),
        Lesson(imitate=Imitate(), mentor=shaken(student("llama-nano"), 3)),
        Lesson(contrast=Contrast()),
        Lesson(mixture={"": 1.0}),
    ]
    for other in others:
        with pytest.raises(TrainingError, match="a training with other targets or settings"):
            train(other)


@pytest.mark.parametrize("name", ["t5-nano", "llama-nano"])
def test_a_mentor_that_is_loaded_again_is_the_same(name, student, targets, tmp_path):
    mentor = student(name)
    mentor.fit(targets, tmp_path / "fit")
    mentor.save(tmp_path / "mentor")
    again = load_student(StudentConfig(model=str(tmp_path / "mentor"), device="cpu"), TrainingConfig())
    assert lessons._weights_id(again.model) == lessons._weights_id(mentor.model)


def test_what_says_nothing_changes_no_identity(targets):
    row = targets[0].to_json()
    assert not {"prompt_weight", "like", "against", "shares"} & row.keys()
    soft = dataclasses.replace(targets[0], shares=(0.5, 0.5), against="no")
    assert soft.to_json()["shares"] == (0.5, 0.5) and soft.to_json()["against"] == "no"


@pytest.mark.parametrize("parts", [{"imitate": Imitate()}, {"prefer": Prefer()}])
def test_a_lesson_is_whole(parts, student):
    with pytest.raises(ValueError, match="together, or neither"):
        Lesson(**parts)
    with pytest.raises(ValueError, match="not both"):
        Lesson(contrast=Contrast(), prefer=Prefer(), reference=student("llama-nano"))
    with pytest.raises(ValueError, match="less than nothing; set tokens"):
        Imitate(share=2.0)
