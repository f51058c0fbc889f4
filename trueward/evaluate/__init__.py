"""Models judged on suites, and rewards of one's own rows: resumable, never overwritten.

`trueward.evaluate.diagnosis` diagnoses models.
"""

from trueward.evaluate.benchmarks import Evaluated, SuiteTask, evaluate, load_task
from trueward.evaluate.contamination import (
    Exposure,
    TrainingPrompts,
    exposures,
    known_prompts,
    recorded_prompts,
    training_prompts,
)
from trueward.evaluate.scoring import ScoredRows, model_digest, score_rows
from trueward.settings import ScoreSettings
from trueward.suites import compare_models

__all__ = [
    "Evaluated",
    "Exposure",
    "ScoreSettings",
    "ScoredRows",
    "SuiteTask",
    "TrainingPrompts",
    "compare_models",
    "evaluate",
    "exposures",
    "known_prompts",
    "load_task",
    "model_digest",
    "recorded_prompts",
    "score_rows",
    "training_prompts",
]
