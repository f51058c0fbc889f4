"""A policy trained on our reward models by TRL's trainers, watched against over-optimization."""

from trueward.alignment.rl.alarms import Alarm, alarms
from trueward.alignment.rl.remote import RemoteReward
from trueward.alignment.rl.reward_function import RewardFunction, reward_function
from trueward.alignment.rl.run import align
from trueward.alignment.rl.settings import AlignSettings
from trueward.alignment.rl.shaping import Shaping
from trueward.alignment.rl.watch import Watch, Watched

__all__ = [
    "Alarm",
    "AlignSettings",
    "RemoteReward",
    "RewardFunction",
    "Shaping",
    "Watch",
    "Watched",
    "alarms",
    "align",
    "reward_function",
]
