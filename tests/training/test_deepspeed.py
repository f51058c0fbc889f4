"""DeepSpeed's ZeRO on two processes gives what one process gives, whatever is spread over them."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import deepspeed_ranks, tiny_data, tiny_models
from safetensors.torch import load_file

from trueward import Scorer
from trueward.errors import InputError
from trueward.training import RewardConfig

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("deepspeed") is None, reason="deepspeed is not installed"
    ),
]
SCRIPT = Path(deepspeed_ranks.__file__)


def launch(*arguments):
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node=2", str(SCRIPT), *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("deepspeed")
    tiny_models.save_base(tiny_models.DECODERS["llama"], str(path / "base"))
    tiny_data.tokenizer().save_pretrained(path / "base")
    return path


@pytest.fixture(scope="module")
def found(folder):
    launch(folder)
    return json.loads((folder / "found.json").read_text())


def weights(folder):
    return load_file(next(folder.glob("*model.safetensors")))


def assert_same(ours, theirs, limit):
    assert ours.keys() == theirs.keys()
    for name, weight in theirs.items():
        assert (ours[name] - weight).norm() <= limit * weight.norm(), name


@pytest.mark.parametrize("number", range(len(deepspeed_ranks.CASES)))
def test_training_is_that_of_one_process(folder, found, number, tmp_path):
    _, packing, *rest = deepspeed_ranks.CASES[number]
    built = deepspeed_ranks.trainer(folder, 1, packing, *rest)
    built.train()
    built.save_model(str(tmp_path))
    assert found["layouts"][number] == packing
    assert torch.allclose(
        torch.tensor(found["logs"][number]), torch.tensor(deepspeed_ranks.log(built)), rtol=1e-5
    )
    assert_same(weights(folder / f"case-{number}"), weights(tmp_path), 1e-5)


def test_a_run_goes_on_from_its_checkpoint(folder, found):
    whole, resumed = found["resumed"]
    assert resumed[1:] == whole[1:]
    assert_same(weights(folder / "resumed-True"), weights(folder / "resumed-False"), 0)


def test_what_cannot_work_is_refused(found):
    no_model, reentrant = found["refusals"]
    assert "stage3_gather_16bit_weights_on_model_save to true" in no_model
    assert "leave it out, or set packing=off" in reentrant


def test_a_launcher_is_asked_for(tmp_path):
    with pytest.raises(InputError, match="torchrun --nproc-per-node 1"):
        RewardConfig(str(tmp_path), deepspeed=deepspeed_ranks.config(3))


def test_the_command_trains_judges_and_saves(folder, tmp_path):
    (tmp_path / "zero.json").write_text(json.dumps(deepspeed_ranks.config(3)))
    tiny_data.pairs(24, seed=3).to_json(tmp_path / "pairs.jsonl")
    settings = {
        "model_name_or_path": folder / "base",
        "dataset_name": tmp_path / "pairs.jsonl",
        "output_dir": tmp_path / "rm",
        "deepspeed": tmp_path / "zero.json",
        "objective": "bsr(weight=0.1)",
        "learning_rate": "1e-2",
        "per_device_train_batch_size": 4,
        "report_to": "none",
    }
    launch("train", *(word for n, v in settings.items() for word in (f"--{n}", v)))
    result = json.loads((tmp_path / "rm" / "train.json").read_text())
    assert result["finished"]
    assert result["result"]["held_out"]["accuracy"]["value"] == 1
    scorer = Scorer.from_pretrained(str(tmp_path / "rm"))
    better, worse = scorer.score(["w1 "] * 2, ["w2 w4 w6 w8", "w1 w3 w5 w7"])
    assert better > worse
