"""The models that judge a policy: reward models, the gold, and the usual norms."""

from collections.abc import Sequence
from typing import Any

from trueward.alignment.rl.points import Gold, NormRange, norm_range, norms_of
from trueward.alignment.rl.settings import WORLD, AlignSettings
from trueward.data import load_rows, to_pairs
from trueward.data.messages import plain_text
from trueward.errors import DataError
from trueward.goldworld import score_text
from trueward.scorer import Scorer
from trueward.types import Turns

NORM_PAIRS = 300


def load_scorers(settings: AlignSettings) -> list[Scorer]:
    """The reward models. Raises ModelError where one is none."""
    limits = _limits(settings)
    return [Scorer.from_pretrained(path, **limits) for path in settings.reward_models]


def load_gold(settings: AlignSettings) -> Gold | None:
    """The gold as a function of prompts and answers, if one was named."""
    if settings.gold is None:
        return None
    if settings.gold == WORLD:
        return world_gold
    return Scorer.from_pretrained(settings.gold, **_limits(settings)).score


def _limits(settings: AlignSettings) -> dict[str, Any]:
    """Of sequences, where other ones than a model was trained with are asked for."""
    given = {"max_length": settings.max_length, "truncation": settings.truncation}
    return {name: value for name, value in given.items() if value is not None}


def world_gold(prompts: Sequence[Turns], answers: Sequence[Turns]) -> list[float]:
    """The embedded world's exact reward. Raises DataError for a prompt of another world."""
    both = zip(prompts, answers, strict=True)
    return [score_text(plain_text(prompt), plain_text(answer)) for prompt, answer in both]


def usual_norms(settings: AlignSettings, scorer: Scorer) -> NormRange | None:
    """The range of norms on the reward model's training data, where that was named.

    Raises:
        DataError: the rows are no pairs of text or messages.
    """
    if settings.norm_data is None:
        return None
    pairs, _ = to_pairs(load_rows(settings.norm_data))
    if "prompt" not in pairs.column_names:
        raise DataError(f"{settings.norm_data}: expected pairs of text or messages, got token ids")
    pairs = pairs.select(range(min(NORM_PAIRS, len(pairs))))
    both = [list(sides) for sides in zip(pairs["chosen"], pairs["rejected"], strict=True)]
    return norm_range(norms_of(scorer.read_groups(pairs["prompt"], both)), "training data")
