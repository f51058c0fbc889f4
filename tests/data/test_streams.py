"""A stream gives the tokens, counts and errors that the same rows give as a data set."""

import pytest
from datasets import Dataset, IterableDataset
from helpers.tiny_tokenizers import CHATML, bos_words, decoder_words, ids, turns

from trueward.data import Encoder, encode_pairs, encode_stream, streams, to_pairs
from trueward.errors import DataError

LETTERS = "abcdefgh"
COLUMNS = ["chosen_ids", "rejected_ids", "prompt_length", "margin", "target", "weight"]


def text(count=100):
    for i in range(count):
        words = " ".join(LETTERS[(i + k) % 8] for k in range(i % 7))
        chosen, rejected = LETTERS[i % 8], LETTERS[i // 8 % 8]
        row = {"prompt": f"{words} ", "chosen": chosen, "rejected": f"{rejected} {words}".strip()}
        yield row | {"weight": float(i), "id": i}


def messages():
    for row in text():
        sides = {side: turns("", row[side])[1:] for side in ("chosen", "rejected")}
        yield {"prompt": turns(row["prompt"] + "a"), **sides}


def lists():
    for i in range(50):
        yield {
            "prompt": "a b c " if i % 3 else "a ",
            "responses": [LETTERS[(i * k) % 8] for k in range(1, 4)],
            "scores": [float(k * i % 5) for k in range(3)],
        }


def tokens():
    for i in range(50):
        yield {"chosen_ids": [4, 5, 6 + i % 3] * (1 + i % 2), "rejected_ids": [4, 5, 7]}


FORMS = {"text": text, "messages": messages, "response lists": lists, "token ids": tokens}


def streamed(rows, encoder):
    stream, report = encode_stream(IterableDataset.from_generator(rows), encoder, "x")
    return list(stream), report


@pytest.mark.parametrize("policy", ["drop", "truncate_left", "truncate_right"])
@pytest.mark.parametrize("rows", FORMS.values(), ids=FORMS)
def test_a_stream_is_paired_cut_and_counted_as_a_data_set(rows, policy):
    tokenizer = bos_words()
    tokenizer.chat_template = CHATML
    encoder = Encoder(tokenizer, 16 if rows is messages else 5, policy)
    made, pairing = to_pairs(Dataset.from_generator(rows), name="x")
    expected, lengths = encode_pairs(made, encoder, name="x")
    found, report = streamed(rows, encoder)
    assert (
        found
        == expected.select_columns(
            [column for column in COLUMNS if column in expected.column_names]
        ).to_list()
    )
    assert report.pairing == pairing
    assert str(report.lengths) == str(lengths)
    assert lengths.over_length_rows
    assert str(report) == f"{pairing}; {lengths}"


def test_rows_are_read_as_they_are_wanted():
    read = []

    def rows():
        for number, row in enumerate(text(10_000)):
            read.append(number)
            yield row

    stream, report = encode_stream(IterableDataset.from_generator(rows), Encoder(bos_words()), "x")
    read.clear()
    wanted = iter(stream)
    next(wanted)
    assert read == [*range(streams.STREAM_BLOCK)]
    assert report.pairing.rows == 32


def test_another_pass_counts_anew():
    stream, report = encode_stream(
        IterableDataset.from_generator(text), Encoder(bos_words(), 5), "x"
    )
    first = (list(stream), str(report))
    assert (list(stream), str(report)) == first


def test_columns_that_only_later_rows_have_are_no_part_of_the_stream():
    def rows():
        yield from text(40)
        yield {"prompt": "a ", "chosen": "b", "rejected": "c", "weight": 1.0, "late": "x"}

    found, report = streamed(rows, Encoder(decoder_words()))
    assert found[-1]["chosen_ids"] == ids("a b </s>")
    assert {*found[-1]} == {"chosen_ids", "rejected_ids", "prompt_length", "weight"}
    assert report.pairing.rows == 41


def bad(**fields):
    def rows():
        yield from text(70)
        yield {"prompt": "a ", "chosen": "b", "rejected": "c", "weight": 1.0} | fields

    return rows


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (bad(chosen=7), {}, "x: row 70, field 'chosen': expected text or a list of messages"),
        (bad(weight=-1.0), {}, r"x: row 70, field 'weight': expected a finite weight"),
        (bad(chosen="\udc00"), {}, "x: row 70, field 'chosen': character 0 is half a surrogate"),
        (bad(chosen=turns("q")), {}, "x: row 70: messages need a chat template"),
        (text, {"max_length": 6, "truncation": "error"}, "x: row 2 has 7 tokens, more than max_le"),
        (lambda: iter(()), {}, "x: no rows; expected at least one"),
        (lambda: iter([{"n": 1}]), {}, "x: missing columns: expected chosen and rejected"),
        (
            lambda: iter([{"prompt": "a", "output": "b", "score": 1.0}]),
            {},
            "x: a stream of one response a row cannot be gathered by prompt",
        ),
    ],
)
def test_a_bad_row_of_a_stream_is_named(rows, options, said):
    with pytest.raises(DataError, match=said):
        streamed(rows, Encoder(bos_words(), **options))
