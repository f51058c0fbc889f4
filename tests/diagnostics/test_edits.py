import math

import numpy as np
import pytest

from trueward.diagnostics import EDITS, Edited, edit_profile, scale_control
from trueward.errors import DataError, InputError

TEXT = "First  sentence here.\n\n- a list\n- of two   things, and\tone more"


def words(text):
    return text.split()


@pytest.mark.parametrize("count", [1, 2, 3, 9, 20, 100, 101])
def test_truncate_keeps_55_percent_of_the_words_as_laid_out(count):
    text = "\n ".join(f"w{i}" for i in range(count))
    cut = EDITS["truncate"].apply(text)
    assert text.startswith(cut)
    assert len(words(cut)) == -(-count * 11 // 20)
    assert cut.endswith(f"w{len(words(cut)) - 1}")


def test_extend_is_long_enough_and_no_longer_than_a_sentence_more():
    for count in (1, 5, 40, 333):
        text = " ".join(["word"] * count)
        longer = EDITS["extend"].apply(text)
        assert longer.startswith(text + " ")
        added = longer[len(text) + 1 :]
        assert len(words(longer)) >= 1.45 * count
        assert added.endswith(".")
        without_last = added[:-1].rpartition(".")[0]
        assert not without_last or count + len(words(without_last)) < 1.45 * count


def test_presentation_can_be_undone():
    quoted = EDITS["blockquote"].apply(TEXT).split("\n")
    assert all(line.startswith("> ") for line in quoted)
    assert "\n".join(line[2:] for line in quoted) == TEXT
    assert EDITS["heading"].apply(TEXT).split("\n\n", 1) == ["# Answer", TEXT]
    assert EDITS["label"].apply(TEXT).split(": ", 1) == ["Answer", TEXT]
    assert {n for n, e in EDITS.items() if e.family == "presentation"} == {
        "blockquote",
        "heading",
        "label",
    }


@pytest.mark.parametrize("name", ["cheer", "gloom", "agree", "disagree"])
def test_tone_adds_one_sentence_of_seven_words_and_keeps_the_text(name):
    edited = EDITS[name].apply(TEXT)
    assert edited.endswith(" " + TEXT)
    assert len(words(edited)) == len(words(TEXT)) + 7


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_changes_a_text_and_takes_an_empty_one(name):
    assert EDITS[name].apply(TEXT) != TEXT
    assert isinstance(EDITS[name].apply(""), str)


def test_by_hand():
    # s0 = (1 + 3)/2 = 2; |d| - |d0| = 0.5, -1
    profile = edit_profile(
        [1.5, -2.0],
        [1.0, 3.0],
        {"extend": Edited([0.0, 1.0], [0.5, 0.0])},
        {"extend": Edited([1.0, 1.0], [2.0, 3.0])},
    )
    assert profile.reference_margin == 2.0
    assert profile.retention == pytest.approx(1 + (0.5 - 1) / 2 / 2)
    effect = profile.edits["extend"]
    # |b0| = 1, 2; |b| = 0.5, 1
    assert effect.attenuation == pytest.approx(((1 - 0.5) + (2 - 1)) / 2 / 2)
    assert list(effect.per_response) == pytest.approx([0.25, 0.5])
    assert (effect.shift, effect.reference_shift) == pytest.approx((-0.125, 0.75))
    assert (profile.pairs, effect.responses) == (2, 2)


def test_the_scale_control_removes_mere_shrinking():
    rng = np.random.default_rng(0)
    margins, before, after = rng.normal(size=(3, 50))
    calibration = rng.normal(size=30)

    def profile(scale):
        return edit_profile(
            0.3 * margins,
            margins,
            {"cheer": Edited(0.3 * before, 0.3 * after)},
            {"cheer": Edited(before, after)},
            scale=scale,
        )

    c = scale_control(0.3 * calibration, calibration)
    assert c == pytest.approx(0.3)
    raw, controlled = profile(1.0), profile(c)
    moved = np.abs(after - before).mean() / np.abs(margins).mean()
    assert raw.retention == pytest.approx(0.3)
    assert raw.edits["cheer"].attenuation == pytest.approx(0.7 * moved)
    assert controlled.retention == pytest.approx(1.0)
    assert controlled.edits["cheer"].attenuation == pytest.approx(0.0, abs=1e-12)


def test_against_the_equations():
    rng = np.random.default_rng(1)
    d, d0 = rng.normal(size=(2, 40))
    before, after, before0, after0 = rng.normal(size=(4, 25))
    c = 1.7
    profile = edit_profile(
        d, d0, {"e": Edited(before, after)}, {"e": Edited(before0, after0)}, scale=c
    )
    s0 = np.mean([abs(x) for x in d0])
    kept = 1 + np.mean([abs(x) - c * abs(y) for x, y in zip(d, d0, strict=True)]) / (c * s0)
    b, b0 = after - before, after0 - before0
    spared = np.mean([c * abs(y) - abs(x) for x, y in zip(b, b0, strict=True)]) / (c * s0)
    assert profile.retention == pytest.approx(kept)
    assert profile.edits["e"].attenuation == pytest.approx(spared)
    assert np.mean(profile.per_pair) == pytest.approx(kept)


def test_bad_input():
    one = {"label": Edited([1.0], [2.0])}
    with pytest.raises(DataError, match=r"\['label'\] of the model and \['agree'\]"):
        edit_profile([1.0], [1.0], one, {"agree": one["label"]})
    with pytest.raises(DataError, match="label: got 1 rewards before, 1 rewards after, 2 ref"):
        edit_profile([1.0], [1.0], one, {"label": Edited([1.0, 2.0], [1.0, 2.0])})
    with pytest.raises(DataError, match="rewards after are not finite"):
        edit_profile([1.0], [1.0], {"label": Edited([1.0], [math.nan])}, one)
    with pytest.raises(DataError, match="reference's margins are all 0"):
        edit_profile([1.0], [0.0], one, one)
    with pytest.raises(DataError, match="no scale to control"):
        scale_control([0.0], [1.0])
    with pytest.raises(InputError, match="finite and above 0"):
        edit_profile([1.0], [1.0], one, one, scale=0.0)
