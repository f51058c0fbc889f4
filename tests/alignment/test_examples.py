"""The examples' settings against the programs that they are for, where those are installed."""

import importlib.util
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import load_config_from_file

FOLDER = Path(__file__).parents[2] / "examples" / "alignment"


@pytest.fixture(scope="module")
def train():
    spec = importlib.util.spec_from_file_location("train_example", FOLDER / "train.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("algorithm", ["rloo", "grpo"])
def test_trl_takes_the_settings(train, algorithm, tmp_path):
    file = FOLDER / f"{algorithm}.yaml"
    argv = ["--config", str(file), "--output_dir", str(tmp_path), "--bf16", "false"]
    script, judge, args, model = train.parse(algorithm, argv)
    given = yaml.safe_load(file.read_text())
    settings = {**vars(script), **vars(judge), **vars(args), **vars(model)}
    for name, value in given.items():
        assert name in settings, name
        if name not in ("output_dir", "report_to"):
            assert settings[name] == value, name
    assert judge.reward_model == "my-reward-model"


@pytest.mark.parametrize(("name", "kind"), [("fsdp2", "FSDP"), ("zero3", "DEEPSPEED")])
def test_accelerate_takes_the_settings(name, kind):
    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == kind
    assert config.num_processes == 4


def test_openrlhf_has_the_flags():
    root = _package("openrlhf")
    source = (root / "cli" / "train_ppo_ray.py").read_text()
    known = set(re.findall(r'"--([\w.]+)"', source))
    known |= {
        p + f for p in ("actor", "critic") for f in re.findall(r'--\{prefix\}([\w.]+)"', source)
    }
    used = re.findall(r"--([\w.]+)", (FOLDER / "openrlhf_ppo.sh").read_text())
    assert len(used) > 20
    assert set(used) <= known


def test_verl_has_the_keys():
    root = _package("verl")
    file = root / "trainer" / "config" / "_generated_ppo_trainer.yaml"
    config = yaml.safe_load(file.read_text())
    used = re.findall(r"^   ([\w.]+)=", (FOLDER / "verl_ppo.sh").read_text(), re.MULTILINE)
    assert len(used) > 20
    for key in used:
        node = config
        for part in key.split("."):
            assert part in node, key
            node = node[part]


def _package(name):
    """The package's folder, found without importing it: it wants a GPU.

    `make test` puts it, without what it depends on, into a folder that nothing else looks in.
    """
    spec = PathFinder.find_spec(name, [str(Path(sys.prefix) / "peers"), *sys.path])
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))
