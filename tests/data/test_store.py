"""What is read from files is stored in files, a block at a time, and found again by a repeat."""

import json
import os
import subprocess
import sys
import weakref

import pytest
from datasets import Dataset
from helpers.tiny_tokenizers import CHATML, bos_words, decoder_words, turns

from trueward.data import Encoder, encode_pairs, load_rows, pairs, store, to_pairs
from trueward.errors import DataError

ROWS = [
    {"prompt": turns("a b"), "chosen": turns("", "c")[1:], "rejected": turns("", "d e")[1:]},
    {"prompt": turns("b"), "chosen": turns("", "f")[1:], "rejected": turns("", "a")[1:]},
    {"prompt": turns("c"), "chosen": turns("", "a")[1:], "rejected": turns("", "a")[1:]},
]


def written(folder, rows, name="rows.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def chat(tokenizer, template=CHATML):
    tokenizer.chat_template = template
    return tokenizer


def prepared(path, encoder, **options):
    made, pairing = to_pairs(load_rows(path), name="x")
    encoded, lengths = encode_pairs(made, encoder, name="x", **options)
    return encoded.to_list(), pairing, lengths


def forbid(monkeypatch):
    """Let nothing be read as pairs, or tokenized but the empty text."""
    tokenize = Encoder._tokenize
    monkeypatch.setattr(pairs, "_read_pairs", None)
    monkeypatch.setattr(
        Encoder, "_tokenize", lambda self, texts: tokenize(self, texts) if texts == [""] else 1 / 0
    )


@pytest.mark.parametrize("num_proc", [None, 2])
def test_a_repeat_with_a_used_tokenizer_comes_from_the_cache(monkeypatch, tmp_path, num_proc):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    first = prepared(written(tmp_path, ROWS), Encoder(chat(decoder_words()), 9), num_proc=num_proc)
    forbid(monkeypatch)
    used = chat(decoder_words())
    used.pad_token = used.eos_token
    used(["a", "a b"], padding=True, truncation=True, max_length=1)
    again = written(tmp_path, ROWS, "again.jsonl")
    used.pad_token = decoder_words().pad_token
    assert prepared(again, Encoder(used, 9), num_proc=num_proc) == first
    assert first[1].left_out == {"rows with identical responses": 1}


def test_another_process_finds_what_this_one_stored(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    tokenizer = chat(bos_words())
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    script = (
        "import sys; from trueward.data import *; from transformers import AutoTokenizer\n"
        "tokenizer = AutoTokenizer.from_pretrained(sys.argv[2])\n"
        "made, _ = to_pairs(load_rows(sys.argv[1]))\n"
        "encode_pairs(made, Encoder(tokenizer, 9))"
    )
    arguments = [str(written(tmp_path, ROWS)), str(tmp_path / "tokenizer")]
    subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | {"HF_DATASETS_CACHE": str(tmp_path / "cache"), "PYTHONHASHSEED": "7"},
        check=True,
    )
    forbid(monkeypatch)
    from transformers import AutoTokenizer

    own = AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    rows, _, lengths = prepared(arguments[0], Encoder(own, 9))
    assert (len(rows), lengths.total) == (1, 2)


def longer():
    tokenizer = decoder_words()
    tokenizer.add_tokens(["a b"])
    return tokenizer


@pytest.mark.parametrize(
    "other",
    [
        lambda: Encoder(chat(decoder_words()), 10),
        lambda: Encoder(chat(decoder_words()), 9, "truncate_left"),
        lambda: Encoder(chat(decoder_words(), CHATML.replace("</s>", "")), 9),
        lambda: Encoder(chat(longer()), 9),
    ],
    ids=["length", "policy", "template", "vocabulary"],
)
def test_whatever_changes_the_tokens_is_encoded_anew(monkeypatch, tmp_path, other):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    path = written(tmp_path, ROWS)
    prepared(path, Encoder(chat(decoder_words()), 9))
    with_cache = prepared(path, other())
    in_memory, _ = encode_pairs(to_pairs(Dataset.from_list(ROWS))[0], other())
    assert with_cache[0] == in_memory.to_list()


def test_other_rows_under_an_old_name_are_read_anew(tmp_path):
    assert load_rows(written(tmp_path, ROWS)).to_list() == ROWS
    assert load_rows(written(tmp_path, ROWS[::-1])).to_list() == ROWS[::-1]


def test_rows_of_a_file_stay_in_a_file(tmp_path):
    rows = load_rows(written(tmp_path, ROWS))
    made, _ = to_pairs(rows)
    encoded, _ = encode_pairs(made, Encoder(chat(decoder_words())))
    assert all(one.cache_files for one in (rows, made, encoded))
    in_memory, _ = to_pairs(Dataset.from_list(ROWS))
    assert in_memory.cache_files == []


def many(count=2500):
    for number in range(count):
        message = {"role": "user", "content": "x"} | ({"name": "n"} if number > 1200 else {})
        row = {"number": number if number < 2200 else number / 2, "turns": [message], "never": None}
        yield row | ({"late": "y"} if number == 1500 else {})


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "file"])
def test_keys_and_types_of_later_blocks_widen_those_before(tmp_path, stored):
    rows = list(many())
    columns = {c: [row.get(c) for row in rows] for c in ("number", "turns", "never", "late")}
    expected = Dataset.from_dict(columns)
    made = store.dataset_from_rows(iter(rows), "x", tmp_path / "a.arrow" if stored else None)
    assert made.features == expected.features
    assert made.to_list() == expected.to_list()
    assert [file.name for file in tmp_path.iterdir()] == ["a.arrow"] * stored


def test_a_field_of_another_type_is_named_in_a_later_block(tmp_path):
    rows = [{"a": 1, "b": [{"c": "x"}]} for _ in range(2500)]
    rows[2345] = {"a": 1, "b": [{"c": ["x"]}]}
    with pytest.raises(DataError, match=r"rows.jsonl: row 2345, field 'b': list .* another type"):
        load_rows(written(tmp_path, rows))


class CountedRow(dict):
    __hash__ = object.__hash__


def test_no_more_than_two_blocks_of_rows_are_held_at_a_time(tmp_path):
    alive, most = weakref.WeakSet(), 0

    def rows():
        nonlocal most
        for number in range(6 * store.BLOCK):
            row = CountedRow(number=number)
            alive.add(row)
            most = max(most, len(alive))
            yield row

    assert len(store.dataset_from_rows(rows(), "x", tmp_path / "a.arrow")) == 6 * store.BLOCK
    assert store.BLOCK <= most <= 2 * store.BLOCK


def test_a_failure_halfway_leaves_no_file(tmp_path):
    def rows():
        yield from many(1500)
        raise DataError("row 1500 is bad")

    with pytest.raises(DataError, match="row 1500"):
        store.dataset_from_rows(rows(), "x", tmp_path / "a.arrow")
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    with pytest.raises(DataError, match="cache/trueward: the cache of data sets cannot be written"):
        load_rows(written(tmp_path, ROWS))
