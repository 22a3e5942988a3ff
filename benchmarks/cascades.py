"""Learnt cascades for `teachers.py`: ask one teacher after the other until the weighted vote is sure enough.

Who is asked, in which order, and how sure is enough are chosen on the training items alone, under a limit on
money. What the weight of a teacher's vote knows, by kind:

- votes: its reliability, and how many wrong answers there are to agree on by chance;
- traits: the length of its text, words of doubt in it, the question's length, digits and domain too;
- neighbours: its success on the 20 nearest training questions (BM25) too.

In the kind "gain" a panel is asked, and the last teacher where a regression on what the panel shows expects
it to help, which differs from being unsure: where everybody is wrong, money is spared. Asks nobody.
"""

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np
from recorded import GOLD, NONE, Labels, is_right

from tuition.annotation.routing import similar_success

DOUBTS = (0.7, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.0005)
"""How likely the vote may be wrong where no further teacher is asked."""
LONGEST, MOST_TEACHERS, INNER_FOLDS, NEIGHBOURS = 4, 7, 5, 20
GOING_ON = (0.02, 0.05, 0.08, 0.12, 0.18, 0.25, 0.35, 0.5, 0.65)
"""Shares of the training items that go on to the last teacher, from which a threshold is taken."""


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """What was chosen: teachers in the order in which they are asked, and when to stop."""

    order: tuple[int, ...]
    doubt: float
    share: float
    """Its money on the training items, a share of the best single teacher's there."""
    low: float
    """Lower 95 % end of its difference to that teacher there, normal approximation."""


# ---- how far a teacher's answer is to be believed ----


def question_traits(examples, domains):
    """Give the numbers that a question alone shows, shape (items, 2 + domains)."""
    texts = ["\n".join([example.question, *example.choices]) for example in examples]
    plain = [[math.log(len(text)), sum(map(str.isdigit, text)) ** 0.5] for text in texts]
    return np.hstack([plain, [[example.domain == name for name in domains] for example in examples]])


def logistic(x, y, *, ridge=3.0, turns=12):
    """Fit a ridge logistic regression by Newton's method; the first column is the constant, not shrunk."""
    w = np.zeros(x.shape[1])
    shrink = np.diag([1e-6] + [ridge] * (x.shape[1] - 1))
    for _ in range(turns):
        p = 1 / (1 + np.exp(-x @ w))
        slope = x.T @ (y - p) - shrink @ w
        w += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x + shrink, slope)
    return w


def beliefs(train, pool, kind):
    """Give the log odds that each answer of the pool is right, learnt on the training items."""
    right = is_right(train.answers, GOLD)
    read = train.answers != NONE
    share = (right.sum(0) + 1) / (read.sum(0) + 2)
    if kind == "votes":
        return np.tile(np.log(share / (1 - share)), (len(pool.examples), 1))
    domains = sorted({example.domain for example in train.examples})
    sides = [question_traits(part.examples, domains) for part in (train, pool)]
    found = np.zeros(pool.answers.shape)
    for t in range(len(train.teachers)):
        known, asked = (
            np.hstack([side, part.traits[:, t]]) for side, part in zip(sides, (train, pool), strict=True)
        )
        rows = read[:, t]
        mean, spread = known[rows].mean(0), known[rows].std(0) + 1e-9
        x, z = (np.hstack([np.ones((len(m), 1)), (m - mean) / spread]) for m in (known[rows], asked))
        found[:, t] = z.clip(-4, 4) @ logistic(x.clip(-4, 4), right[rows, t].astype(float))
    return found


def with_neighbours(train, pool):
    """Add to the traits each teacher's success on the nearest training questions, out of fold for those."""
    right = is_right(train.answers, GOLD)
    inside = np.zeros(right.shape)
    for held, rest in inner_folds(len(right)):
        inside[held] = near_success(train.take(held), train.take(rest), right[rest])
    near = inside, near_success(pool, train, right)
    return tuple(
        replace(part, traits=np.concatenate([part.traits, hope[:, :, None]], axis=2))
        for part, hope in zip((train, pool), near, strict=True)
    )


def near_success(asked, known, right):
    success = {name: right[:, t].astype(float).tolist() for t, name in enumerate(known.teachers)}
    found = similar_success(asked.examples, known.examples, success, neighbours=NEIGHBOURS)
    return np.stack([found[name] for name in known.teachers], axis=1)


def inner_folds(n):
    fold = np.random.default_rng(n).permutation(n) % INNER_FOLDS
    return [(np.flatnonzero(fold == k), np.flatnonzero(fold != k)) for k in range(INNER_FOLDS)]


def out_of_fold(train, kind):
    """Give the beliefs about the training items, each learnt on the others."""
    if kind == "votes":
        return beliefs(train, train, kind)
    found = np.zeros(train.answers.shape)
    for held, rest in inner_folds(len(train.examples)):
        found[held] = beliefs(train.take(rest), train.take(held), kind)
    return found


def wrong_answers(train):
    """Estimate among how many wrong answers teachers choose: one over how often two wrong ones agree."""
    said = train.answers
    wrong = (said != GOLD) & (said != NONE)
    both = wrong[:, :, None] & wrong[:, None, :] & ~np.eye(said.shape[1], dtype=bool)
    same = both & (said[:, :, None] == said[:, None, :])
    return max(1.0, (both.sum() + 2) / (same.sum() + 1))


# ---- asking one after the other ----


def steps(pool, odds, order, *, wrong):
    """Give after each further teacher the vote's answer and how likely it is wrong, and the money so far."""
    said = pool.answers[:, order]
    weight = (odds[:, order] + math.log(wrong)) * (said != NONE)
    same = (said[:, :, None] == said[:, None, :]) & (said != NONE)[:, :, None]  # (N, K, K)
    answers, doubts = np.empty(said.shape, dtype=int), np.empty(said.shape)
    rows = np.arange(len(said))
    for j in range(1, len(order) + 1):
        alike = same[:, :j, :j]
        score = np.where(said[:, :j] == NONE, -30.0, (alike * weight[:, None, :j]).sum(2))
        part = np.exp(score) / np.maximum(1, alike.sum(2))
        unseen = np.maximum(1 + wrong - (part > 1e-9).sum(1), 0.5)
        best = j - 1 - score[:, ::-1].argmax(1)  # of equals the one asked last
        answers[:, j - 1] = said[rows, best]
        doubts[:, j - 1] = 1 - np.exp(score[rows, best]) / (part.sum(1) + unseen)
    return answers, doubts, pool.usd[:, order].cumsum(1)


def stopped(found, doubt):
    """Stop each item at the first step that is sure enough, else at the last."""
    answers, doubts, usd = found
    sure = doubts <= doubt
    sure[:, -1] = True
    rows, place = np.arange(len(answers)), sure.argmax(1)
    return Labels(answers=answers[rows, place], usd=usd[rows, place])


def worth_asking(train):
    """Keep the teachers that few are both cheaper and better than; gives columns from cheap to dear."""
    right = is_right(train.answers, GOLD).mean(0)
    cost = train.usd.mean(0)
    beaten = [((right >= right[t]) & (cost < cost[t])).sum() for t in range(len(cost))]
    kept = sorted(range(len(cost)), key=lambda t: (beaten[t], -right[t]))[:MOST_TEACHERS]
    return sorted({*kept, best_single(train)}, key=lambda t: cost[t])


def best_single(train):
    right = is_right(train.answers, GOLD).mean(0)
    return min(range(len(right)), key=lambda t: (-right[t], train.usd[:, t].mean()))


def choose(train, odds, limits):
    """Choose for each limit, a share of the best single's money, the cascade surest not to be worse than it.

    Of all that cost no more on the training items, it has the highest lower end of the paired difference.
    """
    top = best_single(train)
    base, bill = is_right(train.answers[:, top], GOLD).astype(float), train.usd[:, top].sum()
    wrong, tried = wrong_answers(train), []
    teachers = worth_asking(train)
    for n in range(1, LONGEST + 1):
        for order in itertools.combinations(teachers, n):
            found = steps(train, odds, list(order), wrong=wrong)
            for doubt in DOUBTS if n > 1 else DOUBTS[:1]:
                labels = stopped(found, doubt)
                gap = is_right(labels.answers, GOLD) - base
                low = gap.mean() - 1.96 * gap.std() / math.sqrt(len(gap))
                share = labels.usd.sum() / bill
                tried.append(Cascade(order=order, doubt=doubt, share=float(share), low=float(low)))
    return picked(tried, limits)


def picked(tried, limits):
    return {
        limit: max(
            (one for one in tried if one.share <= limit),
            key=lambda one: (one.low, -one.share),
            default=min(tried, key=lambda one: one.share),
        )
        for limit in limits
    }


def learnt(train, pool, limits, kinds):
    """Learn on the training items and label the pool: labels and what was chosen, by kind and limit."""
    made = {}
    for kind in kinds:
        if kind == "gain":
            made |= gain_learnt(train, pool, limits)
            continue
        known, asked = with_neighbours(train, pool) if kind == "neighbours" else (train, pool)
        chosen = choose(known, out_of_fold(known, kind), limits)
        odds, wrong = beliefs(known, asked, kind), wrong_answers(train)
        for limit, cascade in chosen.items():
            labels = stopped(steps(pool, odds, list(cascade.order), wrong=wrong), cascade.doubt)
            names = " > ".join(pool.teachers[t] for t in cascade.order)
            made[kind, limit] = (labels, f"{names}, doubt {cascade.doubt}")
    return made


def cross_fitted(pool, limits, *, folds, seed, kinds):
    """Label every item by what was learnt on the other folds; what was chosen, fold by fold."""
    fold = np.random.default_rng(1000 + seed).permutation(len(pool.examples)) % folds
    made = {}
    for held in range(folds):
        inside, outside = np.flatnonzero(fold == held), np.flatnonzero(fold != held)
        for key, (labels, what) in learnt(pool.take(outside), pool.take(inside), limits, kinds).items():
            whole, told = made.setdefault(key, (empty(len(fold)), []))
            whole.answers[inside], whole.usd[inside] = labels.answers, labels.usd
            told.append(what)
    return made


def empty(n):
    return Labels(answers=np.full(n, NONE), usd=np.zeros(n))


# ---- going on only where the last teacher is expected to help ----


def shown(pool, odds, order, *, wrong, domains):
    """Give the regressors that a panel shows, its vote, the vote with the last one too, and the money."""
    answers, doubts, usd = steps(pool, odds, order, wrong=wrong)
    panel = order[:-1]
    said = pool.answers[:, panel]
    pairs = [
        (said[:, a] == said[:, b]) & (said[:, a] != NONE)
        for a, b in itertools.combinations(range(len(panel)), 2)
    ]
    doubt = np.clip(doubts[:, -2], 1e-6, 1 - 1e-6)
    columns = [doubt, np.log(doubt), *pairs, *(said == NONE).T, *pool.traits[:, panel, 0].T]
    columns += [pool.traits[:, panel, 1].sum(1), *question_traits(pool.examples, domains).T]
    return np.stack(columns, axis=1).astype(float), answers[:, -2], answers[:, -1], usd


def ridge(x, y, z, *, shrink=10.0):
    """Predict at `z` what a ridge regression of y on x says."""
    mean, spread = x.mean(0), x.std(0) + 1e-9
    x, z = (((m - mean) / spread).clip(-4, 4) for m in (x, z))
    w = np.linalg.solve(x.T @ x + shrink * np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return z @ w + y.mean()


def gain_tried(train):
    top = best_single(train)
    base, bill = is_right(train.answers[:, top], GOLD).astype(float), train.usd[:, top].sum()
    odds, wrong = beliefs(train, train, "votes"), wrong_answers(train)
    domains = sorted({example.domain for example in train.examples})
    for n in range(2, LONGEST + 1):
        for order in itertools.combinations(worth_asking(train), n):
            x, now, then, usd = shown(train, odds, list(order), wrong=wrong, domains=domains)
            here, there = (is_right(said, GOLD).astype(float) for said in (now, then))
            hope = np.empty(len(x))
            for held, rest in inner_folds(len(x)):
                hope[held] = ridge(x[rest], (there - here)[rest], x[held])
            for part in GOING_ON:
                level = float(np.quantile(hope, 1 - part))
                goes = hope > level
                gap = np.where(goes, there, here) - base
                low = gap.mean() - 1.96 * gap.std() / math.sqrt(len(gap))
                share = (usd[:, -2] + goes * (usd[:, -1] - usd[:, -2])).sum() / bill
                yield Cascade(order=order, doubt=level, share=float(share), low=float(low))


def gain_learnt(train, pool, limits):
    tried = list(gain_tried(train))
    made = {}
    odds, wrong = [beliefs(train, part, "votes") for part in (train, pool)], wrong_answers(train)
    domains = sorted({example.domain for example in train.examples})
    for limit, one in picked(tried, limits).items():
        order = list(one.order)
        x, now, then, _ = shown(train, odds[0], order, wrong=wrong, domains=domains)
        z, here, there, usd = shown(pool, odds[1], order, wrong=wrong, domains=domains)
        gain = is_right(then, GOLD).astype(float) - is_right(now, GOLD)
        goes = ridge(x, gain, z) > one.doubt
        labels = Labels(answers=np.where(goes, there, here), usd=np.where(goes, usd[:, -1], usd[:, -2]))
        names = " > ".join(pool.teachers[t] for t in order)
        made["gain", limit] = (labels, f"{names}, gain above {one.doubt:.3f}")
    return made
