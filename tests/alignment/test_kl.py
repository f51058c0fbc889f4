import math

import numpy as np
import pytest
import torch

from trueward.alignment.token_math import k1, k3, over_answers

POLICY, REFERENCE = np.array([0.5, 0.3, 0.2]), np.array([0.25, 0.25, 0.5])


def test_by_hand():
    ratio = torch.tensor([[math.log(2.0), 0.0], [-math.log(4.0), 9.0]])
    assert torch.equal(k1(ratio), ratio)
    expected = [[0.5 - 1 + math.log(2), 0.0], [4 - 1 - math.log(4), math.exp(-9) - 1 + 9]]
    assert k3(ratio).tolist() == [pytest.approx(row) for row in expected]
    mask = torch.tensor([[True, True], [True, False]])
    assert over_answers(k1(ratio), mask) == pytest.approx((math.log(2) - math.log(4)) / 2)


@pytest.mark.parametrize("estimator", [k1, k3])
def test_unbiased(estimator):
    """Weighted by the policy's own chances, each estimator is the KL divergence exactly."""
    exact = float((POLICY * np.log(POLICY / REFERENCE)).sum())
    ratio = torch.tensor(np.log(POLICY / REFERENCE))[None]
    assert float((estimator(ratio) @ torch.tensor(POLICY)).item()) == pytest.approx(exact)


def test_k3_is_never_negative_and_keeps_small_values():
    ratio = torch.linspace(-3, 3, 101)[None]
    assert bool((k3(ratio) >= 0).all())
    tiny = torch.tensor([[1e-6]], dtype=torch.float64)
    assert float(k3(tiny)) == pytest.approx(5e-13, rel=1e-3)
