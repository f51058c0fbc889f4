import pytest
from datasets import Dataset
from helpers.tiny_tokenizers import scored_grid, turns

from trueward.data import PairRule, load_rows, to_pairs
from trueward.errors import DataError


def pairs_of(rows, **options):
    pairs, report = to_pairs(Dataset.from_list(rows), **options)
    assert "\n" not in str(report)
    return pairs.to_list(), report


def refused(rows, **options):
    with pytest.raises(DataError) as caught:
        to_pairs(Dataset.from_list(rows), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Pairs that are pairs already


def test_explicit_text_is_kept_verbatim_with_what_belongs_to_it():
    row = {
        "prompt": "p ",
        "chosen": "a",
        "rejected": "b",
        "margin": 1,
        "target": 0.75,
        "weight": 2.0,
        "prompt_id": 7,
        "score_chosen": 3.0,
        "rejected-rating": 1.0,
        "chosen_model": "m",
        "subset": "x",
    }
    pairs, report = pairs_of([row])
    assert pairs == [
        {
            "prompt": "p ",
            "chosen": "a",
            "rejected": "b",
            "margin": 1.0,
            "target": 0.75,
            "weight": 2.0,
            "prompt_id": 7,
            "chosen_score": 3.0,
            "rejected_score": 1.0,
            "chosen_source": "m",
        }
    ]
    assert report.unused_columns == ("subset",)
    assert (report.form, report.rows, report.pairs) == ("pairs", 1, 1)


@pytest.mark.parametrize(
    ("chosen", "rejected", "expected"),
    [
        ("Q? Yes it is", "Q? Yes it was", ("Q? Yes it", " is", " was")),
        ("Q? Yes", "Q? Yesterday", ("Q?", " Yes", " Yesterday")),
        ("same", "same again", ("", "same", "same again")),
        ("a b", "a b c", ("a", " b", " b c")),
        ("one", "two", ("", "one", "two")),
        ("", "two", ("", "", "two")),
    ],
)
def test_the_implicit_prompt_of_text_is_the_whole_words_both_share(chosen, rejected, expected):
    pairs, _ = pairs_of([{"chosen": chosen, "rejected": rejected}])
    assert tuple(pairs[0][c] for c in ("prompt", "chosen", "rejected")) == expected


def test_messages_with_an_implicit_prompt():
    row = {"chosen": turns("q", "a", "q2", "good"), "rejected": turns("q", "a", "q2", "bad")}
    pairs, _ = pairs_of([row])
    assert pairs[0]["prompt"] == turns("q", "a", "q2")
    assert pairs[0]["chosen"] == [{"role": "assistant", "content": "good"}]
    assert pairs[0]["rejected"] == [{"role": "assistant", "content": "bad"}]


def test_a_conversation_that_ends_earlier_keeps_its_last_turn():
    row = {"chosen": turns("q", "a"), "rejected": turns("q", "a", "q2", "bad")}
    pairs, _ = pairs_of([row])
    assert pairs[0]["prompt"] == turns("q")
    assert pairs[0]["chosen"] == turns("q", "a")[1:]
    assert pairs[0]["rejected"] == turns("q", "a", "q2", "bad")[1:]


@pytest.mark.parametrize("prompt", ["q", turns("q")], ids=["text", "messages"])
@pytest.mark.parametrize("repeated", [True, False])
def test_a_prompt_beside_messages_is_not_repeated(prompt, repeated):
    row = {"prompt": prompt, "chosen": turns("q", "good"), "rejected": turns("q", "bad")}
    if not repeated:
        row |= {side: row[side][1:] for side in ("chosen", "rejected")}
    pairs, _ = pairs_of([row])
    assert pairs[0]["prompt"] == turns("q")
    assert pairs[0]["chosen"] == turns("q", "good")[1:]


def test_template_arguments_come_along_without_the_nulls_that_arrow_adds():
    rows = [
        {
            "prompt": turns("q"),
            "chosen": [{"role": "assistant", "content": None, "tool_calls": [{"name": "f"}]}],
            "rejected": turns("q", "no")[1:],
            "tools": '[{"name": "f"}]',
            "chat_template_kwargs": {"thinking": True},
        },
        {
            "prompt": turns("q"),
            "chosen": turns("q", "x")[1:],
            "rejected": turns("q", "y")[1:],
            "tools": None,
            "chat_template_kwargs": {"style": "s"},
        },
    ]
    pairs, report = pairs_of(rows)
    assert pairs[0]["tools"] == '[{"name": "f"}]'
    assert pairs[0]["chat_template_kwargs"]["thinking"] is True
    assert pairs[0]["chosen"][0]["tool_calls"] == [{"name": "f"}]
    assert not report.unused_columns


def test_pairs_made_once_stay_what_they_are():
    row = {"chosen": turns("q", "good"), "rejected": turns("q", "bad")}
    once, _ = to_pairs(Dataset.from_list([row]))
    twice, report = to_pairs(once)
    assert twice.to_list() == once.to_list()
    assert report.pairs == 1


# Transcripts

HUMAN, ASSISTANT = "\n\nHuman:", "\n\nAssistant:"


def test_transcripts_become_messages_with_the_shared_turns_as_prompt():
    shared = f"{HUMAN} hi\n\nthere{ASSISTANT} yes?{HUMAN} Human: is inline"
    row = {"chosen": f"{shared}{ASSISTANT} good ", "rejected": f"{shared}{ASSISTANT}bad"}
    pairs, report = pairs_of([row])
    assert pairs == [
        {
            "prompt": turns("hi\n\nthere", "yes?", "Human: is inline"),
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
    ]
    assert report.form == "transcript pairs"


def test_transcripts_that_are_none_or_alike_or_unfinished_are_counted():
    good = {"chosen": f"{HUMAN} q{ASSISTANT} a", "rejected": f"{HUMAN} q{ASSISTANT} b"}
    rows = [
        good,
        good | {"chosen": "plain"},
        good | {"chosen": good["rejected"] + "  "},
        good | {"chosen": good["chosen"] + f"{HUMAN} more"},
        good | {"chosen": None},
    ]
    _, report = pairs_of(rows)
    assert report.pairs == 1
    assert report.left_out == {
        "rows that are not transcripts": 2,
        "rows with identical responses": 1,
        "rows that do not end on the assistant's turn": 1,
    }


def test_a_transcript_beside_a_prompt_column_is_plain_text():
    row = {"prompt": f"{HUMAN} q{ASSISTANT}", "chosen": f"{HUMAN} a", "rejected": f"{HUMAN} b"}
    assert pairs_of([row])[0] == [row]


# Token ids


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("chosen_ids", "rejected_ids"),
        ("chosen_input_ids", "rejected_input_ids"),
        ("input_ids_chosen", "input_ids_rejected"),
        ("input_ids_j", "input_ids_k"),
    ],
)
def test_token_ids_under_every_known_name(chosen, rejected):
    row = {chosen: [1, 2, 3], rejected: [1, 4], "margin": 0.5}
    expected = {"chosen_ids": [1, 2, 3], "rejected_ids": [1, 4], "margin": 0.5}
    assert pairs_of([row])[0] == [expected]


def test_padding_of_legacy_token_ids_is_taken_off_by_the_mask():
    row = {
        "input_ids_chosen": [0, 5, 6],
        "attention_mask_chosen": [0, 1, 1],
        "input_ids_rejected": [7, 0, 0],
        "attention_mask_rejected": [1, 0, 0],
    }
    pairs, report = pairs_of([row])
    assert pairs == [{"chosen_ids": [5, 6], "rejected_ids": [7]}]
    assert not report.unused_columns


def test_older_text_columns_ending_in_j_and_k():
    row = {"question": "q", "response_j": "good", "response_k": "bad"}
    assert pairs_of([row])[0] == [{"prompt": "q", "chosen": "good", "rejected": "bad"}]
    assert "several *_j / *_k columns (response, text)" in refused(
        [row | {"text_j": "x", "text_k": "y"}]
    )


# Lists of responses

ULTRAFEEDBACK = {
    "instruction": "q",
    "source": "evol",
    "models": ["m0", "m1", "m2"],
    "completions": [
        {"model": "m0", "response": "poor", "overall_score": 2.0, "fine": 3.0},
        {"model": "m1", "response": "best", "overall_score": 9.0, "fine": 1.0},
        {"model": "m2", "response": "fair", "overall_score": 5.0, "fine": 2.0},
    ],
}


def test_scored_lists_give_the_best_against_the_worst():
    pairs, report = pairs_of([ULTRAFEEDBACK])
    assert pairs == [
        {
            "prompt": "q",
            "chosen": "best",
            "rejected": "poor",
            "prompt_id": 0,
            "chosen_score": 9.0,
            "rejected_score": 2.0,
            "chosen_source": "m1",
            "rejected_source": "m0",
        }
    ]
    assert report.form == "response lists"


def test_another_score_of_a_nested_response_by_name():
    pairs, _ = pairs_of([ULTRAFEEDBACK], columns={"score": "fine"})
    assert (pairs[0]["chosen"], pairs[0]["rejected"]) == ("poor", "best")
    assert "no column 'fin' to serve as 'score'; did you mean 'fine'" in refused(
        [ULTRAFEEDBACK], columns={"score": "fin"}
    )


def test_a_ranked_list_is_best_first_and_gaps_are_ranks():
    row = {"prompt": "q", "completions": ["x", "y", "z"]}
    pairs, _ = pairs_of([row], rule=PairRule("all"))
    assert [(p["chosen"], p["rejected"]) for p in pairs] == [("x", "y"), ("x", "z"), ("y", "z")]
    far, _ = pairs_of([row], rule=PairRule("all", min_gap=1.0))
    assert [(p["chosen"], p["rejected"]) for p in far] == [("x", "z")]


def test_given_ranks_go_before_the_order_and_scores_before_both():
    row = {"prompt": "q", "responses": ["x", "y"], "ranks": [2, 1]}
    assert pairs_of([row])[0][0]["chosen"] == "y"
    assert pairs_of([row | {"scores": [5.0, 1.0]}])[0][0]["chosen"] == "x"


def test_answers_with_ranks_inside():
    answers = [{"answer": "x", "rank": 2, "model": "m"}, {"answer": "y", "rank": 1, "model": "n"}]
    pairs, _ = pairs_of([{"prompt": "q", "answers": answers}])
    assert (pairs[0]["chosen"], pairs[0]["chosen_source"]) == ("y", "n")


def test_lists_of_messages_and_text_prompts_agree():
    answer = [{"role": "assistant", "content": "good"}]
    row = {"prompt": "q", "responses": [answer, [{"role": "assistant", "content": "bad"}]]}
    pairs, _ = pairs_of([row])
    assert pairs[0]["prompt"] == turns("q")
    assert pairs[0]["chosen"] == answer


def test_what_a_list_leaves_out_is_counted():
    rows = [
        {"prompt": "q0", "responses": ["x", "y", "x"], "scores": [1.0, 1.0, 3.0]},
        {"prompt": "q1", "responses": ["x", None], "scores": [1.0, 2.0]},
        {"prompt": None, "responses": ["x", "y"], "scores": [1.0, 2.0]},
        {"prompt": "q3", "responses": ["x", "y"], "scores": [1.0, None]},
        {"prompt": "q4", "responses": None, "scores": None},
    ]
    pairs, report = pairs_of(rows, rule=PairRule("all"))
    assert [(p["chosen"], p["rejected"]) for p in pairs] == [("x", "y")]
    assert report.left_out == {
        "pairs of identical responses": 1,
        "pairs with score gap ≤ 0": 1,
        "null responses": 1,
        "rows with null prompt": 1,
        "responses with null score": 1,
        "prompts with fewer than two responses": 3,
    }
    assert str(report).startswith("1 pairs from 5 rows (response lists); left out: ")


# One response a row


def test_one_response_a_row_is_gathered_by_prompt():
    rows = scored_grid(prompts=2, sources=3)
    interleaved = rows[::2] + rows[1::2]
    pairs, report = pairs_of(interleaved)
    assert [(p["chosen"], p["rejected"]) for p in pairs] == [
        ("answer 0 of 2", "answer 0 of 0"),
        ("answer 1 of 2", "answer 1 of 0"),
    ]
    assert pairs[0]["prompt_id"] == "p0"
    assert pairs[1]["chosen_source"] == "m2"
    assert (report.form, report.rows) == ("one response a row", 6)


def test_without_prompt_id_the_prompt_itself_gathers():
    rows = [{k: v for k, v in row.items() if k != "prompt_id"} for row in scored_grid(2, 2)]
    pairs, _ = pairs_of(rows)
    assert [p["prompt_id"] for p in pairs] == [0, 1]


def test_other_column_names_by_role():
    rows = [{"q": "q", "r": text, "s": score} for text, score in (("x", 1.0), ("y", 2.0))]
    pairs, _ = pairs_of(rows, columns={"prompt": "q", "response": "r", "score": "s"})
    assert pairs[0]["chosen"] == "y"


# Bad input


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"prompt": "q", "chosen": "x"}], "missing column 'rejected' beside 'chosen'"),
        ([{"prompt": "q", "rejected": "x"}], "missing column 'chosen' beside 'rejected'"),
        ([{"text": "q"}], "missing columns: expected chosen and rejected"),
        ([{"chosen": "a", "rejected": "b"}, {"chosen": "a", "rejected": None}] * 0, "no rows"),
        ([{"chosen": 1, "rejected": 2}], "row 0, field 'chosen': expected text or a list"),
        (
            [{"chosen": [{"content": "x"}], "rejected": "y"}],
            "row 0, field 'chosen': message 0 is not a mapping with 'role'",
        ),
        (
            [{"chosen": "a", "rejected": "b", "margin": 1.0, "target": t} for t in (0.5, 1.5)],
            "row 1, field 'target': expected a finite target in [0, 1], got 1.5",
        ),
        (
            [{"chosen": "a", "rejected": "b", "weight": -1.0}],
            "row 0, field 'weight': expected a finite weight in [0, inf]",
        ),
        (
            [{"chosen": "a", "rejected": "b", "margin": "wide"}],
            "row 0, field 'margin': expected a number, got str 'wide'",
        ),
        ([{"chosen_ids": ["x"], "rejected_ids": ["y"]}], "row 0, field 'chosen_ids'"),
        (
            [{"prompt": "q", "responses": ["x", "y"], "scores": [1.0]}],
            "row 0, field 'scores': expected a list of 2, one for each of 'responses'",
        ),
        (
            [{"prompt": "q", "responses": [{"said": "x"}]}],
            "row 0, field 'responses': no response among ['said']",
        ),
        (
            [{"prompt": p, "prompt_id": 1, "output": "x", "score": 1.0} for p in ("q", "r")],
            "row 1: prompt_id 1 has two different prompts",
        ),
        (
            [{"prompt": "q", "output": "x", "score": s} for s in ("1", "2")],
            "row 0, score: expected a number, got str '1'",
        ),
        (
            [{"prompt": "q", "output": 5, "score": 1.0}],
            "row 0, field 'output': expected text or a list of messages, got int 5",
        ),
        ([{"chosen": "same", "rejected": "same"}] * 3, "no pairs left of 3 rows"),
        ([{"chosen": "same", "rejected": "same"}] * 3, "3 rows with identical responses"),
    ],
)
def test_bad_rows_are_one_line_that_names_row_and_field(rows, said):
    assert said in refused(rows)


def test_messages_name_the_file(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"chosen": "a", "rejected": "b"}\n{"chosen": "a", "rejected": "a"}\n')
    rows = load_rows(path)
    assert to_pairs(rows)[1].left_out == {"rows with identical responses": 1}
    with pytest.raises(DataError, match=r"mine\.jsonl: no pairs left of 1 rows"):
        to_pairs(rows.select([1]))


def test_unknown_roles_and_columns_are_answered_with_the_nearest():
    row = {"chosen": "a", "rejected": "b"}
    assert "unknown role 'choosen'; did you mean 'chosen'" in refused(
        [row], columns={"choosen": "chosen"}
    )
    assert "no column 'rejcted' to serve as 'rejected'; did you mean 'rejected'" in refused(
        [row], columns={"rejected": "rejcted"}
    )


# Real data


def test_hh_rlhf_transcripts(real_data):
    rows = load_rows(real_data / "hh_rlhf" / "harmless-base-test.jsonl.gz")
    pairs, report = to_pairs(rows)
    assert (report.rows, report.pairs, report.form) == (2312, 2312, "transcript pairs")
    for pair, row in zip(pairs.select(range(300)), rows, strict=False):
        assert {m["role"] for m in pair["chosen"]} <= {"user", "assistant"}
        assert pair["chosen"] != pair["rejected"]
        said = "".join(m["content"] for m in pair["prompt"] + pair["chosen"])
        for mark in ("\n\nHuman:", "\n\nAssistant:"):
            row["chosen"] = row["chosen"].replace(mark, "")
        assert "".join(said.split()) == "".join(row["chosen"].split())
    longest = max(len(prompt) for prompt in pairs["prompt"])
    assert longest > 4


def test_hhh_pairs(real_data):
    rows = load_rows(real_data / "hhh" / "pairs.jsonl")
    pairs, report = to_pairs(rows)
    assert (len(pairs), report.unused_columns) == (221, ("id", "subset"))
    assert pairs["chosen"][:] == rows["chosen"][:]
