"""An objective: one preference loss, at most one margin, any number of penalties."""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from trueward.errors import ObjectiveError
from trueward.objectives.part import NEEDS, Margin, Part, Penalty, Preference, State, Term
from trueward.objectives.preferences import BradleyTerry
from trueward.types import ObjectiveOutput, PairScores, PairVector, Scalar

_NO_STATE: State = {}


@dataclass(frozen=True)
class Objective:
    """loss = Σ wᵢ·f(r⁺ᵢ − r⁻ᵢ − mᵢ) / Σ wᵢ + Σ penalties.

    f is the preference loss, m the margin (0 without one), w the pairs' weights (1 without
    them). Weights weigh the preference part alone: a margin or penalty sees each pair once.
    Everything is computed in float32 or wider, outside autocast. An objective holds no model, no
    tokenizer and no running state: what must be remembered goes in and comes out as a value.

    Raises:
        ObjectiveError: a part is given twice, or the preference loss lacks a margin it requires.
    """

    preference: Preference = field(default_factory=BradleyTerry)
    margin: Margin | None = None
    penalties: tuple[Penalty, ...] = ()
    """Kept in the order of their names, so that equal objectives compare and print the same."""

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.penalties, key=lambda part: part.name))
        object.__setattr__(self, "penalties", ordered)
        for name, times in Counter(part.name for part in self.parts).items():
            if times > 1:
                raise ObjectiveError(f"objective part {name!r} is given {times} times; keep one")
        if self.preference.requires_margin and self.margin is None:
            name = self.preference.name
            raise ObjectiveError(f"{name!r} has no margin of its own; use e.g. '{name} + aplot'")

    @property
    def parts(self) -> tuple[Part, ...]:
        """Preference, margin if there is one, penalties."""
        return (self.preference, *([self.margin] if self.margin else []), *self.penalties)

    @property
    def needs(self) -> frozenset[str]:
        """Inputs of the parts beyond the two rewards: a subset of the keys of `NEEDS`."""
        return frozenset().union(*(part.required for part in self.parts))

    @property
    def batch_level(self) -> bool:
        """True if the value of any part depends on which pairs share a batch."""
        return any(part.batch_level for part in self.parts)

    def __call__(self, scores: PairScores, state: State = _NO_STATE) -> ObjectiveOutput:
        """Return the loss of a batch, with its per-pair part, metrics and next state.

        `state` is the last call's `out.state`, or empty. An evaluation passes the training state
        in and drops what comes out.

        Raises:
            ObjectiveError: something the objective needs is missing, or the shapes disagree.
        """
        self._check(scores)
        with torch.autocast(scores.chosen.device.type, enabled=False):
            return self._evaluate(_at_least_float32(scores), state)

    def _evaluate(self, batch: PairScores, state: State) -> ObjectiveOutput:
        gap = batch.chosen - batch.rejected
        terms: list[Term] = []
        metrics: dict[str, Tensor] = {}
        if self.margin is not None:
            margin = self.margin(batch, state)
            gap = gap - _per_pair(self.margin, margin.value, gap)
            metrics["margin_mean"] = margin.value.detach().mean()
            terms.append(margin)
        preference = self.preference(gap, batch, state)
        per_pair = _per_pair(self.preference, preference.value, gap)
        mean = loss = _weighted_mean(per_pair, batch.weight)
        metrics["preference_loss"] = mean.detach()
        terms.append(preference)
        for part in self.penalties:
            penalty = part(batch, state)
            loss = loss + _scalar(part, penalty.value)
            metrics[f"{part.name}_penalty"] = penalty.value.detach()
            terms.append(penalty)
        return ObjectiveOutput(
            loss,
            per_pair,
            mean,
            {k: v for m in (metrics, *(t.metrics for t in terms)) for k, v in m.items()},
            {k: v for t in terms for k, v in t.state.items()},
        )

    def _check(self, scores: PairScores) -> None:
        chosen, rejected = scores.chosen, scores.rejected
        if chosen.ndim != 1 or chosen.shape != rejected.shape or not chosen.numel():
            raise ObjectiveError(
                "chosen and rejected must be vectors of one reward a pair, at least one pair; "
                f"got shapes {tuple(chosen.shape)} and {tuple(rejected.shape)}"
            )
        for need in sorted(self.needs):
            missing = [name for name in NEEDS[need] if getattr(scores, name) is None]
            if missing:
                raise ObjectiveError(
                    f"objective '{self}' needs {' and '.join(missing)}, which came as None; "
                    "set them in PairScores or leave the part out"
                )
        for item in fields(scores):
            value = getattr(scores, item.name)
            ndim = 2 if item.name.endswith("_hidden") else 1
            if value is not None and (value.ndim != ndim or len(value) != len(chosen)):
                raise ObjectiveError(
                    f"{item.name} has shape {tuple(value.shape)}; for {len(chosen)} pairs it must "
                    f"have {ndim} dimension(s), the first of {len(chosen)}"
                )

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return every part with every parameter as plain values; `objective` reads it back."""
        return {p.name: {f.name: getattr(p, f.name) for f in fields(p)} for p in self.parts}

    def __str__(self) -> str:
        """Return the shortest string that `objective` reads as this objective."""
        parts = self.parts
        if len(parts) > 1 and self.preference == BradleyTerry():
            parts = parts[1:]
        return " + ".join(_text(part) for part in parts)


def show(value: object) -> str:
    """Write a parameter value as an objective string has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(part: Part) -> str:
    changed = [
        f"{f.name}={show(getattr(part, f.name))}"
        for f in fields(part)
        if getattr(part, f.name) != f.default
    ]
    return f"{part.name}({', '.join(changed)})" if changed else part.name


def _per_pair(part: Part, value: Tensor, gap: PairVector) -> Tensor:
    if value.shape != gap.shape:
        raise ObjectiveError(
            f"{part.kind} {part.name!r} must return one value a pair, shape {tuple(gap.shape)}; "
            f"it returned {tuple(value.shape)}"
        )
    return value


def _scalar(part: Part, value: Tensor) -> Tensor:
    if value.ndim:
        raise ObjectiveError(
            f"penalty {part.name!r} must return a scalar; it returned shape {tuple(value.shape)}"
        )
    return value


def _at_least_float32(scores: PairScores) -> PairScores:
    """Return the same scores with half types cast up; float32 and float64 stay as they are."""
    present = {f.name: getattr(scores, f.name) for f in fields(scores)}
    given = {name: value for name, value in present.items() if value is not None}
    wide = {name: torch.promote_types(v.dtype, torch.float32) for name, v in given.items()}
    return replace(scores, **{name: value.to(wide[name]) for name, value in given.items()})


def _weighted_mean(values: PairVector, weight: PairVector | None) -> Scalar:
    """Return Σ w·v / Σ w, the mean if `weight` is None, and 0 if every weight is 0."""
    if weight is None:
        return values.mean()
    total = weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
    return (weight * values).sum() / total
