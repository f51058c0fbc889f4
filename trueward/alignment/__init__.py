"""A policy against a reward model: best-of-n curves, their peak, and best-of-n selection."""

from trueward.alignment.chosen_rows import select_rows
from trueward.alignment.curves import BestOfN, Curve, Gap, best_of_n_curves
from trueward.alignment.document import check_document, document, notices, write_document
from trueward.alignment.peaks import Peak
from trueward.alignment.policy import Policy, SamplingSettings
from trueward.alignment.samples import Sampler
from trueward.alignment.scored_prompts import ScoredPrompts, join_rewards, read_scores
from trueward.alignment.sources import (
    Judged,
    Responses,
    WorldSource,
    check_models,
    check_outputs,
    judge_responses,
    response_rows,
)

__all__ = [
    "BestOfN",
    "Curve",
    "Gap",
    "Judged",
    "Peak",
    "Policy",
    "Responses",
    "Sampler",
    "SamplingSettings",
    "ScoredPrompts",
    "WorldSource",
    "best_of_n_curves",
    "check_document",
    "check_models",
    "check_outputs",
    "document",
    "join_rewards",
    "judge_responses",
    "notices",
    "read_scores",
    "response_rows",
    "select_rows",
    "write_document",
]
