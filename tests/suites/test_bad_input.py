"""A suite's file that is not what it must be: one line that names file, row and field."""

import json
import re

import pytest

from trueward.data import load_rows
from trueward.errors import DataError, InputError
from trueward.suites import read_scores, scores_of, suite

PAIR = {"id": 1, "prompt": "p", "chosen": "a", "rejected": "b", "subset": "helpful"}
BEST = {
    "id": "1",
    "prompt": "p",
    "chosen": ["a"],
    "rejected": ["b", "c", "d"],
    "num_correct": 1,
    "total_completions": 4,
    "subset": "Math",
}
STYLED = {"id": 1, "prompt": "p", "chosen": ["a"] * 3, "rejected": ["b"] * 3, "domain": "chat"}
JUDGED = {
    "pair_id": "1",
    "source": "mmlu-pro-law",
    "question": "q",
    "response_A": "a",
    "response_B": "b",
    "label": "A>B",
}
GROUP = {"prompt": "p", "prompt_id": 1, "responses": ["a", "b"], "scores": [1.0, 2.0]}
RMB = {
    "pair_uid": "1",
    "conversation_input": [{"role": "user", "content": "q"}],
    "chosen": {"answer": "a"},
    "reject": {"answer": "b"},
    "category_path": "Pairwise_set/Harmlessness/S1",
}
BON = {
    "bon_uid": "1",
    "conversation_input": [{"role": "user", "content": "q"}],
    "bon_best": {"answer": "a"},
    "loser_list": [{"answer": "b"}],
    "category_path": "BoN_set/Harmlessness/S1",
}
BATTLE = {
    "question_id": "1",
    "prompt": "p",
    "response_1": "a",
    "response_2": "b",
    "model_a": "x",
    "model_b": "y",
    "winner": "model_a",
}
GRADED = {
    "question_id": 1,
    "prompt": "p",
    "response_1": "a",
    "response_2": "b",
    "scores": [True, False],
    "sampled_conflict_pairs": [[0, 1]],
}
LABELLED = {"input": "q", "output_1": "a", "output_2": "b", "label": 1}


def write(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


CASES = [
    ("hhh", PAIR, {"chosen": None}, "chosen", "text or one message, got null"),
    ("hhh", PAIR, {"subset": "kind"}, "subset", "one of 'helpful'"),
    ("rewardbench", PAIR | {"subset": "hep-go"}, {"subset": "hep-perl"}, "subset", "one of"),
    ("rewardbench2", BEST, {"chosen": ["a", "b"]}, "chosen", "a list of 1 responses"),
    ("rewardbench2", BEST, {"rejected": ["b"]}, "rejected", "a list of 3 responses"),
    ("rewardbench2", BEST, {"subset": "Ties"}, "id", "'ref:N' or 'tied:N'"),
    ("rewardbench2", BEST, {"num_correct": None}, "num_correct", "a whole number"),
    ("rm-bench", STYLED, {"rejected": ["b"] * 2}, "rejected", "a list of 3 responses"),
    ("rm-bench", STYLED, {"chosen": ["a", None, "c"]}, "chosen[1]", "text or one message"),
    ("rm-bench", STYLED, {"domain": "poetry"}, "domain", "one of 'chat'"),
    ("judgebench", JUDGED, {"label": "A=B"}, "label", "one of 'A>B', 'B>A'"),
    ("judgebench", JUDGED, {"source": "arena"}, "source", "a source that begins with mmlu-pro"),
    ("rmb", RMB, {"category_path": "Pairwise_set/S1"}, "category_path", "a path with Helpfulness"),
    ("rmb", RMB, {"reject": {"answer": None}}, "reject.answer", "a string, got null"),
    ("rmb", BON, {"loser_list": []}, "loser_list", "at least one loser"),
    ("ppe", BATTLE, {"winner": "nobody"}, "winner", "'model_a', 'model_b' or 'tie'"),
    ("pairs", PAIR, {"id": 2, "subset": "overall"}, "subset", "another name than"),
]


@pytest.mark.parametrize(("name", "good", "change", "field", "expected"), CASES)
def test_a_wrong_field(tmp_path, name, good, change, field, expected):
    path = write(tmp_path / "rows.jsonl", [good, good | change])
    with pytest.raises(DataError) as raised:
        suite(name).load(path, read=load_rows)
    message = str(raised.value)
    assert message.startswith(f"{path}: row 1: field '{field}': expected {expected}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "row", "field"),
    [
        ("hhh", PAIR, "chosen"),
        ("rewardbench2", BEST, "num_correct"),
        ("rm-bench", STYLED, "domain"),
        ("judgebench", JUDGED, "pair_id"),
        ("rmb", RMB, "conversation_input"),
        ("ppe", BATTLE, "model_b"),
        ("best-of-n", BEST, "rejected"),
    ],
)
def test_a_missing_field(tmp_path, name, row, field):
    path = write(tmp_path / "rows.jsonl", [{k: v for k, v in row.items() if k != field}])
    with pytest.raises(DataError, match=f"rows.jsonl: row 0: field '{field}' is missing"):
        suite(name).load(path, read=load_rows)


def test_ppe_correctness_needs_an_id_and_whole_places(tmp_path):
    path = write(tmp_path / "MATH.jsonl", [{k: v for k, v in GRADED.items() if k[0] != "q"}])
    with pytest.raises(DataError, match=r"MATH.jsonl: row 0: field 'question_id' is missing"):
        suite("ppe-correctness").load(path, read=load_rows)
    for pair in ([0, 1.5], [0.5, 1], [0, 2], [0, -1]):
        write(path, [GRADED | {"sampled_conflict_pairs": [pair]}])
        with pytest.raises(
            DataError, match="row 0: field 'sampled_conflict_pairs': expected pairs"
        ):
            suite("ppe-correctness").load(path, read=load_rows)
    write(path, [GRADED | {"sampled_conflict_pairs": [[1.0, 0.0]]}])
    (item,) = suite("ppe-correctness").load(path, read=load_rows)
    assert item.labels["pairs"] == [(0, 1)]


def test_a_prior_set_may_lie_in_a_folder(tmp_path):
    (tmp_path / "rb/prior").mkdir(parents=True)
    write(tmp_path / "rb/prior/shp.jsonl", [{k: v for k, v in PAIR.items() if k != "subset"}])
    (item,) = suite("rewardbench").load(tmp_path / "rb", read=load_rows)
    assert (item.id, item.subset) == ("shp/1", "shp")


def test_half_a_character(tmp_path):
    path = write(tmp_path / "rows.jsonl", [PAIR, PAIR | {"id": 2, "chosen": "ab\ud83d"}])
    with pytest.raises(DataError, match="row 1, field 'chosen': character 2 is half"):
        suite("pairs").load(path, read=load_rows)


def test_a_field_that_one_row_lacks(tmp_path):
    path = write(tmp_path / "rows.jsonl", [PAIR, {"id": 2, "prompt": "p", "chosen": "a"}])
    with pytest.raises(DataError, match=r"row 1: field 'subset': expected one of .* got null"):
        suite("hhh").load(path, read=load_rows)


def test_a_prompt_without_messages(tmp_path):
    path = write(tmp_path / "rows.jsonl", [PAIR | {"prompt": []}])
    with pytest.raises(DataError, match="row 0: field 'prompt': expected text or a list of mess"):
        suite("hhh").load(path, read=load_rows)
    write(path, [PAIR | {"prompt": [{"role": "user"}]}])
    with pytest.raises(DataError, match=r"row 0: field 'prompt\[0\].content' is missing"):
        suite("hhh").load(path, read=load_rows)


def test_values_of_mixed_types(tmp_path):
    path = write(tmp_path / "rows.jsonl", [PAIR, PAIR | {"id": 2, "chosen": 7}])
    with pytest.raises(DataError, match=r"rows.jsonl: row 1, field 'chosen'"):
        suite("hhh").load(path, read=load_rows)


def test_unequal_lists(tmp_path):
    folder = tmp_path / "groups"
    folder.mkdir()
    path = write(folder / "in_domain.jsonl", [GROUP, GROUP | {"prompt_id": 2, "scores": [1.0]}])
    with pytest.raises(DataError, match="row 1: field 'scores': expected 2 scores, one a response"):
        suite("scenarios").load(folder, read=load_rows)
    path.write_text("[]")
    with pytest.raises(DataError, match="no rows; expected at least one"):
        suite("scenarios").load(folder, read=load_rows)


@pytest.mark.parametrize(
    ("name", "row", "field", "own"),
    [
        ("hhh", PAIR, "id", "helpful/1"),
        ("rewardbench2", BEST, "id", "Math/1"),
        ("rm-bench", STYLED, "id", "chat/1"),
        ("judgebench", JUDGED, "pair_id", "1"),
        ("rmb", RMB, "pair_uid", "Pairwise_set/Harmlessness/S1/1"),
        ("rmb", BON, "bon_uid", "BoN_set/Harmlessness/S1/1"),
        ("ppe", BATTLE, "question_id", "1"),
        ("ppe-correctness", GRADED, "question_id", "MATH/1"),
    ],
)
def test_duplicate_ids(tmp_path, name, row, field, own):
    path = write(tmp_path / "MATH.jsonl", [row, row])
    expected = f"{path}: row 1: field '{field}': '{own}' is the id of {path}: row 0 already"
    with pytest.raises(DataError, match=re.escape(expected)):
        suite(name).load(path, read=load_rows)


def test_mixed_encodings(tmp_path):
    path = tmp_path / "rows.jsonl"
    good = json.dumps(PAIR).encode()
    path.write_bytes(good + b"\n" + '{"prompt": "d\u00e9j\u00e0"}'.encode("latin-1"))
    with pytest.raises(DataError, match=r"rows.jsonl: line 2 is not UTF-8 text"):
        suite("hhh").load(path, read=load_rows)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"[]"])
def test_an_empty_file(tmp_path, content):
    path = tmp_path / "rows.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"rows.json: no rows; expected at least one"):
        suite("pairs").load(path, read=load_rows)


def test_a_file_of_an_unknown_set(tmp_path):
    path = write(tmp_path / "Unknown.jsonl", [LABELLED])
    with pytest.raises(DataError, match=r"row 0: .* rows of a file named after its set: Natural"):
        suite("llmbar").load(path, read=load_rows)
    path = write(tmp_path / "Natural.jsonl", [LABELLED | {"label": 0}])
    with pytest.raises(DataError, match="row 0: field 'label': expected 1 or 2, got 0"):
        suite("llmbar").load(path, read=load_rows)


def test_nothing_there(tmp_path):
    with pytest.raises(DataError, match=r"no \.json, .* file or saved data set in it"):
        suite("pairs").load(tmp_path, read=load_rows)
    with pytest.raises(DataError, match=r"saved data set named in_domain, .* in it"):
        suite("scenarios").load(tmp_path, read=load_rows)
    with pytest.raises(DataError, match=r"no hub table .* give the path of its data"):
        suite("llmbar").load(read=load_rows)
    with pytest.raises(DataError, match="no such file or folder"):
        suite("pairs").load(tmp_path / "rows.jsonl", read=load_rows)
    with pytest.raises(InputError, match="no suite 'rewardbench3'; did you mean 'rewardbench"):
        suite("rewardbench3")


def test_scores_that_do_not_fit():
    one = suite("pairs")
    items = one.from_rows([PAIR, PAIR | {"id": 2}], "t")
    with pytest.raises(DataError, match="got 2 items and scores for 1"):
        one.judge(items, [[1.0, 0.0]])
    with pytest.raises(DataError, match="item '2' has 2 responses and 1 scores"):
        one.judge(items, [[1.0, 0.0], [1.0]])
    with pytest.raises(DataError, match="item '2' has a score that is not finite"):
        one.judge(items, [[1.0, 0.0], [1.0, float("nan")]])
    with pytest.raises(DataError, match="at least one item"):
        one.judge([], [])


def test_score_files(tmp_path):
    items = suite("pairs").from_rows([PAIR, PAIR | {"id": 2}], "t")
    rows = [{"id": "2", "scores": [3.0, 4.0]}, {"id": "1", "scores": [1, 2]}]
    path = write(tmp_path / "scores.jsonl", rows)
    assert scores_of(items, read_scores(path, read=load_rows)) == [[1.0, 2.0], [3.0, 4.0]]
    write(path, [*rows, rows[0]])
    with pytest.raises(DataError, match="row 2: field 'id': expected an id that no other row has"):
        read_scores(path, read=load_rows)
    write(path, rows[:1])
    with pytest.raises(DataError, match="none for 1 of 2 items, such as '1'"):
        scores_of(items, read_scores(path, read=load_rows))
    with pytest.raises(DataError, match="1 of 3 ids are of no item, such as '9'"):
        scores_of(items, {key: [0.0, 1.0] for key in "129"})
    with pytest.raises(DataError, match=r"row 1: field 'scores': expected 2 scores, .* '1', got 3"):
        scores_of(items, {"2": [0.0, 1.0], "1": [0.0, 1.0, 2.0]})
    for bad, shown in (("NaN", "null|NaN"), ("null", "null|NaN"), ("-Infinity", "-Infinity")):
        path.write_text('{"id": "2", "scores": [1, 2]}\n{"id": "1", "scores": [1.5, ' + bad + "]}")
        said = rf"scores.jsonl: row 1: field 'scores\[1\]': expected a finite number, got ({shown})"
        with pytest.raises(DataError, match=said):
            read_scores(path, read=load_rows)
    path.write_text('{"id": "1", "scores": 3}')
    with pytest.raises(DataError, match=r"scores.jsonl: row 0: field 'scores': expected a list"):
        read_scores(path, read=load_rows)
    path.write_text('{"scores": [1.0]}')
    with pytest.raises(DataError, match=r"scores.jsonl: row 0: field 'id' is missing"):
        read_scores(path, read=load_rows)
