"""Parts of an objective: the three kinds, the inputs each may ask for, and the registry by name."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field
from typing import Any, ClassVar, TypeAlias, TypeVar, dataclass_transform

from torch import Tensor
from torch.nn.functional import softplus

from trueward.errors import ObjectiveError, nearest
from trueward.types import PairScores, PairVector

State: TypeAlias = Mapping[str, Tensor]
"""Running statistics by name, handed from one call of an objective to the next."""

NEEDS: Mapping[str, tuple[str, ...]] = {
    "hidden": ("chosen_hidden", "rejected_hidden"),
    "foreign": ("foreign",),
    "margin": ("margin",),
    "target": ("target",),
}
"""Inputs that a part may need beyond the two rewards, and the fields of `PairScores` with them."""


def nll(logit: Tensor) -> Tensor:
    """Return ℓ(x) = −log σ(x) in nats, elementwise; exact to rounding for |x| of 1e4 and more."""
    return softplus(-logit)


def param(default: Any, meaning: str) -> Any:
    """Declare a parameter of a part: its default and, for `trueward objectives`, its meaning."""
    return field(default=default, metadata={"help": meaning})


@dataclass(frozen=True)
class Term:
    """Output of a part for one batch: its value, metrics to log and state to keep."""

    value: Tensor
    metrics: Mapping[str, Tensor] = field(default_factory=dict)
    """Detached scalars by name, left on the device."""
    state: State = field(default_factory=dict)
    """Running statistics that the next call finds in its `state`."""


class Part(ABC):
    """One part of an objective: `register` makes it a frozen dataclass whose fields are its config.

    The first line of the docstring is the summary, the rest is shown by `trueward objectives NAME`.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    kind: ClassVar[str]
    name: ClassVar[str]
    summary: ClassVar[str]
    equation: ClassVar[str] = ""
    choose_when: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    needs: ClassVar[frozenset[str]] = frozenset()
    """Keys of `NEEDS` that the part needs with its default parameters."""
    batch_level: ClassVar[bool] = False
    """True if a pair's term depends on the other pairs of the batch."""

    @property
    def required(self) -> frozenset[str]:
        """`needs`, less those that the parameters of this instance switch off."""
        return self.needs

    def _require(self, parameter: str, valid: bool, expected: str) -> None:
        if not valid:
            value = getattr(self, parameter)
            raise ObjectiveError(f"{self.name}: {parameter} must be {expected}, got {value!r}")


class Preference(Part):
    """Loss of each pair as a function of its reward gap."""

    kind = "preference"
    requires_margin: ClassVar[bool] = False
    """True if the loss means nothing without a margin part."""

    @abstractmethod
    def __call__(self, gap: PairVector, batch: PairScores, state: State) -> Term:
        """Return the loss of each pair in nats, from the gap Δ′ = r⁺ − r⁻ − m in logits."""


class Margin(Part):
    """Distance in reward by which a chosen response must be ahead."""

    kind = "margin"

    @abstractmethod
    def __call__(self, batch: PairScores, state: State) -> Term:
        """Return the margin m of each pair in logits."""


class Penalty(Part):
    """Scalar added to the loss."""

    kind = "penalty"

    @abstractmethod
    def __call__(self, batch: PairScores, state: State) -> Term:
        """Return one non-negative scalar for the batch."""


PARTS: dict[str, type[Part]] = {}
"""Every registered part by name, in the order of registration."""

P = TypeVar("P", bound=Part)


@dataclass_transform(frozen_default=True, field_specifiers=(param,))
def register(name: str) -> Callable[[type[P]], type[P]]:
    """Make a class a frozen dataclass and a part that objective strings can name.

    The class subclasses `Preference`, `Margin` or `Penalty` and has a docstring. Registering a
    class again under its own name replaces it, so a notebook cell can be run twice.

    Raises:
        ObjectiveError: the name is taken or not a plain word, or the class is not a part.
    """

    def add(cls: type[P]) -> type[P]:
        _check(name, cls)
        summary = inspect.cleandoc(cls.__doc__ or "").split("\n")[0]
        part = dataclass(frozen=True)(cls)
        part.name, part.summary = name, summary
        PARTS[name] = part
        return part

    return add


def lookup(name: str) -> type[Part]:
    """Return the part of that name; ObjectiveError with the nearest names if there is none."""
    if name not in PARTS:
        raise ObjectiveError(f"unknown objective {name!r}; {nearest(name.lower(), list(PARTS))}")
    return PARTS[name]


def _check(name: str, cls: type[Part]) -> None:
    if not name.isidentifier():
        raise ObjectiveError(f"register({name!r}): use letters, digits and underscores")
    if not issubclass(cls, Preference | Margin | Penalty):
        raise ObjectiveError(
            f"register({name!r}): {cls.__name__} must subclass Preference, Margin or Penalty"
        )
    if not cls.__dict__.get("__doc__"):
        raise ObjectiveError(f"register({name!r}): {cls.__name__} needs a docstring")
    unknown = sorted(cls.needs - NEEDS.keys())
    if unknown:
        raise ObjectiveError(f"register({name!r}): needs {unknown}; {nearest('', list(NEEDS))}")
    old, new = (f"{c.__module__}.{c.__qualname__}" for c in (PARTS.get(name, cls), cls))
    if old != new:
        raise ObjectiveError(f"register({name!r}): the name is taken by {old}")
