"""One reward model before its judges: the four scenarios, similar pairs, norms, length."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from datasets import Dataset
from jaxtyping import Float
from numpy import ndarray
from torch import nn

from trueward.data import Encoder, encode_groups
from trueward.diagnostics import accuracy_when_shorter_chosen, length_correlation, split_norms
from trueward.evals import Scores, kendall_per_prompt, pair_accuracy
from trueward.models import head_norm, score_sequences
from trueward.types import Scenarios

SCATTER_POINTS = 400
NORM_ROWS = 600
"""Sequences a split's norms and effective rank are taken over; the same for every split."""


@dataclass(frozen=True)
class Verdict:
    """What the judges said, in the fields of a run's result."""

    scores: Mapping[str, Scores]
    scalars: Mapping[str, float]
    norms: Mapping[str, Mapping[str, Any]]
    scatter: Mapping[str, Mapping[str, Sequence[float]]]


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


def judge(
    model: nn.Module, encoder: Encoder, scenarios: Scenarios, *, batch_tokens: int = 4096
) -> Verdict:
    """Score everything held out once and hand the numbers to the judges.

    Args:
        model: a reward model.
        encoder: the very encoder that the model was trained with.
        scenarios: held-out pairs and groups with gold scores.
        batch_tokens: tokens of one padded batch.

    Raises:
        DataError: a response is over the encoder's length limit and its policy is `drop`.
    """

    def score(sequences: list[list[int]]) -> Judged:
        return score_split(model, sequences, encoder.tokenizer.pad_token_id, batch_tokens)

    scores: dict[str, Scores] = {}
    scalars = {"head_norm": float(head_norm(model))}
    scatter: dict[str, Mapping[str, Sequence[float]]] = {}
    sample = min(NORM_ROWS // 2, len(scenarios.train))
    splits = {"train": score(_pair_sequences(scenarios.train.select(range(sample)), encoder))}
    for name, pairs in _pair_sets(scenarios):
        verdict = judge_pairs(score(_pair_sequences(pairs, encoder)), _units(pairs))
        scores[f"accuracy_{name}"] = verdict.scores["accuracy"]
        scalars |= {f"{key}_{name}": value for key, value in verdict.scalars.items()}
    for name, groups in scenarios.groups().items():
        encoded, _ = encode_groups(groups, encoder)
        judged = score([ids for group in encoded for ids in group])
        gold = groups["scores"][:]
        rows = np.cumsum([len(group) for group in encoded])[:-1]
        taus = kendall_per_prompt([r.tolist() for r in np.split(judged.rewards, rows)], gold)
        scores[f"tau_{name}"] = Scores(taus, _units(groups))
        prompts = [unit for unit, group in zip(_units(groups), gold, strict=True) for _ in group]
        length = asdict(length_correlation(judged.rewards, judged.lengths, prompts))
        scalars |= {f"length_{key}_{name}": value for key, value in length.items()}
        scatter[name] = _scatter(judged.rewards, [g for group in gold for g in group])
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
    model: nn.Module, sequences: list[list[int]], pad_token_id: int, batch_tokens: int = 4096
) -> Judged:
    """Score the token-id sequences of one split."""
    scored = score_sequences(
        model, sequences, pad_token_id=pad_token_id, batch_tokens=batch_tokens, before_norm=True
    )
    earlier = None if scored.before_norm is None else scored.before_norm.numpy()
    lengths = np.array([len(ids) for ids in sequences], dtype=np.float64)
    return Judged(scored.rewards.numpy(), scored.hidden.numpy(), earlier, lengths)


def _pair_sets(scenarios: Scenarios) -> Iterable[tuple[str, Dataset]]:
    yield "in_domain", scenarios.in_domain_pairs
    if scenarios.similar_pairs is not None and len(scenarios.similar_pairs):
        yield "similar", scenarios.similar_pairs


def _pair_sequences(pairs: Dataset, encoder: Encoder) -> list[list[int]]:
    """Chosen, then rejected; every pair of them, whatever its length, or an error."""
    groups = Dataset.from_dict(
        {
            "prompt": pairs["prompt"][:],
            "responses": list(map(list, zip(pairs["chosen"], pairs["rejected"], strict=True))),
        }
    )
    encoded, _ = encode_groups(groups, encoder)
    return [pair[0] for pair in encoded] + [pair[1] for pair in encoded]


def _units(rows: Dataset) -> list[str]:
    return [str(unit) for unit in rows["prompt_id"]]


def _norms(splits: Mapping[str, Judged]) -> dict[str, Mapping[str, Any]]:
    rows = min(NORM_ROWS, *(len(judged.rewards) for judged in splits.values()))
    norms: dict[str, Mapping[str, Any]] = {}
    for name, judged in splits.items():
        paired = name == "train"
        chosen, rejected = judged.halves(judged.hidden) if paired else (None, None)
        earlier = None if judged.before_norm is None else judged.before_norm[:rows]
        norms[name] = split_norms(
            judged.hidden[:rows], pre_norm=earlier, chosen=chosen, rejected=rejected
        )
    return norms


def _scatter(rewards: ndarray, gold: list[float]) -> dict[str, list[float]]:
    keep = np.linspace(0, len(gold) - 1, min(SCATTER_POINTS, len(gold))).astype(int)
    return {"gold": [float(gold[i]) for i in keep], "reward": rewards[keep].tolist()}
