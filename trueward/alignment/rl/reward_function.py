"""Our scorer as the reward function of TRL's trainers."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from accelerate.utils import gather_object
from jaxtyping import Float
from numpy import ndarray

from trueward.alignment.rl.shaping import Moments, Shaping, combine, rescale
from trueward.errors import DataError, InputError, ModelError, RunError
from trueward.files import write_json
from trueward.scorer import Scorer
from trueward.types import Turns

BATCH_FILE = "offending_batch.json"
REFERENCE = "reference"
"""The data set's column with the answer that centring compares with."""


class RewardFunction:
    """`(prompts, completions, completion_ids, **columns) -> list[float]`, as TRL calls it.

    Text goes from the policy to the reward model, never token ids, so their tokenizers may differ.
    Prompts and completions are both text, or both messages; the scorer puts them in the reward
    model's own template, at its own length limit. It remembers the last batch, so that a batch
    which spoils the run can be saved.

    Args:
        scorers: One reward model, or the members of an ensemble.
        shaping: What is done to their scores; nothing by default.
        folder: Where a batch with a reward that is no number is saved.

    Raises:
        InputError: no reward model at all.
    """

    __name__ = "trueward"

    def __init__(
        self,
        scorers: Sequence[Scorer],
        shaping: Shaping | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        if not scorers:
            raise InputError("expected at least one reward model, got none")
        self.scorers = tuple(scorers)
        self.shaping = shaping or Shaping()
        self.folder = folder
        self.moments = Moments()
        self.batch: dict[str, Any] = {}
        self._references: dict[str, Float[ndarray, " models"]] = {}

    def __call__(
        self,
        prompts: Sequence[Turns],
        completions: Sequence[Turns],
        completion_ids: Sequence[Sequence[int]] | None = None,
        **columns: Any,
    ) -> list[float]:
        """One shaped reward a completion, in logits unless normalised.

        Raises:
            DataError: centring without a `reference` column, or a sequence over the limit.
            RunError: a reward is not a number; the batch lies in `offending_batch.json`.
        """
        self.batch = {"prompts": list(prompts), "completions": list(completions)}
        scores = self.score(prompts, completions)
        if self.shaping.center:
            scores = scores - self._reference_scores(prompts, columns.get(REFERENCE))
        rewards = combine(scores, self.shaping)
        if self.shaping.normalize:
            self.moments = self.moments.with_batch(np.asarray(_of_all_ranks(rewards.tolist())))
        shaped = rescale(rewards, self.moments, self.shaping)
        self.batch |= {"scores": scores.tolist(), "rewards": shaped.tolist()}
        return shaped.tolist()

    def score(
        self, prompts: Sequence[Turns], completions: Sequence[Turns]
    ) -> Float[ndarray, "models batch"]:
        """Each model's own scores, unshaped. Raises as the call."""
        try:
            scores = [scorer.score(prompts, completions) for scorer in self.scorers]
        except ModelError as error:
            raise RunError(f"{error}{self.save_batch()}") from error
        return np.asarray(scores, dtype=np.float64)

    def state(self) -> dict[str, float]:
        """What a checkpoint must hold to go on exactly."""
        return asdict(self.moments)

    def restore(self, state: dict[str, Any]) -> None:
        """Take up a checkpoint's state."""
        self.moments = Moments(**state)

    def save_batch(self) -> str:
        """Save the last batch; the end of an error message that says where."""
        if self.folder is None:
            return ""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.batch, self.folder / BATCH_FILE)
        return f"; the batch is in {self.folder / BATCH_FILE}"

    def _reference_scores(
        self, prompts: Sequence[Turns], references: Sequence[Turns] | None
    ) -> Float[ndarray, "models batch"]:
        if references is None or any(r is None for r in references):
            raise DataError(
                f"centring needs the column {REFERENCE!r} with an answer to every prompt; add it, "
                "or leave centring off"
            )
        names = [repr(pair) for pair in zip(prompts, references, strict=True)]
        new = {name: i for i, name in enumerate(names) if name not in self._references}
        if new:
            rows = list(new.values())
            found = self.score([prompts[i] for i in rows], [references[i] for i in rows])
            self._references |= dict(zip(new, found.T, strict=True))
        return np.stack([self._references[name] for name in names], axis=1)


def reward_function(
    scorers: Scorer | Sequence[Scorer],
    shaping: Shaping | None = None,
    *,
    folder: Path | None = None,
) -> RewardFunction:
    """A reward model, or several, as a TRL reward function: `RLOOTrainer(reward_funcs=…)`."""
    several = [scorers] if isinstance(scorers, Scorer) else scorers
    return RewardFunction(several, shaping, folder=folder)


def _of_all_ranks(values: list[float]) -> list[float]:
    return gather_object(values) if PartialState().num_processes > 1 else values
