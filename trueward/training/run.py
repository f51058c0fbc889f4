"""One run: one objective and one seed, trained and judged."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from transformers import ProgressCallback
from transformers.trainer_callback import PrinterCallback

from trueward.data import Encoder
from trueward.errors import InputError
from trueward.metrics import steps_to_accuracy
from trueward.results import RunResult
from trueward.training.config import RewardConfig
from trueward.training.judge import bench, judge
from trueward.training.trainer import RewardTrainer
from trueward.types import Scenarios

RESULT_FILE = "result.json"
NOTICES_FILE = "notices.txt"
CURVES = ("loss", "accuracy", "margin", "hidden_norm", "difference_norm", "head_norm")


def run(
    *,
    model: str,
    objective: str,
    seed: int,
    scenarios: Scenarios,
    folder: Path,
    training: Mapping[str, Any],
    accuracy_threshold: float,
    probe_pairs: int,
    keep_model: bool,
) -> RunResult:
    """Train one reward model on `scenarios.train`, judge it, and write `folder/result.json`.

    Args:
        model: directory or hub name of the base model.
        objective: objective string.
        seed: of data order and head; the same for every objective of a comparison.
        scenarios: the data.
        folder: the run's own folder.
        training: `RewardConfig` fields.
        accuracy_threshold: pair accuracy whose first step is reported.
        probe_pairs: held-out pairs on which accuracy is followed during training.
        keep_model: whether to leave the trained model in `folder/model`.
    """
    start = time.perf_counter()
    probe = scenarios.in_domain_pairs
    probe = probe.select(range(min(probe_pairs, len(probe))))
    trainer = RewardTrainer(
        model=model,
        args=run_config(training, folder, seed, watch=len(probe) > 0),
        train_dataset=scenarios.train,
        eval_dataset=_plain(probe) if len(probe) else None,
        objective=objective,
    )
    trainer.remove_callback(ProgressCallback)
    trainer.remove_callback(PrinterCallback)
    encoder = Encoder(trainer.processing_class, trainer.args.max_length, trainer.args.truncation)
    held_out = bench(encoder, scenarios)  # before training: what cannot be judged is found now
    trainer.train()
    verdict = judge(trainer.model, held_out, trainer.processing_class.pad_token_id)
    curve = _curve(trainer.state.log_history)
    speed = steps_to_accuracy(
        curve.get("eval_step", []), curve.get("eval_accuracy", []), accuracy_threshold
    )
    if keep_model:
        trainer.save_model(str(folder / "model"))
    result = RunResult(
        objective=str(trainer.objective),
        label=objective,
        seed=seed,
        seconds=time.perf_counter() - start,
        steps=trainer.state.global_step,
        scores=verdict.scores,
        scalars={
            **verdict.scalars,
            "steps_to_accuracy": speed,
            "train_pairs": len(trainer.train_dataset),
            "pairs_dropped": len(scenarios.train) - len(trainer.train_dataset),
        },
        norms=verdict.norms,
        curve=curve,
        scatter=verdict.scatter,
    )
    (folder / NOTICES_FILE).write_text("\n".join(trainer.notices) + "\n", encoding="utf-8")
    result.write(folder / RESULT_FILE)
    return result


def run_config(
    training: Mapping[str, Any], folder: Path, seed: int, *, watch: bool
) -> RewardConfig:
    """How one run is trained: the study's training arguments over a study's defaults.

    Raises:
        InputError: a training argument is unknown, or not of its type.
    """
    defaults: dict[str, Any] = {
        "output_dir": str(folder / "trainer"),
        "seed": seed,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "gradient_checkpointing": False,
        "eval_strategy": "steps" if watch else "no",
    }
    try:
        return RewardConfig(**{**defaults, **training})
    except (TypeError, ValueError) as error:
        raise InputError(f"training: {str(error).splitlines()[0]}") from error


def _plain(pairs: Dataset) -> Dataset:
    return pairs.select_columns(["prompt", "chosen", "rejected"])


def _curve(history: list[dict[str, Any]]) -> dict[str, list[float]]:
    train = [row for row in history if "loss" in row]
    watched = [row for row in history if "eval_accuracy" in row]
    curve = {name: [row[name] for row in train] for name in CURVES if train and name in train[0]}
    curve["step"] = [row["step"] for row in train]
    if watched:
        curve["eval_step"] = [row["step"] for row in watched]
        curve["eval_accuracy"] = [row["eval_accuracy"] for row in watched]
    return curve
