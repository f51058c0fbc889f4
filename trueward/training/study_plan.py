"""The plan of a study: its settings, its data, what can be checked before a run, its baselines."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
from datasets import Dataset, load_from_disk

from trueward.data import PairRule, load_rows, split_scenarios
from trueward.errors import InputError, nearest
from trueward.goldworld import BASE_PATH, WorldConfig, build_scenarios
from trueward.metrics import kendall_per_prompt, pair_accuracy
from trueward.models import check_base
from trueward.objectives import objective
from trueward.training.config import WORLD_TRAINING, RewardConfig
from trueward.training.judging import encode_held_out, run_config
from trueward.training.prepare import check_columns, first_row, fit_template, load_tokenizer
from trueward.types import Scenarios

OBJECTIVES = ("bt", "bsr", "aplot", "aplot + bsr", "bt + contrast")
DATA_REPORT_FILE = "report.txt"


def _field(default: Any, meaning: str, *, settles: bool = True) -> Any:
    """A setting; one that `settles` the numbers may not change when a study goes on."""
    metadata = {"help": meaning, "settles": settles}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class StudySettings:
    """Everything a study depends on; each field is a flag and a YAML key.

    Raises:
        InputError: a field is out of range, or an objective is unknown.
    """

    output_dir: str = _field("runs/study", "folder of the results", settles=False)
    data: str = _field("goldworld", "goldworld, or a file or hub name of scored responses")
    model_name_or_path: str | None = _field(None, "base model (gold world: the embedded one)")
    objectives: tuple[str, ...] = _field(OBJECTIVES, "what to compare", settles=False)
    seeds: int = _field(3, "runs of each objective, with seeds 0, 1, …", settles=False)
    minutes: float | None = _field(
        None, "begin a further seed (after two) only while it fits this time", settles=False
    )
    workers: int = _field(0, "runs at a time; 0 is one a GPU, else one a core", settles=False)
    engine: Literal["local", "ray"] = _field("local", "local or ray", settles=False)
    accuracy_threshold: float = _field(0.75, "pair accuracy whose first step is reported")
    probe_pairs: int = _field(128, "held-out pairs followed during training")
    keep_models: bool = _field(True, "leave each trained model in its run's folder", settles=False)
    world: dict[str, Any] = _field({}, "the gold world's dials (WorldConfig)")
    split: dict[str, Any] = _field({}, "the scenario split (split_scenarios)")
    training: dict[str, Any] = _field({}, "training arguments (RewardConfig)")

    def __post_init__(self) -> None:
        self._check_types()
        object.__setattr__(self, "objectives", tuple(self.objectives))
        if not self.objectives:
            raise InputError("objectives: expected at least one, got none; name e.g. bt")
        canonical = [str(objective(spec)) for spec in self.objectives]
        if len(set(canonical)) < len(canonical):
            raise InputError(f"objectives: {', '.join(self.objectives)} names one twice; keep one")
        if self.seeds < 1:
            raise InputError(f"seeds: expected at least 1, got {self.seeds}")
        if self.engine not in ("local", "ray"):
            raise InputError(f"engine: expected local or ray, got {self.engine!r}")
        if self.data != "goldworld" and self.model_name_or_path is None:
            raise InputError("model_name_or_path: name the base model to train on your data")

    def _check_types(self) -> None:
        kinds: dict[str, tuple[tuple[type, ...], str]] = {
            "objectives": ((list, tuple), "a list of objectives"),
            "seeds": ((int,), "a whole number"),
            "workers": ((int,), "a whole number"),
            "probe_pairs": ((int,), "a whole number"),
            "minutes": ((int, float, type(None)), "a number"),
            "accuracy_threshold": ((int, float), "a number"),
            "world": ((dict,), "a mapping"),
            "split": ((dict,), "a mapping"),
            "training": ((dict,), "a mapping"),
        }
        for name, (kind, words) in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or isinstance(value, bool):
                raise InputError(f"{name}: expected {words}, got {value!r}")
        for name in ("seed", "output_dir", "objective"):
            if name in self.training:
                raise InputError(f"training.{name}: the study sets it for each run; leave it out")
        known = {f.name: f.default for f in fields(RewardConfig) if f.init}
        for name, value in self.training.items():
            if name not in known:
                raise InputError(f"training: unknown argument {name!r}; {nearest(name, [*known])}")
            default = known[name]
            number = isinstance(default, int | float) and not isinstance(default, bool)
            if number and not isinstance(value, int | float):
                raise InputError(f"training.{name}: expected a number, got {value!r}")

    @property
    def train_arguments(self) -> dict[str, Any]:
        """Return the `RewardConfig` fields of every run."""
        return {**(WORLD_TRAINING if self.data == "goldworld" else {}), **self.training}

    @property
    def base_model(self) -> str:
        """Return the base model's path: the user's, or the gold world's own."""
        return self.model_name_or_path or str(BASE_PATH)

    def settled(self) -> dict[str, Any]:
        """Return the part that two sittings of one study must share."""
        values = asdict(self)
        return {f.name: values[f.name] for f in fields(self) if f.metadata["settles"]}


def settings_from(values: Mapping[str, Any]) -> StudySettings:
    """Return the settings in a mapping, such as a YAML file's.

    Raises:
        InputError: a key is unknown (with the nearest valid ones) or a value does not fit.
    """
    known = [f.name for f in fields(StudySettings)]
    for name in values:
        if name not in known:
            raise InputError(f"unknown setting {name!r}; {nearest(name, known)}")
    return StudySettings(**values)


def build_data(settings: StudySettings) -> tuple[Scenarios, str]:
    """Return the gold world's scenarios or those of the user's responses, and a line about them.

    Raises:
        InputError: a dial of the world or of the split is unknown.
        DataError: the data cannot be split.
    """
    if settings.data == "goldworld":
        known = [f.name for f in fields(WorldConfig)]
        for name in settings.world:
            if name not in known:
                raise InputError(f"world: unknown setting {name!r}; {nearest(name, known)}")
        try:
            scenarios = build_scenarios(WorldConfig(**settings.world))
        except TypeError as error:
            raise InputError(f"world: {error}") from error
        return scenarios, f"gold world: {len(scenarios.train):,} training pairs"
    split: dict[str, Any] = dict(settings.split)
    try:
        if "rule" in split:
            split["rule"] = PairRule(**split["rule"])
        scenarios, report = split_scenarios(load_rows(settings.data), **split)
    except TypeError as error:
        raise InputError(f"split: {error}") from error
    return scenarios, str(report)


def check_plan(settings: StudySettings, scenarios: Scenarios) -> None:
    """Check all that can be before anything is written: model, tokenizer, columns, held-out data.

    Raises:
        InputError: a training argument, the model, an objective's column or a length is not what
            it must be.
    """
    args = run_config(settings.train_arguments, Path(settings.output_dir), 0, watch=False)
    check_base(settings.base_model)
    for spec in settings.objectives:
        check_columns(objective(spec), scenarios.train.column_names)
    tokenizer = load_tokenizer(settings.base_model, args)
    fit_template(tokenizer, first_row(scenarios.train), args, lambda line: None)
    if args.chat_template_path is None:
        encode_held_out(tokenizer, args, scenarios)


def store_data(scenarios: Scenarios, report: str, folder: Path) -> None:
    """Write each part as a `save_to_disk` folder, and the line about them."""
    for item in fields(scenarios):
        part = getattr(scenarios, item.name)
        if part is not None:
            part.save_to_disk(str(folder / item.name))
    (folder / DATA_REPORT_FILE).write_text(report + "\n", encoding="utf-8")


def load_data(folder: Path) -> Scenarios:
    """Return the scenarios that `store_data` wrote."""
    parts: dict[str, Any] = {
        item.name: load_from_disk(str(folder / item.name))
        for item in fields(Scenarios)
        if (folder / item.name).is_dir()
    }
    return Scenarios(**parts)


def data_report(folder: Path) -> str:
    """Return the line that `store_data` kept: sizes, and what was left out."""
    return (folder / DATA_REPORT_FILE).read_text(encoding="utf-8").strip()


def baselines(scenarios: Scenarios) -> dict[str, dict[str, float]]:
    """Return the means of two scorers that learn nothing, to compare every model with.

    `length` is ± the number of words, with the sign that fits the training pairs; `oracle` the gold
    score itself.
    """
    sign = _length_sign(scenarios.train)
    pair_sets = {"in_domain": scenarios.in_domain_pairs}
    if scenarios.similar_pairs is not None and len(scenarios.similar_pairs):
        pair_sets["similar"] = scenarios.similar_pairs
    length: dict[str, float] = {}
    oracle: dict[str, float] = {}
    for name, pairs in pair_sets.items():
        words = [[sign * _words(a) for a in pairs[side]] for side in ("chosen", "rejected")]
        length[f"accuracy_{name}"] = float(pair_accuracy(*words).mean())
        gold = (pairs["chosen_score"][:], pairs["rejected_score"][:])
        oracle[f"accuracy_{name}"] = float(pair_accuracy(*gold).mean())
    for name, groups in scenarios.groups().items():
        gold_scores = groups["scores"][:]
        lengths = [[sign * _words(r) for r in group] for group in groups["responses"]]
        length[f"tau_{name}"] = _mean_tau(lengths, gold_scores)
        oracle[f"tau_{name}"] = _mean_tau(gold_scores, gold_scores)
    return {"length": length, "oracle": oracle}


def _length_sign(train: Dataset) -> float:
    longer = [
        np.sign(_words(chosen) - _words(rejected))
        for chosen, rejected in zip(train["chosen"], train["rejected"], strict=True)
    ]
    return 1.0 if sum(longer) >= 0 else -1.0


def _words(response: str | list[dict[str, str]]) -> int:
    if isinstance(response, str):
        return len(response.split())
    return sum(len(turn["content"].split()) for turn in response)


def _mean_tau(scores: list[list[float]], gold: list[list[float]]) -> float:
    return float(np.nanmean(kendall_per_prompt(scores, gold)))
