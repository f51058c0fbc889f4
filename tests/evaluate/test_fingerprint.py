"""Another model or other data have another digest; the same elsewhere has the same."""

import json
import shutil

import pytest
import torch
from helpers import checkpoints
from safetensors.torch import load_file, save_file

from trueward.errors import ModelError
from trueward.evaluate import model_digest, scoring
from trueward.evaluate.benchmarks import prompts_digest
from trueward.types import Prompt


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("model"))


@pytest.fixture
def copy(model, tmp_path):
    return shutil.copytree(model, tmp_path / "copy")


def nudge(folder):
    """One weight, a little."""
    weights = load_file(folder / "model.safetensors")
    with torch.no_grad():
        next(iter(weights.values())).view(-1)[0] += 1e-3
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def test_only_what_rewards_depend_on_counts(model, copy):
    digest = model_digest(model)
    (copy / "notes.txt").write_text("mine")
    (copy / "train.json").write_text("{}")
    assert model_digest(str(copy)) == digest
    nudge(copy)
    changed = model_digest(str(copy))
    assert changed != digest
    (copy / "chat_template.jinja").write_text("{{ messages[0].content }}")
    templated = model_digest(str(copy))
    (copy / "added_tokens.json").write_text('{"w1 w2": 44}')
    assert len({digest, changed, templated, model_digest(str(copy))}) == 4


@pytest.mark.parametrize("place", [0, -8])
def test_of_a_large_file_the_start_and_the_end_are_read(copy, monkeypatch, place):
    monkeypatch.setattr(scoring, "_WHOLE", 100)
    monkeypatch.setattr(scoring, "_BLOCK", 16)
    before = model_digest(str(copy))
    file = copy / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert model_digest(str(copy)) != before


def test_an_adapter_is_known_with_its_base(copy, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"base_model_name_or_path": str(copy)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    before = model_digest(str(adapter))
    nudge(copy)
    assert model_digest(str(adapter)) != before


def test_nothing_there():
    with pytest.raises(ModelError, match="nowhere/none"):
        model_digest("nowhere/none")


def test_data_is_known_by_all_that_is_judged():
    item = Prompt(
        "a", [{"role": "user", "content": "p"}], ("r", "s"), subset="x", labels={"best": 1}
    )
    digest = prompts_digest([item])
    others = [
        Prompt("b", item.prompt, item.responses, subset="x", labels=item.labels),
        Prompt("a", item.prompt, ("s", "r"), subset="x", labels=item.labels),
        Prompt("a", item.prompt, item.responses, subset="x", labels={"best": 0}),
    ]
    assert prompts_digest([item]) == digest
    assert len({digest, *(prompts_digest([one]) for one in others)}) == 4
