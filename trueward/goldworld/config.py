"""The world's dials."""

from dataclasses import dataclass

from trueward.errors import DataError


@dataclass(frozen=True)
class WorldConfig:
    """Everything the world's data depends on; equal configs give equal data on every platform.

    Raises:
        DataError: a dial is out of its range.
    """

    seed: int = 0
    cue_strength: float = 1.0
    """How far style follows skill in training, in [-1, 1]; held-out writers have the opposite."""
    train_pairs: int = 2560
    train_prompts: int = 2000
    in_domain_pairs: int = 400
    eval_prompts: int = 150
    """Prompts of each of the four scenarios, four responses each."""
    similar_pairs: int = 200
    near_duplicate_share: float = 0.1
    """Share of training pairs whose responses differ in one decisive word."""
    label_noise: float = 0.0
    """Share of training pairs whose label is flipped."""
    min_gap: float = 0.8
    """Least difference of gold within a pair."""

    def __post_init__(self) -> None:
        counts = (
            "train_pairs",
            "train_prompts",
            "in_domain_pairs",
            "eval_prompts",
            "similar_pairs",
        )
        for name in counts:
            if getattr(self, name) < 1:
                raise DataError(f"expected {name} of at least 1, got {getattr(self, name)}")
        _within("cue_strength", self.cue_strength, -1.0, 1.0)
        _within("near_duplicate_share", self.near_duplicate_share, 0.0, 1.0)
        _within("label_noise", self.label_noise, 0.0, 1.0)
        _within("min_gap", self.min_gap, 0.01, 2.0)
        if self.eval_prompts > self.train_prompts:
            raise DataError(
                f"expected eval_prompts of at most train_prompts ({self.train_prompts}), "
                f"got {self.eval_prompts}"
            )


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise DataError(f"expected {name} in [{low:g}, {high:g}], got {value:g}")
