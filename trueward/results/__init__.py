"""Result documents: typed, with one way to read them and one to write them."""

from trueward.results.study import (
    Comparison,
    Difference,
    Entry,
    RunResult,
    Scores,
    StudyResults,
    load_run_result,
    load_study_results,
    save_run_result,
    save_study_results,
)

__all__ = [
    "Comparison",
    "Difference",
    "Entry",
    "RunResult",
    "Scores",
    "StudyResults",
    "load_run_result",
    "load_study_results",
    "save_run_result",
    "save_study_results",
]
