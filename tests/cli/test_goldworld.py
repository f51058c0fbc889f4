"""`trueward goldworld` as a person and as a machine call it."""

import argparse
import io
from pathlib import Path

import pytest
from rich.console import Console
from transformers import AutoModelForCausalLM, AutoTokenizer

from trueward.cli import Outcome, goldworld
from trueward.errors import InputError, OutputExistsError
from trueward.goldworld import score_text


def call(*argv: str) -> Outcome:
    parser = argparse.ArgumentParser()
    goldworld.add_arguments(parser)
    return goldworld.run(parser.parse_args(argv))


def shown(outcome: Outcome) -> str:
    console = Console(file=io.StringIO(), width=80)
    outcome.show(console)
    return console.file.getvalue()


def test_describe_shows_prompts_answers_writers_and_gold_at_80_columns() -> None:
    outcome = call("describe", "--seed", "3", "--prompts", "2", "--answers", "4")
    text = shown(outcome)
    assert max(map(len, text.splitlines())) <= 80
    prompts = outcome.document["prompts"]
    assert [prompt["held_out"] for prompt in prompts] == [False, True]
    for prompt in prompts:
        assert len(prompt["answers"]) == 4
        for answer in prompt["answers"]:
            assert answer["gold"] == pytest.approx(score_text(prompt["prompt"], answer["text"]))
            assert sum(answer["terms"].values()) == pytest.approx(answer["gold"])
            assert answer["writer"]["name"] in text
            assert f"{answer['gold']:+.2f}" in text


def test_describe_refuses_a_dial_out_of_range() -> None:
    with pytest.raises(InputError, match="cue_strength"):
        call("describe", "--cue_strength", "3")
    with pytest.raises(InputError, match="prompts"):
        call("describe", "--prompts", "0")


def test_pretrain_saves_a_loadable_base_and_overwrites_only_when_told(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    command = ["pretrain", "--output_dir", str(folder), "--steps", "2"]
    outcome = call(*command)
    assert AutoModelForCausalLM.from_pretrained(folder).num_parameters() < 1_000_000
    assert AutoTokenizer.from_pretrained(folder).pad_token == "<pad>"
    assert outcome.document["curve"][-1]["step"] == 2
    assert str(folder) in shown(outcome).replace("\n", "")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        call(*command)
    call(*command, "--overwrite")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_pretrain_asks_for_an_output_folder() -> None:
    with pytest.raises(InputError, match="--output_dir"):
        call("pretrain")
