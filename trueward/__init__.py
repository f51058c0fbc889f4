"""Trueward: train, prove, compare and serve robust reward models.

Names are imported when they are first used, so `import trueward` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueward.objectives import Objective, objective, register
    from trueward.scorer import Scorer
    from trueward.training import RewardConfig, RewardTrainer
    from trueward.types import ObjectiveOutput, PairScores, Scenarios

__version__ = "0.1.0"

_HOME = {
    "Objective": "trueward.objectives",
    "ObjectiveOutput": "trueward.types",
    "PairScores": "trueward.types",
    "RewardConfig": "trueward.training",
    "RewardTrainer": "trueward.training",
    "Scenarios": "trueward.types",
    "Scorer": "trueward.scorer",
    "objective": "trueward.objectives",
    "register": "trueward.objectives",
}

__all__ = [
    "Objective",
    "ObjectiveOutput",
    "PairScores",
    "RewardConfig",
    "RewardTrainer",
    "Scenarios",
    "Scorer",
    "__version__",
    "objective",
    "register",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'trueward' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
