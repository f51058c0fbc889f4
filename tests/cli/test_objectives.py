"""`trueward objectives`: the table for people and the document for machines."""

import argparse
import io
import json

import pytest
from rich.console import Console

from trueward.cli import objectives as verb
from trueward.errors import ObjectiveError
from trueward.objectives import describe_all


def outcome(*arguments):
    parser = argparse.ArgumentParser()
    verb.add_arguments(parser)
    return verb.run(parser.parse_args(list(arguments)))


def shown(result, width=80):
    console = Console(file=io.StringIO(), width=width)
    result.show(console)
    return console.file.getvalue()


def test_the_table_shows_every_part_within_eighty_columns():
    text = shown(outcome())
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "…" not in text, "nothing is cut"
    words = " ".join(text.split())
    for part in describe_all():
        assert f" {part.name} " in words
        for parameter in part.parameters:
            assert f"{parameter.name}={parameter.default}" in words
    for phrase in ("hidden", "batch-", "2510.10963", "ℓ(Δ′) + ℓ(r⁺) + ℓ(−r⁻)"):
        assert phrase in words


def test_one_is_explained():
    text = " ".join(shown(outcome("aplot")).split())
    for phrase in ("0.9", "Sinkhorn iterations", "2510.10963", 'κ = "batch"', "needs hidden"):
        assert phrase in text


@pytest.mark.parametrize("name", [part.name for part in describe_all()])
def test_every_explanation_fits(name):
    text = shown(outcome(name))
    assert max(len(line) for line in text.splitlines()) <= 80
    assert name in text


def test_brackets_of_an_equation_are_not_read_as_markup():
    assert "[(1−ε)·ℓ(Δ′) − ε·ℓ(−Δ′)] / (1−2ε)" in shown(outcome("flip_corrected"))


def test_documents_are_json():
    document = json.loads(json.dumps(outcome().document))
    rows = {row["name"]: row for row in document["objectives"]}
    assert rows["aplot"]["needs"] == ["hidden"]
    assert rows["aplot"]["batch_level"] is True
    assert rows["bsr"]["parameters"] == [
        {"name": "weight", "type": "float", "default": "0.001", "meaning": "λ, at least 0"}
    ]
    assert json.loads(json.dumps(outcome("bsr").document)) == rows["bsr"]


def test_an_unknown_name_is_bad_input():
    with pytest.raises(ObjectiveError, match="did you mean 'centering'"):
        outcome("centring")
