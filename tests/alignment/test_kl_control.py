"""β that follows the KL, against hand-worked numbers."""

from types import SimpleNamespace

import pytest

from trueward.alignment import Shaping
from trueward.alignment.callbacks import KlControl, check_beta, next_beta
from trueward.errors import InputError


@pytest.mark.parametrize(
    ("kl", "expected"),
    [
        (6.6, 0.05 * (1 + 0.1 * 64 / 1000)),  # 10 % above the target
        (5.7, 0.05 * (1 - 0.05 * 64 / 1000)),  # 5 % below
        (60.0, 0.05 * (1 + 0.2 * 64 / 1000)),  # far above: the error is clipped
        (-1.0, 0.05 * (1 - 0.2 * 64 / 1000)),  # k1 may be negative
    ],
)
def test_by_hand(kl, expected):
    assert next_beta(0.05, kl, 64, target=6.0, horizon=1000) == pytest.approx(expected, rel=1e-12)


def test_a_step_counts_the_answers_drawn_in_it():
    """Two draws of 8 answers: 0.5 and 0.7 nats a token, 9 and 11 tokens: 0.6 · 10 = 6 nats."""
    measured = {"kl": [9.0], "completions/mean_length": [99.0]}
    control = KlControl(Shaping(kl_target=5.0, kl_horizon=100.0))
    control.trainer = SimpleNamespace(beta=1.0, _metrics={"train": measured})
    args = SimpleNamespace(generation_batch_size=8)
    control.on_step_begin(args, None, None)
    measured["kl"] += [0.5, 0.7]
    measured["completions/mean_length"] += [9.0, 11.0]
    control.on_step_end(args, None, None)
    assert control.trainer.beta == pytest.approx(1 + 0.2 * 16 / 100)
    measured.clear()  # what was measured is logged between steps
    control.on_step_begin(args, None, None)
    control.on_step_end(args, None, None)  # a further pass over the same answers
    assert control.trainer.beta == pytest.approx(1.032)


def test_its_state_is_the_coefficient():
    control = KlControl(Shaping())
    control.trainer = SimpleNamespace(beta=0.07)
    state = control.state()
    control.trainer.beta = 0.0
    control.restore(state)
    assert control.trainer.beta == 0.07


def test_without_a_reference_there_is_nothing_to_adapt():
    check_beta(Shaping(), 0.0)
    check_beta(Shaping(kl_target=6.0), 0.05)
    with pytest.raises(InputError, match="first β above 0 to adapt, got 0; add --set beta"):
        check_beta(Shaping(kl_target=6.0), 0.0)
