"""What becomes of reward models' scores before a policy is trained on them; by default nothing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.errors import InputError

ENSEMBLES = ("mean", "worst", "uncertainty")
_EPSILON = 1e-8


@dataclass(frozen=True)
class Shaping:
    """The steps, in the order in which they are taken; every one is off by default.

    1. `center`: r_m ← r_m(x, y) − r_m(x, reference answer), each reward model m by itself.
    2. `ensemble`, of several models: `mean`; `worst` = min_m r_m; `uncertainty` = mean_m r_m −
       λ·var_m r_m, population variance. Models of different scales must be made alike first.
    3. `normalize`: (r − μ)/σ with the mean and standard deviation of all rewards seen so far.
    4. `clip`: r ← min(max(r, −clip), clip).

    RLOO and GRPO compare answers to one prompt, so a constant per prompt (1., and μ of 3.) cancels
    there unless 4. follows; PPO feels it. Source of 2.: Coste et al. (2024), Reward Model
    Ensembles Help Mitigate Overoptimization.

    Apart from these, `kl_target` makes the KL penalty's coefficient β follow the KL (`kl_control`).

    Raises:
        InputError: an unknown ensemble, a negative λ, or a bound, target or horizon not above 0.
    """

    center: bool = False
    ensemble: str = "mean"
    penalty: float = 0.5
    """λ of `uncertainty`, per logit."""
    normalize: bool = False
    clip: float | None = None
    kl_target: float | None = None
    """Nats an answer."""
    kl_horizon: float = 10_000.0
    """Answers over which β moves by the clipped error; TRL's former default."""

    def __post_init__(self) -> None:
        if self.ensemble not in ENSEMBLES:
            raise InputError(f"ensemble={self.ensemble!r} is unknown; valid: {ENSEMBLES}")
        if self.penalty < 0:
            raise InputError(f"penalty: expected λ of at least 0, got {self.penalty:g}")
        for name in ("clip", "kl_target", "kl_horizon"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise InputError(f"{name}: expected a number above 0, got {value:g}")


@dataclass(frozen=True)
class Moments:
    """Count, mean and sum of squared deviations of all rewards seen so far."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def with_batch(self, rewards: Float[ndarray, " batch"]) -> "Moments":
        """These and a batch's, joined without cancellation (Chan, Golub & LeVeque, 1983)."""
        if not rewards.size:
            return self
        count = self.count + rewards.size
        shift = float(rewards.mean()) - self.mean
        squares = float(((rewards - rewards.mean()) ** 2).sum())
        return Moments(
            count,
            self.mean + shift * rewards.size / count,
            self.squares + squares + shift**2 * self.count * rewards.size / count,
        )

    @property
    def std(self) -> float:
        """Population standard deviation; 1 before two different rewards were seen."""
        std = (self.squares / self.count) ** 0.5 if self.count else 0.0
        return std if std > _EPSILON else 1.0


def combine(scores: Float[ndarray, "models batch"], shaping: Shaping) -> Float[ndarray, " batch"]:
    """One reward an answer from those of all models (step 2)."""
    if shaping.ensemble == "worst":
        return np.asarray(scores.min(axis=0))
    mean = scores.mean(axis=0)
    if shaping.ensemble == "uncertainty":
        return np.asarray(mean - shaping.penalty * scores.var(axis=0))
    return np.asarray(mean)


def rescale(
    rewards: Float[ndarray, " batch"], moments: Moments, shaping: Shaping
) -> Float[ndarray, " batch"]:
    """Steps 3 and 4, with moments that already know this batch."""
    if shaping.normalize:
        rewards = (rewards - moments.mean) / moments.std
    return rewards if shaping.clip is None else np.clip(rewards, -shaping.clip, shaping.clip)
