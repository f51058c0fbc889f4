import pytest

from trueward.diagnostics import EDITS

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
