"""Edit profile: does the model keep its margins and yet move less under edits than a reference?

    d = r(x, y⁺) − r(x, y⁻) of clean pairs,  b(e) = r(x, e(y)) − r(x, y),  subscript 0: reference
    c = E|d|/E|d₀| on calibration prompts,   s₀ = E|d₀|
    retention   = 1 + E[|d| − c|d₀|] / (c s₀)
    attenuation = E[c|b₀(e)| − |b(e)|] / (c s₀)

With c = 1 these are retention and attenuation as such: a model that merely shrinks all rewards by
c then seems to attenuate every edit by 1 − c of its effect. With c measured, it shows retention 1
and attenuation 0, as it should. How to read it: attenuation is how much less the model moves under
an edit than the reference, in clean margins of the reference; below 0 it moves more. Healthy:
retention near 1 and attenuation above 0 for length, sentiment, agreement and presentation.
Truncation removes content, so some movement under it is right. How the scale c enters the two
equations is this project's choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trueward.diagnostics.columns import columns
from trueward.errors import DataError, InputError


@dataclass(frozen=True)
class Edited:
    """Rewards of the same responses before and after one edit, in logits."""

    before: ArrayLike
    after: ArrayLike


@dataclass(frozen=True)
class EditEffect:
    """What one edit does to the model and to the reference."""

    attenuation: float
    shift: float
    """E[b(e)]/(c s₀), signed: above 0 where the edit is rewarded."""
    reference_shift: float
    """E[b₀(e)]/s₀."""
    responses: int
    per_response: Sequence[float]
    """What attenuation is the mean of."""


@dataclass(frozen=True)
class EditProfile:
    """Retention of clean margins and the effect of each edit."""

    retention: float
    edits: Mapping[str, EditEffect]
    scale: float
    reference_margin: float
    """s₀, in logits."""
    pairs: int
    per_pair: Sequence[float]
    """What retention is the mean of."""


def scale_control(margins: ArrayLike, reference_margins: ArrayLike) -> float:
    """C = E|d|/E|d₀| over clean margins of calibration pairs, which no profile is taken on.

    Raises:
        DataError: if the two differ in length or are empty, a number is not finite, or either
            side's margins are all 0.
    """
    d, d0 = _margins(margins, reference_margins)
    if not d.any():
        raise DataError("edit profile: the model's margins are all 0; it has no scale to control")
    return float(np.abs(d).mean() / np.abs(d0).mean())


def edit_profile(
    margins: ArrayLike,
    reference_margins: ArrayLike,
    edits: Mapping[str, Edited],
    reference_edits: Mapping[str, Edited],
    *,
    scale: float = 1.0,
) -> EditProfile:
    """Retention, and attenuation of every edit.

    Args:
        margins: of the model on clean pairs, in logits.
        reference_margins: of the reference on the same pairs.
        edits: by edit's name, the model's rewards before and after it.
        reference_edits: the reference's, of the same responses.
        scale: c, from `scale_control`; 1 controls for nothing.

    Raises:
        DataError: if what belongs together differs in length or in names, is empty or not finite,
            or the reference's margins are all 0.
        InputError: if the scale is not above 0.
    """
    if not 0 < scale < np.inf:
        raise InputError(f"edit profile: the scale must be finite and above 0, got {scale}")
    if edits.keys() != reference_edits.keys():
        raise DataError(
            f"edit profile: got edits {sorted(edits)} of the model and {sorted(reference_edits)} "
            "of the reference; give both for every edit"
        )
    d, d0 = _margins(margins, reference_margins)
    unit = float(np.abs(d0).mean())
    kept = 1 + (np.abs(d) / scale - np.abs(d0)) / unit
    return EditProfile(
        retention=float(kept.mean()),
        edits={
            name: _effect(name, one, reference_edits[name], scale, unit)
            for name, one in edits.items()
        },
        scale=scale,
        reference_margin=unit,
        pairs=d.size,
        per_pair=kept.tolist(),
    )


def _effect(name: str, model: Edited, reference: Edited, scale: float, unit: float) -> EditEffect:
    before, after, before0, after0 = columns(
        f"edit profile, {name}",
        {
            "rewards before": model.before,
            "rewards after": model.after,
            "reference rewards before": reference.before,
            "reference rewards after": reference.after,
        },
    )
    b, b0 = (after - before) / (scale * unit), (after0 - before0) / unit
    spared = np.abs(b0) - np.abs(b)
    return EditEffect(
        attenuation=float(spared.mean()),
        shift=float(b.mean()),
        reference_shift=float(b0.mean()),
        responses=b.size,
        per_response=spared.tolist(),
    )


def _margins(margins: ArrayLike, reference_margins: ArrayLike) -> tuple[np.ndarray, ...]:
    both = columns("edit profile", {"margins": margins, "reference margins": reference_margins})
    if not both[1].any():
        raise DataError(
            "edit profile: the reference's margins are all 0; choose a reference that ranks pairs"
        )
    return both
