"""What was kept, what was left out and why: one line each."""

from collections.abc import Mapping
from dataclasses import dataclass, field


def counted(counts: Mapping[str, int]) -> str:
    """`3 identical responses, 1 null chosen`, the non-zero ones."""
    return ", ".join(f"{n:,} {what}" for what, n in counts.items() if n) or "nothing"


@dataclass(frozen=True)
class PairingReport:
    """How rows became pairs."""

    form: str
    """What the rows were recognised as."""
    rows: int
    pairs: int
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Reason to count; the reason names the unit (rows, prompts, responses or pairs)."""
    unused_columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        unused = (
            f"; unused columns: {', '.join(self.unused_columns)}" if self.unused_columns else ""
        )
        return (
            f"{self.pairs:,} pairs from {self.rows:,} rows ({self.form}); "
            f"left out: {counted(self.left_out)}{unused}"
        )


@dataclass(frozen=True)
class LengthReport:
    """What the over-length policy did. Lengths are in tokens."""

    unit: str
    """What is counted: `pairs` or `responses`."""
    total: int
    kept: int
    max_length: int | None
    longest: int
    """Length of the longest sequence before any truncation."""
    dropped: int = 0
    """Longer than `max_length` and left out."""
    truncated: int = 0
    """Longer than `max_length`, cut and kept."""
    indistinct: int = 0
    """Left out because both sides have the same tokens (after truncation, if any)."""
    over_length_rows: tuple[int, ...] = ()
    """The rows, counted from 0, that were longer than `max_length`."""

    def __str__(self) -> str:
        limit = "no limit" if self.max_length is None else f"max_length {self.max_length:,}"
        done = {
            "dropped as over-length": self.dropped,
            "truncated": self.truncated,
            "left out with both sides alike": self.indistinct,
        }
        return (
            f"{self.kept:,} of {self.total:,} {self.unit} kept "
            f"({limit} tokens, longest {self.longest:,}); {counted(done)}"
        )


@dataclass(frozen=True)
class SplitReport:
    """How rows became four scenarios."""

    train_prompts: int
    held_out_prompts: int
    train_sources: tuple[str, ...]
    held_out_sources: tuple[str, ...]
    excluded_sources: tuple[str, ...]
    sizes: Mapping[str, int]
    """Rows of each part of `Scenarios`."""
    asked: Mapping[str, int]
    """Rows asked for; a part can be smaller where the data does not hold more."""
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        short = {
            f"{part} of {self.asked[part]:,} asked": size
            for part, size in self.sizes.items()
            if size < self.asked.get(part, size)
        }
        fewer = f"; fewer than asked: {counted(short)}" if short else ""
        return (
            f"{self.train_prompts:,} / {self.held_out_prompts:,} prompts and "
            f"{len(self.train_sources)} / {len(self.held_out_sources)} sources (train / held out, "
            f"{len(self.excluded_sources)} excluded): {counted(self.sizes)}; "
            f"left out: {counted(self.left_out)}{fewer}"
        )
