"""Models judged on suites, and rewards of one's own rows: resumable, never overwritten."""

from trueward.evaluate.contaminated import Exposure, TrainingPrompts, exposures
from trueward.evaluate.judging import Evaluated, evaluate
from trueward.evaluate.rewarded_rows import ScoredRows, score_rows
from trueward.evaluate.settings import ScoreSettings
from trueward.evaluate.tasks import Task, load_task
from trueward.evaluate.trained_on import known_prompts, recorded_prompts, training_prompts
from trueward.suites import compare_models

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
