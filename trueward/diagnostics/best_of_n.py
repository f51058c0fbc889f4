"""Best-of-n: what does taking the response with the highest reward bring in gold?

    R_n = Σ_{i=n..N} C(i−1, n−1)/C(N, n) · gold_(i),  samples sorted by proxy reward, ascending
    KL(n) = log n − (n − 1)/n, in nats, from the policy that wrote the samples

R_n is the mean, over all subsets of n of the N samples of a prompt, of the gold score of the one
that the proxy puts first: unbiased, and with less noise than drawing subsets. How to read it: R_1
is the policy as it is; R_n of the proxy itself always rises; where gold rises with it, the proxy
may be optimised that far. Healthy: gold still rises at the largest n that will be used. A peak
before it is over-optimization; `over_optimization` fits where. Values near n = N rest on few
subsets that nearly all share the same sample: keep n below about N/4 for narrow intervals.
Source: Gao, Schulman & Hilton (2023), Scaling Laws for Reward Model Overoptimization; Nakano et
al. (2021), WebGPT, for the estimator.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import gammaln

from trueward.diagnostics.columns import columns
from trueward.errors import DataError, InputError

_ROOM = 4_000_000
"""Most samples sorted at once."""


def best_of_n(
    proxy: Sequence[ArrayLike] | ndarray, gold: Sequence[ArrayLike] | ndarray, ns: ArrayLike
) -> Float[ndarray, "prompts ns"]:
    """R_n of every prompt for every n: means over prompts and intervals are the caller's.

    Samples that tie in proxy reward each count with the mean gold of those tied, so that the order
    they come in changes nothing.

    Args:
        proxy: for each prompt the rewards of its N samples; N may differ between prompts.
        gold: for each prompt the gold scores of the same samples; `proxy` again gives the reward
            that best-of-n seems to bring.
        ns: sizes, each from 1 to the smallest N.

    Raises:
        DataError: if prompts or samples differ in number or are missing, or a number is not finite.
        InputError: if a size is not within 1 and the smallest N.
    """
    sizes = _sizes(ns)
    rows = _rows(proxy, gold)
    counts = np.array([len(reward) for reward, _ in rows])
    if sizes.max() > counts.min():
        row = int(counts.argmin())
        raise InputError(
            f"best-of-n: n = {sizes.max()} needs as many samples of every prompt, and prompt {row} "
            f"has {counts[row]}; give smaller n or more samples"
        )
    values = np.empty((len(rows), sizes.size))
    for count in np.unique(counts):
        weights = _weights(int(count), sizes)
        same = np.flatnonzero(counts == count)
        for some in np.array_split(same, min(same.size, -(-same.size * count // _ROOM))):
            stacked = np.stack([rows[row] for row in some], axis=1)
            values[some] = _gold_by_proxy(stacked[0], stacked[1]) @ weights
    return values


def best_of_n_kl(ns: ArrayLike) -> Float[ndarray, " ns"]:
    """KL(n) = log n − (n − 1)/n, in nats: best-of-n from the policy it samples.

    Exact for continuous rewards; with ties an upper bound.

    Raises:
        InputError: if a size is below 1.
    """
    sizes = np.atleast_1d(np.asarray(ns, dtype=np.float64))
    if not sizes.size or not (sizes >= 1).all():
        raise InputError(f"best-of-n: expected sizes of at least 1, got {sizes.tolist()}")
    return np.log(sizes) - (sizes - 1) / sizes


def samples_for_kl(kl: float) -> float:
    """The n, not rounded, whose best-of-n has this KL: the inverse of `best_of_n_kl`.

    The root u = log n of u − 1 + exp(−u) = KL, which lies in [0, KL + 1]; inf above 700 nats.

    Raises:
        InputError: if the KL is below 0.
    """
    if not kl >= 0:
        raise InputError(f"best-of-n: KL is never below 0, got {kl}")
    if kl > 700:
        return math.inf
    # one more than the bound, where rounding would hide the change of sign
    return math.exp(brentq(lambda u: u + math.expm1(-u) - kl, 0, kl + 2))


def _sizes(ns: ArrayLike) -> Int[ndarray, " ns"]:
    sizes = np.asarray(ns)
    if sizes.ndim != 1 or not sizes.size or sizes.dtype.kind not in "iu" or sizes.min() < 1:
        raise InputError(f"best-of-n: expected sizes as whole numbers of at least 1, got {ns!r}")
    return sizes


def _rows(
    proxy: Sequence[ArrayLike] | ndarray, gold: Sequence[ArrayLike] | ndarray
) -> list[tuple[ndarray, ...]]:
    if len(proxy) != len(gold) or not len(proxy):
        raise DataError(
            f"best-of-n: got rewards for {len(proxy)} prompts and gold scores for {len(gold)}; "
            "give both for every prompt, and at least one prompt"
        )
    return [
        columns(f"best-of-n, prompt {row}", {"rewards": a, "gold scores": b})
        for row, (a, b) in enumerate(zip(proxy, gold, strict=True))
    ]


def _weights(samples: int, sizes: Int[ndarray, " ns"]) -> Float[ndarray, "samples ns"]:
    """C(i−1, n−1)/C(N, n) by log-gamma, made to sum to 1 as they must; 0 for i < n."""
    i, n = np.arange(1, samples + 1)[:, None], sizes[None, :]
    top = gammaln(i) - gammaln(n) - gammaln(np.maximum(i - n, 0) + 1)
    whole = gammaln(samples + 1) - gammaln(n + 1) - gammaln(samples - n + 1)
    weights = np.where(i >= n, np.exp(top - whole), 0.0)
    return np.asarray(weights / weights.sum(axis=0))


def _gold_by_proxy(
    proxy: Float[ndarray, "prompts samples"], gold: Float[ndarray, "prompts samples"]
) -> Float[ndarray, "prompts samples"]:
    """Gold in ascending order of proxy, each run of equal proxies replaced by its mean."""
    order = np.argsort(proxy, axis=1, kind="stable")
    proxy, gold = (np.take_along_axis(a, order, axis=1) for a in (proxy, gold))
    first = np.ones(proxy.shape, dtype=bool)
    first[:, 1:] = proxy[:, 1:] != proxy[:, :-1]
    run = np.cumsum(first.ravel()) - 1
    mean = np.bincount(run, weights=gold.ravel()) / np.bincount(run)
    return mean[run].reshape(gold.shape)
