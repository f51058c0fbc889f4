"""Models judged on suites, and rewards of one's own rows: resumable, never overwritten."""

from trueward.evals.suites import compare_models
from trueward.evaluation.contaminated import Exposure, TrainingPrompts, exposures
from trueward.evaluation.judging import Evaluated, evaluate
from trueward.evaluation.rewarded_rows import ScoredRows, score_rows
from trueward.evaluation.settings import ScoreSettings
from trueward.evaluation.tasks import Task, load_task
from trueward.evaluation.trained_on import known_prompts, recorded_prompts, training_prompts

__all__ = [
    "Evaluated",
    "Exposure",
    "ScoreSettings",
    "ScoredRows",
    "Task",
    "TrainingPrompts",
    "compare_models",
    "evaluate",
    "exposures",
    "known_prompts",
    "load_task",
    "recorded_prompts",
    "score_rows",
    "training_prompts",
]
