"""Strings, mappings and the errors they earn."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trueward
from trueward.errors import ObjectiveError
from trueward.objectives import (
    APLOT,
    BSR,
    BradleyTerry,
    Centering,
    Hinge,
    LabelSmoothing,
    Objective,
    PromptContrast,
    objective,
)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("bt", Objective()),
        ("bsr", Objective(BradleyTerry(), None, (BSR(),))),
        ("aplot + bsr(weight=2e-3)", Objective(margin=APLOT(), penalties=(BSR(weight=0.002),))),
        (
            " hinge( margin = 2 )+aplot( kappa='batch',iterations=7 ) ",
            Objective(Hinge(2.0), APLOT(iterations=7)),
        ),
        (
            "aplot(kappa=1, similarity_cost=False)",
            Objective(margin=APLOT(kappa=1.0, similarity_cost=False)),
        ),
        ("bsr(weight=1e+2)+bt", Objective(penalties=(BSR(weight=100.0),))),
        ("bsr() + contrast", Objective(penalties=(PromptContrast(), BSR()))),
        (
            {"aplot": {"omega": 0.5}, "bsr": None},
            Objective(margin=APLOT(omega=0.5), penalties=(BSR(),)),
        ),
        ({"bsr": {"weight": "1e-4"}}, Objective(penalties=(BSR(weight=1e-4),))),
        ({"bsr": {"weight": 1}}, Objective(penalties=(BSR(weight=1.0),))),
        (Objective(Hinge()), Objective(Hinge())),
    ],
)
def test_read(spec, expected):
    assert objective(spec) == expected
    assert trueward.objective(spec) == expected


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("bt", "bt"),
        ("bt + contrast(weight=0.3) + bsr", "bsr + contrast"),
        ("bsr + aplot + hinge", "hinge + aplot + bsr"),
        ("aplot(similarity_cost=false, omega=0.9)", "aplot(similarity_cost=false)"),
        ("bsr(weight=0.00001)", "bsr(weight=1e-05)"),
    ],
)
def test_canonical_text(spec, text):
    assert str(objective(spec)) == text


@given(
    epsilon=st.floats(0, 0.5),
    omega=st.floats(0, 1),
    kappa=st.just("batch") | st.floats(0, 1e6),
    iterations=st.integers(1, 10**6),
    switch=st.booleans(),
    weights=st.lists(st.floats(0, 1e300), min_size=3, max_size=3),
    order=st.permutations(range(3)),
)
def test_any_composition_round_trips(epsilon, omega, kappa, iterations, switch, weights, order):
    makers = (BSR, Centering, PromptContrast)
    whole = Objective(
        LabelSmoothing(epsilon),
        APLOT(omega, 0.1, iterations, kappa, similarity_cost=switch),
        tuple(makers[i](weights[i]) for i in order),
    )
    assert objective(str(whole)) == whole
    assert objective(whole.to_dict()) == whole
    assert str(objective(whole.to_dict())) == str(whole)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bssr", "unknown objective 'bssr'; did you mean 'bsr'"),
        ("BSR", "did you mean 'bsr'"),
        ("zzz", "valid: aplot, bsr, bt"),
        ("bsr(wieght=1)", "bsr has no parameter 'wieght'; did you mean 'weight'"),
        ("bt(weight=1)", "bt has no parameter 'weight'"),
        ("bsr(weight=big)", "weight must be float, got 'big'"),
        ("bsr(weight=nan)", "weight must be float"),
        ("bsr(weight=inf)", "weight must be float"),
        ("bsr(weight=-1)", "weight must be at least 0, got -1"),
        ("bsr(0.1)", r"write e.g. bsr\(weight=...\)"),
        ("bsr(weight=1, weight=2)", "given twice"),
        ("aplot(iterations=2.5)", "iterations must be int"),
        ("aplot(iterations=0)", "iterations must be at least 1"),
        ("aplot(kappa=row)", "kappa must be"),
        ("aplot(omega=1.5)", r"omega must be in \[0, 1\]"),
        ("aplot(epsilon=0)", "epsilon must be above 0"),
        ("aplot(reward_cost=2)", "reward_cost must be bool"),
        ("aplot(reward_cost=false, similarity_cost=false)", "on if reward_cost is off"),
        ("flip_corrected(epsilon=0.5)", r"in \[0, 0.5\)"),
        ("logit_norm(temperature=0)", "above 0"),
        ("normbt(momentum=1)", "momentum"),
        ("hinge + dr", "one preference loss, got 'hinge' and 'dr'"),
        ("aplot + margin", "one margin, got 'aplot' and 'margin'"),
        ("bsr + bsr(weight=2)", "'bsr' is given 2 times"),
        ("triplet", r"'triplet \+ aplot'"),
        ("triplet + bsr", r"'triplet \+ aplot'"),
        ("", "cannot read objective term ''"),
        ("bt +", "cannot read objective term ''"),
        ("bsr(weight=1", "cannot read objective term"),
        ("bsr aplot", "cannot read objective term 'bsr aplot'"),
        ({}, "empty"),
        ({"bsr": 0.1}, "expected a mapping of parameters, got 0.1"),
        ({"bsr": {"weight": True}}, "weight must be float, got True"),
        ({"bsr": {"weight": None}}, "weight must be float, got None"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(spec, message):
    with pytest.raises(ObjectiveError, match=message) as caught:
        objective(spec)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("spec", [None, 3, ["bt"]])
def test_what_is_neither_text_nor_mapping_is_refused(spec):
    unchecked = inspect.unwrap(objective)  # tests check types at run time, users may not
    with pytest.raises(ObjectiveError, match="an objective is a string such as 'aplot"):
        unchecked(spec)
