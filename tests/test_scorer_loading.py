"""How `Scorer.from_pretrained` and the scoring flags have a reward model loaded."""

import importlib.util
import json
import shutil

import huggingface_hub.constants
import pytest
import torch
import transformers.dynamic_module_utils
from helpers import checkpoints

from trueward import scorer as scoring
from trueward.cli import main
from trueward.errors import InputError, ModelError
from trueward.evaluate import model_digest
from trueward.scorer import Scorer, default_dtype
from trueward.settings import AlignSettings, ScoreSettings

ROWS = (["w1 w2"] * 2 + ["w3"], ["w3 w5 w7", "w4", "w9"])
PARTS = ("model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "score")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return checkpoints.save(tmp_path_factory.mktemp("m"))


@pytest.fixture(scope="module")
def scores(checkpoint):
    return Scorer.from_pretrained(checkpoint, device="cpu").score(*ROWS)


@pytest.mark.parametrize("offloaded", [(), PARTS[1:3], (PARTS[0], PARTS[4]), PARTS])
def test_parts_may_lie_anywhere(checkpoint, scores, offloaded):
    places = {part: "disk" if part in offloaded else "cpu" for part in PARTS}
    scorer = Scorer.from_pretrained(checkpoint, device_map={**places, "model.rotary_emb": "cpu"})
    assert sum(weight.is_meta for weight in scorer.model.parameters()) >= len(offloaded)
    assert scorer.score(*ROWS) == pytest.approx(scores, abs=1e-6)


def test_a_map_that_accelerate_makes(checkpoint, scores):
    scorer = ScoreSettings(device_map="auto").load(checkpoint)
    assert scorer.score(*ROWS) == pytest.approx(scores, abs=1e-6)
    with pytest.raises(InputError, match="device and device_map: give one"):
        Scorer.from_pretrained(checkpoint, device="cpu", device_map="auto")


def test_weights_are_of_the_checkpoints_type_on_an_accelerator_alone(monkeypatch):
    assert default_dtype() == default_dtype(None, "auto") == "float32"
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    for on_it in ((), ("cuda:1",), (None, "auto"), (None, {"": 0}), (None, {"a": 0, "b": "cpu"})):
        assert default_dtype(*on_it) == "auto"
    for beside_it in (("cpu",), (None, "cpu"), (None, {"a": "cpu", "b": "disk"})):
        assert default_dtype(*beside_it) == "float32"
    assert ScoreSettings().identity()["dtype"] == "auto"
    assert ScoreSettings(dtype="float32").identity()["dtype"] == "float32"


def test_the_whole_model_is_read_straight_to_an_accelerator(checkpoint, monkeypatch):
    """Not by way of the CPU's memory, nor moved: a quantized or spread model cannot be."""
    asked = []

    def load(path, **kwargs):
        asked.append(kwargs)
        raise ModelError("no accelerator here")

    monkeypatch.setattr(scoring, "load_reward_model", load)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    several = (
        ScoreSettings(),
        ScoreSettings(device="cpu"),
        ScoreSettings(device="cpu", load_in_8bit=True),
        ScoreSettings(device_map="balanced", load_in_4bit=True, trust_remote_code=True),
        ScoreSettings(device="cuda:1", attn_implementation="eager", model_revision="v2"),
    )
    for settings in several:
        with pytest.raises(ModelError):
            settings.load(checkpoint)
    maps = [{"": "cuda"}, None, {"": "cpu"}, "balanced", {"": "cuda:1"}]
    assert [one["device_map"] for one in asked] == maps
    assert [one["dtype"] for one in asked] == ["auto", "float32", "float32", "auto", "auto"]
    four = asked[3]["quantization_config"]
    assert (four.load_in_4bit, four.bnb_4bit_quant_type) == (True, "nf4")
    assert four.bnb_4bit_compute_dtype == torch.bfloat16
    assert asked[2]["quantization_config"].load_in_8bit
    assert [one["trust_remote_code"] for one in asked] == [False, False, False, True, False]
    assert (asked[4]["attn_implementation"], asked[4]["revision"]) == ("eager", "v2")


def test_rewards_are_float32_whatever_the_weights(checkpoint, scores, tmp_path):
    model = Scorer.from_pretrained(checkpoint, device="cpu").model
    shutil.copytree(checkpoint, tmp_path / "half")
    model.to(torch.bfloat16).save_pretrained(tmp_path / "half")
    whole = Scorer.from_pretrained(str(tmp_path / "half"), device="cpu")
    half = Scorer.from_pretrained(str(tmp_path / "half"), device="cpu", dtype="auto")
    assert (whole.model.dtype, half.model.dtype) == (torch.float32, torch.bfloat16)
    rewards = half.read_groups(ROWS[0], [[response] for response in ROWS[1]])
    assert rewards.values.dtype == rewards.hidden.dtype == torch.float32
    assert rewards.values.tolist() == pytest.approx(scores, abs=0.1)


def test_everything_comes_from_one_revision(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    place = tmp_path / "hub/models--org--rm"
    (place / "refs").mkdir(parents=True)
    folders = {}
    for seed, (ref, commit) in enumerate({"main": "c0ffee", "v2": "decade"}.items()):
        folders[ref] = checkpoints.save(tmp_path / ref, seed=seed, chat=None)
        record = {"max_length": 60 + seed, "text": True}
        (tmp_path / ref / "model/trueward.json").write_text(json.dumps(record))
        shutil.copytree(folders[ref], place / "snapshots" / commit)
        (place / "refs" / ref).write_text(commit)
    local = Scorer.from_pretrained(folders["v2"], device="cpu")
    there = Scorer.from_pretrained("org/rm", device="cpu", revision="v2")
    assert there.encoder.max_length == local.encoder.max_length == 61
    assert there.score(*ROWS) == local.score(*ROWS)
    assert there.score(*ROWS) != Scorer.from_pretrained("org/rm", device="cpu").score(*ROWS)
    assert (model_digest("org/rm"), model_digest("org/rm", "v2")) == (
        "org/rm@c0ffee",
        "org/rm@decade",
    )
    with pytest.raises(ModelError, match="cannot read a model at 'org/rm'"):
        Scorer.from_pretrained("org/rm", revision="v3")


CODE = """
from transformers import AutoModel, LlamaConfig, LlamaForSequenceClassification, LlamaModel

class Config(LlamaConfig):
    model_type = "tiny_rm"

class Body(LlamaModel):
    config_class = Config

AutoModel.register(Config, Body)

class Model(LlamaForSequenceClassification):
    config_class = Config
"""


def test_code_beside_a_model_is_run_only_where_it_is_trusted(
    checkpoint, scores, tmp_path, monkeypatch
):
    modules = str(tmp_path / "modules")
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", modules)
    shutil.copytree(checkpoint, tmp_path / "m")
    (tmp_path / "m/code_of_it.py").write_text(CODE)
    config = json.loads((tmp_path / "m/config.json").read_text())
    classes = {"AutoConfig": "Config", "AutoModelForSequenceClassification": "Model"}
    config |= {
        "model_type": "tiny_rm",
        "auto_map": {auto: f"code_of_it.{name}" for auto, name in classes.items()},
    }
    (tmp_path / "m/config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"brings code .* trust_remote_code$") as raised:
        Scorer.from_pretrained(str(tmp_path / "m"))
    assert "\n" not in str(raised.value)
    scorer = ScoreSettings(device="cpu", trust_remote_code=True).load(str(tmp_path / "m"))
    assert type(scorer.model).__module__.endswith("code_of_it")
    assert scorer.score(*ROWS) == pytest.approx(scores, abs=1e-6)


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed"
)
def test_what_is_missing_for_fewer_bits_is_one_line(checkpoint):
    with pytest.raises(ModelError, match="bitsandbytes") as raised:
        ScoreSettings(load_in_4bit=True).load(checkpoint)
    assert "\n" not in str(raised.value)


def test_flags_that_exclude_each_other():
    for pair in ({"load_in_4bit": True, "load_in_8bit": True}, {"device": "cpu"}):
        with pytest.raises(InputError, match="give one of them"):
            ScoreSettings(**{"device_map": "auto", **pair})


def test_scores_are_gone_on_with_only_under_what_gave_them(checkpoint, tmp_path, capsys):
    rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
    rows.write_text('{"prompt": "w1", "response": "w2"}\n')
    command = ["score", checkpoint, str(rows), "-o", str(out), "--device", "cpu"]
    assert main([*command, "--attn_implementation", "eager"]) == 0
    record = json.loads((tmp_path / "out.record.json").read_text())
    assert record["made_of"]["attn_implementation"] == "eager"
    assert record["settings"]["dtype"] == "float32"
    out.rename(tmp_path / "out.jsonl.part")
    assert main(command) == 2
    assert "attn_implementation was eager, now not given" in capsys.readouterr().err


def test_what_is_not_given_leaves_the_identity_as_earlier_versions_wrote_it():
    earlier = {"max_length": None, "truncation": None, "text": None, "dtype": "float32"}
    assert ScoreSettings().identity() == earlier
    run = {"policy": "p", "reward_models": ("r",), "prompts": "f", "output_dir": "o"}
    plain = AlignSettings(**run).identity()
    assert {"max_length", "truncation"} < plain.keys()
    assert not {"scoring", "dtype", "text", "load_in_4bit"} & plain.keys()
    bits = AlignSettings(**run, scoring=ScoreSettings(load_in_4bit=True)).identity()
    assert bits == plain | {"load_in_4bit": True}
