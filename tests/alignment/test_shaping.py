import numpy as np
import pytest

from trueward.alignment import Shaping
from trueward.alignment.reward_function import RewardMoments, combine, rescale
from trueward.errors import InputError

SCORES = np.random.default_rng(0).normal(3, 2, (3, 20))


def test_nothing_is_done_by_default():
    rewards = combine(SCORES[:1], Shaping())
    assert rescale(rewards, RewardMoments(), Shaping()).tolist() == SCORES[0].tolist()


def test_ensembles_by_hand():
    scores = np.array([[1.0, 4.0], [3.0, -2.0]])
    assert combine(scores, Shaping()).tolist() == [2.0, 1.0]
    assert combine(scores, Shaping(ensemble="worst")).tolist() == [1.0, -2.0]
    # variances over the two models: 1 and 9
    uncertain = Shaping(ensemble="uncertainty", penalty=0.5)
    assert combine(scores, uncertain).tolist() == [1.5, -3.5]


def test_moments_of_batches_are_those_of_all_rewards():
    rewards = np.random.default_rng(1).normal(1e6, 1.0, 50)
    moments = RewardMoments()
    for batch in np.split(rewards, [1, 4, 30]):
        moments = moments.with_batch(batch)
    assert moments.count == 50
    assert moments.mean == pytest.approx(rewards.mean(), rel=1e-14)
    assert moments.std == pytest.approx(rewards.std(), rel=1e-9)


def test_normalisation_then_clipping():
    rewards = np.array([0.0, 2.0, 10.0])
    moments = RewardMoments().with_batch(rewards)
    shaping = Shaping(normalize=True, clip=1.0)
    expected = np.clip((rewards - rewards.mean()) / rewards.std(), -1, 1)
    assert rescale(rewards, moments, shaping) == pytest.approx(expected)


def test_rewards_all_alike_are_not_divided_by_nothing():
    moments = RewardMoments().with_batch(np.array([2.0, 2.0]))
    assert rescale(np.array([2.0, 2.5]), moments, Shaping(normalize=True)).tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    "wrong",
    [
        {"ensemble": "max"},
        {"penalty": -1.0},
        {"clip": 0.0},
        {"kl_target": 0.0},
        {"kl_target": float("nan")},
        {"kl_horizon": -1.0},
    ],
)
def test_what_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Shaping(**wrong)
