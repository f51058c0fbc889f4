"""Judges: accuracy, Kendall's τ, bootstrap intervals and comparisons; arrays in, numbers out."""

from trueward.evals.accuracy import pair_accuracy
from trueward.evals.bootstrap import Estimate, bootstrap_mean
from trueward.evals.compare import compare
from trueward.evals.comparison import Comparison, Difference, Entry
from trueward.evals.metrics import METRICS, Metric, metric
from trueward.evals.rank import kendall_per_prompt
from trueward.evals.run_result import RunResult, Scores, load_run_result, save_run_result
from trueward.evals.speed import steps_to_accuracy
from trueward.evals.study_results import (
    StudyResults,
    load_study_results,
    save_study_results,
    summarise,
)

__all__ = [
    "METRICS",
    "Comparison",
    "Difference",
    "Entry",
    "Estimate",
    "Metric",
    "RunResult",
    "Scores",
    "StudyResults",
    "bootstrap_mean",
    "compare",
    "kendall_per_prompt",
    "load_run_result",
    "load_study_results",
    "metric",
    "pair_accuracy",
    "save_run_result",
    "save_study_results",
    "steps_to_accuracy",
    "summarise",
]
