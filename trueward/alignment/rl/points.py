"""One look at a policy on held-out prompts: rewards, distance, length, entropy, norms."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trueward.alignment.rl.kl import k1, k3, over_answers
from trueward.alignment.rl.samples import Samples
from trueward.alignment.rl.shaping import Shaping, combine
from trueward.errors import DataError, RunError
from trueward.scorer import Rewards, Scorer
from trueward.types import Turns

Gold = Callable[[Sequence[Turns], Sequence[Turns]], list[float]]
"""The true score of answers to prompts, where it is known."""
CENTRAL = (0.01, 0.99)


@dataclass(frozen=True)
class NormRange:
    """Where ‖h‖ of the reward model usually lies: the central 98 % of some sequences.

    ‖h‖ is taken before the backbone's final norm where there is one, which would pin it.
    """

    low: float
    high: float
    source: str
    """`training data`, or `starting policy` where no data was named."""


@dataclass(frozen=True)
class Point:
    """What was measured at one step; means over the watched prompts."""

    step: int
    proxy: float
    """The reward that is optimised: ensemble combined, before centring, scaling and clipping."""
    gold: float | None
    kl_k1: float
    kl_k3: float
    """KL to the reference, in nats an answer."""
    length: float
    """Tokens an answer."""
    entropy: float
    """Nats a token."""
    truncated: float
    """Share of answers that ended at the length limit."""
    norm: float
    """‖h‖ of the first reward model."""
    norm_outside: float
    """Share of answers whose ‖h‖ is outside the usual range."""
    proxy_each: tuple[float, ...]
    gold_each: tuple[float, ...]
    """One a prompt, in the same order at every step; no gold: empty."""
    beta: float | None = None
    """Coefficient of the KL penalty at this step, where a trainer has one."""

    @property
    def distance(self) -> float:
        """√KL by k3, the d of over-optimization curves."""
        return self.kl_k3**0.5


def measure(
    step: int,
    prompts: Sequence[Turns],
    samples: Samples,
    scorers: Sequence[Scorer],
    shaping: Shaping,
    gold: Gold | None,
    usual: NormRange | None,
) -> tuple[Point, NormRange]:
    """The point of these samples, and the range of norms: the one given, or these samples' own.

    Raises:
        DataError: an answer that a reward model or the gold cannot score.
        RunError: a gold score is not a number.
    """
    read = [s.read_groups(prompts, [[c] for c in samples.completions]) for s in scorers]
    proxies = combine(np.stack([r.values.double().numpy() for r in read]), shaping)
    golds = gold(prompts, samples.completions) if gold else []
    if not np.isfinite(golds).all():
        raise RunError(f"step {step}: the gold of a watched answer is not a number: {golds}")
    norms = norms_of(read[0])
    usual = usual or norm_range(norms, "starting policy")
    ratio = samples.logps - samples.reference_logps
    tokens = samples.mask.sum()
    return Point(
        step=step,
        proxy=float(proxies.mean()),
        gold=float(np.mean(golds)) if golds else None,
        kl_k1=over_answers(k1(ratio), samples.mask),
        kl_k3=over_answers(k3(ratio), samples.mask),
        length=float(tokens / len(samples.completions)),
        entropy=float(samples.entropy.masked_fill(~samples.mask, 0.0).sum() / tokens),
        truncated=float(np.mean(samples.truncated)),
        norm=float(norms.mean()),
        norm_outside=float(np.mean((norms < usual.low) | (norms > usual.high))),
        proxy_each=tuple(proxies.tolist()),
        gold_each=tuple(golds),
    ), usual


def norms_of(read: Rewards) -> Float[ndarray, " responses"]:
    """‖h‖ of each response, before the final norm where there is one."""
    hidden = read.hidden if read.before_norm is None else read.before_norm
    return np.linalg.norm(hidden.double().numpy(), axis=1)


def norm_range(norms: Float[ndarray, " responses"], source: str) -> NormRange:
    """The central 98 % of these norms.

    Raises:
        DataError: fewer than ten norms, too few for a range.
    """
    if norms.size < 10:
        raise DataError(
            f"the range of reward-model norms needs at least 10 sequences, got {norms.size}; "
            "watch more prompts, or name more rows"
        )
    low, high = np.quantile(norms, CENTRAL)
    return NormRange(float(low), float(high), source)
