"""What a study is: objectives × seeds × data, and how each run is trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from trueward.errors import InputError, nearest
from trueward.objectives import objective

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
