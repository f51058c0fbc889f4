"""Every model against the first on the same sets, paired by prompt."""

from collections.abc import Mapping
from typing import Any

from trueward.errors import DataError
from trueward.evaluate.diagnosis.scored import ScoredSet
from trueward.evaluate.diagnosis.sets import TRAIN
from trueward.metrics import kendall_per_prompt, pair_accuracy
from trueward.results import RunResult, Scores
from trueward.stats import compare


def compared(models: Mapping[str, Mapping[str, ScoredSet]]) -> dict[str, Any] | None:
    """Accuracy and τ of every set, and differences to the first model's, with intervals.

    A `Comparison` as plain containers, models in the place of objectives, one seed;
    Holm's correction runs over the models of one metric. None where no set has pairs or scores.
    """
    runs = [
        RunResult(objective=label, label=label, seed=0, seconds=0.0, steps=0, scores=_scores(sets))
        for label, sets in models.items()
    ]
    return compare(runs, next(iter(models))).to_dict() if runs[0].scores else None


def _scores(sets: Mapping[str, ScoredSet]) -> dict[str, Scores]:
    found = {}
    for name, one in sets.items():
        if name == TRAIN:
            continue
        try:
            pairs = one.pairs
            right = pair_accuracy(pairs.chosen, pairs.rejected).tolist()
            found[f"accuracy_{name}"] = Scores(right, pairs.units)
        except DataError:
            pass  # no pairs: the set's own block says so
        places = [i for i, q in enumerate(one.questions) if q.gold and len(q.gold) > 2]
        if places:
            gold = [list(one.questions[i].gold or ()) for i in places]
            taus = kendall_per_prompt([one.rows[i]["rewards"] for i in places], gold)
            found[f"tau_{name}"] = Scores(taus, [one.questions[i].unit for i in places])
    return found
