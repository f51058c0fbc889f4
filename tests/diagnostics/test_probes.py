import math

import numpy as np
import pytest
from scipy.stats import percentileofscore

from trueward.diagnostics import PROBES, probe_results
from trueward.errors import DataError

PROMPT = "Write a short poem about the river, and about the Sea."
RESPONSE = "The river runs. It runs to the sea! Does it 3.5 times?"


def test_probes_are_what_they_say():
    probe = {name: make(PROMPT, RESPONSE) for name, make in PROBES.items()}
    assert probe["echo"] == PROMPT
    assert probe["empty"] == "."
    assert probe["repeated"] == " ".join(["The river runs."] * 10)
    assert probe["keywords"] == "Write, short, poem, about, river."
    assert probe["constant"] == PROBES["constant"]("another prompt", "another response")


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize(("prompt", "response"), [("", ""), ("a b c", " \n "), ("Hi", "no stop")])
def test_probes_take_any_text(name, prompt, response):
    assert isinstance(PROBES[name](prompt, response), str)


def test_repeated_text_without_a_stop_or_with_decimals():
    assert PROBES["repeated"]("", "no stop") == " ".join(["no stop"] * 10)
    assert PROBES["repeated"]("", "Pi is 3.14 or so. Yes.").startswith("Pi is 3.14 or so. Pi is")


def test_by_hand():
    real = [[1.0, 2.0, 3.0], [0.0, 0.0], [5.0]]
    result = probe_results({"echo": [2.0, 1.0, 5.0], "empty": [0.0, 0.0, 6.0]}, real)
    assert list(result["echo"].quantile_per_prompt) == pytest.approx([0.5, 1.0, 0.5])
    assert list(result["echo"].beats_all_per_prompt) == [0, 1, 0]
    assert result["echo"].quantile == pytest.approx(2 / 3)
    assert result["echo"].beats_all == pytest.approx(1 / 3)
    assert list(result["empty"].quantile_per_prompt) == [0.0, 0.5, 1.0]
    assert result["empty"].n == 3


def test_quantile_against_scipy():
    rng = np.random.default_rng(0)
    real = rng.integers(0, 6, (30, 8)).astype(float)
    probe = rng.integers(0, 6, 30).astype(float)
    result = probe_results({"constant": probe}, real)["constant"]
    expected = [
        percentileofscore(row, p, kind="mean") / 100 for row, p in zip(real, probe, strict=True)
    ]
    assert list(result.quantile_per_prompt) == pytest.approx(expected)
    assert result.beats_all == pytest.approx((probe[:, None] > real).all(1).mean())


def test_bad_input():
    with pytest.raises(DataError, match="echo: got 1 rewards and real responses for 2 prompts"):
        probe_results({"echo": [1.0]}, [[1.0], [2.0]])
    with pytest.raises(DataError, match="prompt 1: expected rewards as one row"):
        probe_results({"echo": [1.0, 1.0]}, [[1.0], []])
    with pytest.raises(DataError, match="probe echo: 1 of 1 rewards are not finite"):
        probe_results({"echo": [math.nan]}, [[1.0]])
    with pytest.raises(DataError, match="no prompts"):
        probe_results({"echo": [1.0]}, [])
