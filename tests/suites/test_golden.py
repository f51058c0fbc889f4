"""Published values, on the real data."""

import pytest

from trueward.data import load_rows
from trueward.suites import read_scores, scores_of, suite

PUBLISHED = {
    "Skywork_Skywork-Reward-Gemma-2-27B": 64.29,
    "internlm_internlm2-20b-reward": 63.43,
    "Skywork_Skywork-Reward-Llama-3.1-8B": 62.29,
    "Ray2333_GRM-Gemma-2B-rewardmodel-ft": 59.43,
    "internlm_internlm2-7b-reward": 59.43,
}
"""JudgeBench accuracy over the 350 pairs, in %."""


@pytest.mark.parametrize("model", PUBLISHED)
def test_judgebench_accuracies_of_published_score_files(real_data, model):
    folder = real_data / "judgebench"
    items = suite("judgebench").load(folder / "pairs_gpt-4o-2024-05-13.jsonl", read=load_rows)
    scores = read_scores(folder / f"scores_{model}.jsonl", read=load_rows)
    result = suite("judgebench").judge(items, scores_of(items, scores), scorer=model, draws=200)
    assert 100 * result.value.value == pytest.approx(PUBLISHED[model], abs=0.01)
    assert result.value.low < result.value.value < result.value.high
    assert [result.part(name).n for name in ("overall", "mmlu-pro", "livecodebench")] == [
        350,
        154,
        42,
    ]


def test_real_files_load_whole(real_data):
    counts = {}
    for name, place in (
        ("rm-bench", "rmbench"),
        ("llmbar", "llmbar"),
        ("hhh", "hhh/pairs.jsonl"),
        ("judgebench", "judgebench/pairs_claude-3-5-sonnet-20240620.jsonl"),
    ):
        items = suite(name).load(real_data / place, read=load_rows)
        counts[name] = len(items)
        assert len({item.id for item in items}) == len(items)
        assert all(item.prompt[-1]["content"] for item in items)
    assert counts == {"rm-bench": 798, "llmbar": 885, "hhh": 221, "judgebench": 270}


def test_length_prefers_style_on_rm_bench(real_data):
    """A reward that is the length must find easy what RM-Bench calls easy."""
    items = suite("rm-bench").load(real_data / "rmbench", read=load_rows)
    lengths = [[float(len(text)) for text in item.responses] for item in items]
    result = suite("rm-bench").judge(items, lengths, draws=50)
    levels = [result.part(level).estimate.value for level in ("easy", "normal", "hard")]
    assert levels[0] > 0.8
    assert levels[2] < 0.2
    assert levels[0] > levels[1] > levels[2]
    assert "math" in result.missing
