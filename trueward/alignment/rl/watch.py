"""A callback that looks at held-out prompts during training and keeps the best policy."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from transformers import TrainerCallback

from trueward.alignment.rl.alarms import Alarm, alarms, best
from trueward.alignment.rl.points import Gold, NormRange, Point, measure
from trueward.alignment.rl.samples import Draw
from trueward.alignment.rl.shaping import Shaping
from trueward.scorer import Scorer
from trueward.types import Turns


@dataclass(frozen=True)
class Watched:
    """What is looked at, how often, and what an alarm does."""

    prompts: Sequence[Turns]
    scorers: Sequence[Scorer]
    shaping: Shaping
    gold: Gold | None
    every: int
    """Optimiser steps between looks; there is one before training too."""
    seed: int
    stop: bool
    """Whether the first alarm ends training."""


@dataclass
class Watch(TrainerCallback):
    """Looks before training, every so many steps and at the end; the answers drawn depend on the
    watch's seed and the policy alone, so training is the same with and without it.

    Over several ranks every rank draws, and the first one's numbers count for all.
    """

    watched: Watched
    draw: Draw | None = None
    """Set once the trainer is there."""
    keep: Callable[[], object] = lambda: None
    """Saves the policy as the best so far; called on every rank."""
    changed: Callable[["Watch"], object] = lambda watch: None
    """Called after each look, to write results."""
    usual: NormRange | None = None
    points: list[Point] = field(default_factory=list)
    beta: Callable[[], float | None] = lambda: None
    """The KL penalty's coefficient now."""
    seconds: float = 0.0

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """What the looks so far give reason for."""
        return alarms(self.points)

    @property
    def stopped(self) -> bool:
        """Whether an alarm ended training, or ends it now."""
        return self.watched.stop and bool(self.alarms)

    def look(self, step: int) -> bool:
        """Look at the policy now, unless this step was looked at; whether training should stop."""
        if not self.points or self.points[-1].step < step:
            begin = time.perf_counter()
            self._add(step)
            self.seconds += time.perf_counter() - begin
            if best(self.points) is self.points[-1]:
                self.keep()
            self.changed(self)
        return self.stopped

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look at the policy as it starts; one that goes on was looked at before."""
        if not self.points:
            control.should_training_stop |= self.look(state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Look every so many steps."""
        if state.global_step % self.watched.every == 0:
            control.should_training_stop |= self.look(state.global_step)

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold to go on exactly."""
        usual = asdict(self.usual) if self.usual else None
        return {
            "points": [asdict(point) for point in self.points],
            "usual": usual,
            "seconds": self.seconds,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        self.points = [Point(**_tuples(point)) for point in state["points"]]
        self.usual = NormRange(**state["usual"]) if state["usual"] else None
        self.seconds = state["seconds"]

    def _add(self, step: int) -> None:
        assert self.draw is not None, "attach a trainer first"
        w = self.watched
        samples = self.draw(w.prompts, w.seed)
        point, usual = measure(step, w.prompts, samples, w.scorers, w.shaping, w.gold, self.usual)
        if PartialState().num_processes > 1:
            point, usual = broadcast_object_list([point, usual])
        self.points.append(replace(point, beta=self.beta()))
        self.usual = usual


def _tuples(point: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(v) if isinstance(v, list) else v for name, v in point.items()}
