"""Data whose whole columns are pairs already gives the same as when it is read row by row."""

import math

import pytest
from datasets import Dataset, load_from_disk
from helpers.tiny_tokenizers import CHATML, decoder_words

from trueward.data import Encoder, encode_pairs, paired_prompts, pairs, to_pairs
from trueward.data import encode as encoding
from trueward.errors import DataError

TEXT = {"prompt": ["a b ", "c "], "chosen": ["d", "yes"], "rejected": ["e", "hi"]}


def said(text, role="assistant"):
    return [{"content": text, "role": role}]


MESSAGES = {
    "prompt": [said("a", "user"), said("b", "user")],
    "chosen": [said("d"), said("yes")],
    "rejected": [said("e"), said("hi")],
}
PLAIN = {
    "text": TEXT,
    "messages": MESSAGES,
    "numbers": TEXT | {"weight": [1.0, 0.5], "chosen_score": [2.0, 1.0]},
    "identity": TEXT | {"prompt_id": [3, 4], "chosen_source": ["m", None]},
    "other order, unused columns": {"rejected": ["e"], "id": [1], "chosen": ["d"], "prompt": ["a"]},
}
OTHER = {
    "null": TEXT | {"prompt": ["a ", None]},
    "identical": TEXT | {"chosen": ["e", "yes"]},
    "no prompt": {"chosen": ["a b", "c d"], "rejected": ["a c", "c e"]},
    "another name": {"question": ["a "], "chosen": ["d"], "rejected": ["e"]},
    "whole numbers": TEXT | {"margin": [1, 2]},
    "null number": TEXT | {"margin": [1.0, None]},
    "no number": TEXT | {"margin": [1.0, math.nan]},
    "tools": TEXT | {"tools": ["[]", None]},
    "text beside messages": MESSAGES | {"prompt": ["a ", "b "]},
    "repeated prompt": MESSAGES
    | {side: [said("a", "user") + said(side[0]), said("d")] for side in ("chosen", "rejected")},
    "roles first": {
        column: [[{"role": m["role"], "content": m["content"]} for m in one] for one in turns]
        for column, turns in MESSAGES.items()
    },
    "null content": MESSAGES | {"chosen": [said(None), said("yes")]},
    "floats of 32 bits": TEXT | {"prompt_id": [1.5, 2.5]},
}


def read(monkeypatch, columns, *, by_row):
    if by_row:
        monkeypatch.setattr(pairs, "_pairs_already", lambda *_: None)
    return to_pairs(Dataset.from_dict(columns), name="x")


@pytest.mark.parametrize("columns", [*PLAIN.values(), *OTHER.values()], ids=[*PLAIN, *OTHER])
def test_pairs_are_the_same_as_when_read_row_by_row(monkeypatch, columns):
    made, report = read(monkeypatch, columns, by_row=False)
    again, again_report = to_pairs(made)
    by_row, row_report = read(monkeypatch, columns, by_row=True)
    assert made.to_list() == by_row.to_list()
    assert made.features == by_row.features
    assert (report, str(report)) == (row_report, str(row_report))
    assert made.info.dataset_name is None
    assert again.to_list() == made.to_list()
    assert (again_report.pairs, again_report.left_out) == (len(made), {})


@pytest.mark.parametrize("columns", PLAIN.values(), ids=PLAIN)
def test_whole_columns_are_not_read_row_by_row(monkeypatch, columns):
    monkeypatch.setattr(pairs, "_read_pairs", None)
    made, _ = to_pairs(Dataset.from_dict(columns).select([0]))
    assert len(made) == 1


@pytest.mark.parametrize("columns", [TEXT, OTHER["null"]], ids=["whole", "row by row"])
def test_nothing_is_written_beside_rows_on_disk(tmp_path, columns):
    Dataset.from_dict(columns).save_to_disk(str(tmp_path / "rows"))
    before = sorted(tmp_path.rglob("*"))
    made, _ = to_pairs(load_from_disk(str(tmp_path / "rows")))
    encode_pairs(made, Encoder(decoder_words()))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"weight": [1.0, -1.0]}, r"row 1, field 'weight': expected a finite weight in \[0, inf\]"),
        ({"target": [0.5, 2.0]}, r"row 1, field 'target': expected a finite target in \[0, 1\]"),
        ({"margin": [0.5, math.inf]}, "row 1, field 'margin': expected a finite margin"),
        ({"chosen": [1, 3]}, "row 0, field 'chosen': expected text or a list of messages, got int"),
    ],
)
def test_a_bad_row_is_named_as_ever(columns, message):
    with pytest.raises(DataError, match=f"x: {message}"):
        to_pairs(Dataset.from_dict(TEXT | columns), name="x")


@pytest.mark.parametrize("columns", [TEXT, MESSAGES, *OTHER.values()])
def test_token_ids_are_the_same_whether_columns_are_proven_whole_or_not(monkeypatch, columns):
    tokenizer = decoder_words()
    tokenizer.chat_template = CHATML
    made, _ = to_pairs(Dataset.from_dict(columns))
    as_proven, report = encode_pairs(made, Encoder(tokenizer, 24))
    monkeypatch.setattr(encoding, "stored_turns", lambda *_: "")
    checked, checked_report = encode_pairs(made, Encoder(tokenizer, 24))
    assert as_proven.to_list() == checked.to_list()
    assert report == checked_report


def test_encoding_checks_the_columns_of_others():
    rows = Dataset.from_dict({**TEXT, "prompt": ["a ", None]})
    with pytest.raises(DataError, match="x: row 1, field 'prompt': expected text or a list of mes"):
        encode_pairs(rows, Encoder(decoder_words()), name="x")


def test_rows_of_every_form_become_prompts_with_their_pairs():
    scored = {"prompt": ["p", "q"], "responses": [["a", "b", "c"], ["d"]]}
    scored |= {"scores": [[1.0, 3.0, 2.0], [0.0]], "models": [["m", "n", "o"], ["m"]]}
    (first, second), left_out = paired_prompts(Dataset.from_dict(scored), "x")
    assert (first.pairs, first.scores, first.sources) == (((1, 0),), (1, 3, 2), ("m", "n", "o"))
    assert (second.pairs, second.where, left_out) == ((), "x: prompt 1", {})
    flipped = Dataset.from_dict({**TEXT, "flipped": [True, False]})
    (first, second), _ = paired_prompts(flipped, "x")
    assert (first.responses, first.pairs, first.scores) == (("d", "e"), ((0, 1),), ())
    assert [one.labels for one in (first, second)] == [{"flipped": True}, {"flipped": False}]
    assert (first.sources, second.where, first.unit) == ((None, None), "x: row 1", "'a b '")
