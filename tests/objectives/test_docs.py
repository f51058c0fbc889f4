"""The examples of docs/objectives.md run, and its claims hold."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.pair_batches import random_batch

from trueward.objectives import APLOT, BSR, Objective, describe_all, objective, part

TEXT = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text()
CALL, OWN = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(YAML,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def test_the_call():
    names: dict = {}
    exec(CALL, names)
    assert names["out"].per_pair.shape == (16,)
    assert {"margin_mean", "transport_entropy", "reward_sum"} <= names["out"].metrics.keys()


def test_the_yaml():
    expected = Objective(margin=APLOT(omega=0.8), penalties=(BSR(weight=1e-3),))
    assert objective(yaml.safe_load(YAML)["objective"]) == expected


def test_ones_own_in_thirty_lines(monkeypatch):
    monkeypatch.setattr(part, "PARTS", dict(part.PARTS))
    assert len(OWN.splitlines()) <= 30
    names: dict = {"__name__": "docs"}
    exec(OWN, names)
    assert str(names["objective"]) == "cauchy(scale=2.0) + aplot + bsr"
    batch = random_batch(7)
    out = objective("cauchy(scale=2)")(batch.scores([], torch.float64))
    gap = batch.chosen - batch.rejected
    np.testing.assert_allclose(out.per_pair, -np.log(0.5 + np.arctan(gap / 2) / np.pi))


@pytest.mark.parametrize("name", [part.name for part in describe_all()])
def test_every_part_has_its_place_in_the_choice(name):
    table = TEXT.partition("## Choosing")[2].partition("## Conventions")[0]
    assert re.search(rf"`[^`]*\b{name}\b[^`]*`", table)
