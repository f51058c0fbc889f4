"""How edits that should not decide move the reward."""

from trueward.diagnostics import EDITS, Edited, edit_profile, scale_control
from trueward.errors import DataError
from trueward.evaluate.diagnosis.basics import Block
from trueward.evaluate.diagnosis.scored import NOT_PROBED, ScoredSet, interval
from trueward.evaluate.diagnosis.variants import starting_point


def edits(one: ScoredSet, reference: ScoredSet | None) -> Block:
    """How edits that should not decide move the reward; against a reference where there is one."""
    if not one.scored.probed:
        raise DataError(NOT_PROBED)
    if not any(row["edits"] for row in one.rows):
        raise DataError("responses that are text; none here could be edited")
    if reference is None:
        margins, texts = one.pairs.margins, _edited(one, one, None)
        profile = edit_profile(margins, margins, texts, texts)
        found = {
            name: _family(name) | {"responses": effect.responses, "shift": effect.shift}
            for name, effect in profile.edits.items()
        }
        return {"margin": profile.reference_margin, "reference": None, "edits": found}
    judged, fitted = one.halves()
    mine, theirs = one.pairs.margins, reference.pairs.margins
    half = one.judged()
    after, after0 = _edited(one, reference, half), _edited(reference, one, half)
    scale = scale_control(mine[fitted], theirs[fitted])
    kept, plain = (
        edit_profile(mine[judged], theirs[judged], after, after0, scale=c) for c in (scale, 1.0)
    )
    units = [unit for unit, yes in zip(one.pairs.units, judged, strict=True) if yes]
    found = {
        name: _family(name)
        | {
            "responses": effect.responses,
            "shift": effect.shift,
            "reference_shift": effect.reference_shift,
            "attenuation": interval(
                effect.per_response,
                [one.questions[i].unit for i in _edited_places(one, reference, name, half)],
            ),
            "attenuation_unscaled": plain.edits[name].attenuation,
        }
        for name, effect in kept.edits.items()
    }
    return {
        "margin": kept.reference_margin,
        "reference": {
            "scale": scale,
            "fitted_on": int(fitted.sum()),
            "retention": interval(kept.per_pair, units),
            "retention_unscaled": plain.retention,
        },
        "edits": found,
    }


def _edited(one: ScoredSet, other: ScoredSet, half: frozenset[str] | None) -> dict[str, Edited]:
    """Rewards before and after each edit, of the responses that both have."""
    found = {}
    for name in EDITS:
        places = _edited_places(one, other, name, half)
        if places:
            before = [one.rows[i]["rewards"][starting_point(one.questions[i])] for i in places]
            found[name] = Edited(before, [one.rows[i]["edits"][name] for i in places])
    return found


def _edited_places(
    one: ScoredSet, other: ScoredSet, name: str, half: frozenset[str] | None
) -> list[int]:
    return [
        i
        for i, question in enumerate(one.questions)
        if name in one.rows[i]["edits"]
        and name in other.rows[i]["edits"]
        and (half is None or question.unit in half)
    ]


def _family(name: str) -> Block:
    return {"family": EDITS[name].family}
