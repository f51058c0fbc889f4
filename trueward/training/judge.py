"""One reward model before its judges: the four scenarios, similar pairs, norms, length."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from datasets import Dataset
from jaxtyping import Float, Int
from numpy import ndarray
from torch import nn

from trueward.data import Encoder, encode_groups
from trueward.diagnostics import accuracy_when_shorter_chosen, length_correlation, split_norms
from trueward.metrics import kendall_per_prompt, pair_accuracy
from trueward.models import head_norm, score_sequences
from trueward.results import Scatter, Scores, SplitNorms
from trueward.types import Scenarios

SCATTER_POINTS = 400
NORM_ROWS = 600
"""Sequences a split's norms and effective rank are taken over; the same for every split."""


@dataclass(frozen=True)
class Verdict:
    """What the judges said, in the fields of a run's result."""

    scores: Mapping[str, Scores]
    scalars: Mapping[str, float]
    norms: Mapping[str, SplitNorms]
    scatter: Mapping[str, Scatter]


@dataclass(frozen=True)
class Judged:
    """Sequences of one split, scored: arrays with one row a sequence."""

    rewards: Float[ndarray, " sequences"]
    hidden: Float[ndarray, "sequences hidden"]
    before_norm: Float[ndarray, "sequences hidden"] | None
    lengths: Float[ndarray, " sequences"]

    def halves(self, values: ndarray) -> tuple[ndarray, ndarray]:
        """The chosen and the rejected half of a split of pairs."""
        return values[: len(values) // 2], values[len(values) // 2 :]


@dataclass(frozen=True)
class EncodedPairs:
    """Chosen sequences, then rejected ones, and the prompt of each pair."""

    sequences: list[list[int]]
    units: list[str]


@dataclass(frozen=True)
class EncodedGroups:
    """Every response of every group, with gold scores, and the prompt of each group."""

    groups: list[list[list[int]]]
    gold: list[list[float]]
    units: list[str]


@dataclass(frozen=True)
class Bench:
    """Everything that a model will be judged on, as token ids."""

    train: EncodedPairs
    pairs: Mapping[str, EncodedPairs]
    groups: Mapping[str, EncodedGroups]


def bench(encoder: Encoder, scenarios: Scenarios) -> Bench:
    """Encode what is held out, before anything is trained.

    Raises:
        DataError: a response is over the encoder's length limit and its policy is `drop`.
    """
    sample = min(NORM_ROWS // 2, len(scenarios.train))
    groups = {
        name: EncodedGroups(encode_groups(rows, encoder)[0], rows["scores"][:], _units(rows))
        for name, rows in scenarios.groups().items()
    }
    return Bench(
        train=_encode_pairs(scenarios.train.select(range(sample)), encoder),
        pairs={name: _encode_pairs(rows, encoder) for name, rows in _pair_sets(scenarios)},
        groups=groups,
    )


def judge(model: nn.Module, held_out: Bench, pad_token_id: int) -> Verdict:
    """Score everything held out once and hand the numbers to the judges."""
    scores: dict[str, Scores] = {}
    scalars = {"head_norm": float(head_norm(model))}
    scatter: dict[str, Scatter] = {}
    splits = {"train": score_split(model, held_out.train.sequences, pad_token_id)}
    for name, pairs in held_out.pairs.items():
        judged = score_split(model, pairs.sequences, pad_token_id)
        verdict = judge_pairs(judged, pairs.units)
        scores[f"accuracy_{name}"] = verdict.scores["accuracy"]
        scalars |= {f"{key}_{name}": value for key, value in verdict.scalars.items()}
    for name, groups in held_out.groups.items():
        sequences = [ids for group in groups.groups for ids in group]
        of = [number for number, group in enumerate(groups.groups) for _ in group]
        judged = score_split(model, sequences, pad_token_id, of)
        rows = np.cumsum([len(group) for group in groups.groups])[:-1]
        taus = kendall_per_prompt([r.tolist() for r in np.split(judged.rewards, rows)], groups.gold)
        scores[f"tau_{name}"] = Scores(taus, groups.units)
        prompts = [u for u, group in zip(groups.units, groups.gold, strict=True) for _ in group]
        length = asdict(length_correlation(judged.rewards, judged.lengths, prompts))
        scalars |= {f"length_{key}_{name}": value for key, value in length.items()}
        scatter[name] = _scatter(judged.rewards, [g for group in groups.gold for g in group])
        splits[name] = judged
    return Verdict(scores, scalars, _norms(splits), scatter)


def judge_pairs(judged: Judged, units: list[str]) -> Verdict:
    """Accuracy of pairs (chosen first, then rejected), overall and where the chosen is shorter."""
    chosen, rejected = judged.halves(judged.rewards)
    correct = pair_accuracy(chosen, rejected)
    shorter = accuracy_when_shorter_chosen(chosen, rejected, *judged.halves(judged.lengths))
    scalars = {
        "accuracy_when_shorter_chosen": shorter.accuracy,
        "margin": float((chosen - rejected).mean()),
    }
    return Verdict({"accuracy": Scores(correct.tolist(), units)}, scalars, {}, {})


def score_split(
    model: nn.Module,
    sequences: list[list[int]],
    pad_token_id: int,
    groups: Sequence[int] | None = None,
) -> Judged:
    """Score the token-id sequences of one split; without `groups`, chosen ones, then rejected."""
    groups = [*range(len(sequences) // 2)] * 2 if groups is None else groups
    scored = score_sequences(
        model, sequences, groups=groups, pad_token_id=pad_token_id, states=True
    )
    earlier = None if scored.before_norm is None else scored.before_norm.numpy()
    lengths = np.array([len(ids) for ids in sequences], dtype=np.float64)
    return Judged(scored.rewards.numpy(), scored.hidden.numpy(), earlier, lengths)


def _pair_sets(scenarios: Scenarios) -> Iterable[tuple[str, Dataset]]:
    yield "in_domain", scenarios.in_domain_pairs
    if scenarios.similar_pairs is not None and len(scenarios.similar_pairs):
        yield "similar", scenarios.similar_pairs


def _encode_pairs(pairs: Dataset, encoder: Encoder) -> EncodedPairs:
    """Every pair, whatever its length, or an error: a judge leaves nothing out."""
    sides = zip(pairs["chosen"], pairs["rejected"], strict=True)
    groups = Dataset.from_dict({"prompt": pairs["prompt"][:], "responses": list(map(list, sides))})
    encoded, _ = encode_groups(groups, encoder)
    sequences = [pair[0] for pair in encoded] + [pair[1] for pair in encoded]
    return EncodedPairs(sequences, _units(pairs))


def _units(rows: Dataset) -> list[str]:
    return [str(unit) for unit in rows["prompt_id"]]


def _norms(splits: Mapping[str, Judged]) -> dict[str, SplitNorms]:
    rows = min(NORM_ROWS, *(len(judged.rewards) for judged in splits.values()))
    norms: dict[str, SplitNorms] = {}
    for name, judged in splits.items():
        chosen, rejected = judged.halves(judged.hidden) if name == "train" else (None, None)
        kept = _evenly(len(judged.hidden), rows)
        earlier = None if judged.before_norm is None else judged.before_norm[kept]
        norms[name] = split_norms(
            judged.hidden[kept], pre_norm=earlier, chosen=chosen, rejected=rejected
        )
    return norms


def _evenly(total: int, count: int) -> Int[ndarray, " rows"]:
    """Indices of `count` rows spread over all of them."""
    return np.linspace(0, total - 1, min(count, total)).astype(int)


def _scatter(rewards: ndarray, gold: list[float]) -> Scatter:
    keep = _evenly(len(gold), SCATTER_POINTS)
    return {"gold": [float(gold[i]) for i in keep], "reward": rewards[keep].tolist()}
