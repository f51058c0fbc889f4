"""The three kinds of parts that an objective is composed of, and what each may ask for."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from trueward.errors import ObjectiveError
from trueward.types import PairScores, PairVector

NEEDS: Mapping[str, tuple[str, ...]] = {
    "hidden": ("chosen_hidden", "rejected_hidden"),
    "foreign": ("foreign",),
    "margin": ("margin",),
    "target": ("target",),
}
"""What a part may need beyond the two rewards, and the fields of `PairScores` that carry it."""


def param(default: Any, meaning: str) -> Any:
    """A parameter of a part: its default and, for `trueward objectives`, its meaning."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Term:
    """What a part makes of a batch: its value, what to log, and what to remember."""

    value: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Detached scalars by name, left on the device."""
    state: Mapping[str, Tensor] = field(default_factory=dict)
    """Running statistics that the next call finds in its `state`."""


class Part(ABC):
    """One part of an objective: `register` makes it a frozen dataclass whose fields are its config.

    The first line of the docstring is the summary, the rest is shown by `trueward objectives NAME`.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    equation: ClassVar[str] = ""
    choose_when: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of `NEEDS`: what the part needs with its default parameters."""
    batch_level: ClassVar[bool] = False
    """Whether a pair's term depends on the other pairs of the batch."""

    @property
    def required(self) -> frozenset[str]:
        """`needs`, less what the parameters of this instance switch off."""
        return self.needs

    def _require(self, parameter: str, valid: bool, expected: str) -> None:
        if not valid:
            value = getattr(self, parameter)
            raise ObjectiveError(f"{self.name}: {parameter} must be {expected}, got {value!r}")


class Preference(Part):
    """How a reward gap becomes a loss."""

    kind = "preference"
    requires_margin: ClassVar[bool] = False
    """Whether the loss means nothing without a margin part."""

    @abstractmethod
    def __call__(self, gap: PairVector, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
        """The loss of each pair in nats, from the gap Δ′ = r⁺ − r⁻ − m in logits."""


class Margin(Part):
    """How far a chosen response must be ahead."""

    kind = "margin"

    @abstractmethod
    def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
        """The margin m of each pair in logits."""


class Penalty(Part):
    """A scalar added to the loss."""

    kind = "penalty"

    @abstractmethod
    def __call__(self, batch: PairScores, state: Mapping[str, Tensor]) -> Term:
        """One non-negative scalar for the batch."""
