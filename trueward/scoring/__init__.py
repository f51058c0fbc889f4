"""From prompts and responses to rewards: one way, for whoever needs a number."""

from trueward.scoring.scorer import Rewards, Scorer

__all__ = ["Rewards", "Scorer"]
