"""What a study is: objectives × seeds × data, and how each run is trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from trueward.errors import InputError, nearest
from trueward.objectives import objective
from trueward.training.config import RewardConfig

OBJECTIVES = ("bt", "bsr", "aplot", "aplot + bsr", "bt + contrast")

WORLD_TRAINING: Mapping[str, Any] = {
    "learning_rate": 7e-4,
    "per_device_train_batch_size": 16,
    "per_device_eval_batch_size": 64,
    "num_train_epochs": 1,
    "warmup_steps": 10,
    "lr_scheduler_type": "linear",
    "max_length": 256,
    "logging_steps": 10,
    "eval_steps": 50,
}
"""The recipe of the gold world; `docs/goldworld.md` says how it was found."""


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
        """`RewardConfig` fields of every run."""
        return {**(WORLD_TRAINING if self.data == "goldworld" else {}), **self.training}

    def settled(self) -> dict[str, Any]:
        """The part that two sittings of one study must share."""
        values = asdict(self)
        return {f.name: values[f.name] for f in fields(self) if f.metadata["settles"]}


def settings_from(values: Mapping[str, Any]) -> StudySettings:
    """Settings from a mapping, such as a YAML file's.

    Raises:
        InputError: a key is unknown (with the nearest valid ones) or a value does not fit.
    """
    known = [f.name for f in fields(StudySettings)]
    for name in values:
        if name not in known:
            raise InputError(f"unknown setting {name!r}; {nearest(name, known)}")
    return StudySettings(**values)
