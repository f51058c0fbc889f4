"""Folders as `eval`, `diagnose`, `bon` and `train` leave them, small and quick to make."""

import json

import numpy as np

from helpers import benchmark_rows, checkpoints
from trueward.evaluate import DiagnoseOptions, ScoreSettings, diagnose, read_sets
from trueward.suites import suite

PAIRS = suite("pairs")


def suite_result(name, wins):
    rows = [
        {"prompt": f"p {n}", "chosen": "a", "rejected": "b", "subset": "odd" if n % 2 else "even"}
        for n in range(len(wins))
    ]
    scores = [[1.0, 0.0] if won else [0.0, 1.0] for won in wins]
    return PAIRS.judge(PAIRS.from_rows(rows, "t"), scores, scorer=name, draws=200)


def evaluation(folder, rates, count=150):
    """Models that are right at these rates on the suite `pairs`."""
    rng = np.random.default_rng(5)
    for name, rate in rates.items():
        place = folder / name
        place.mkdir(parents=True)
        suite_result(name, rng.random(count) < rate).write(place / "pairs.json")
        (place / "pairs.record.json").write_text("{}")
    return folder


def diagnosis(folder, tmp):
    """Two tiny models on pairs and on scored lists, with training data and a reference."""
    rng = np.random.default_rng(4)
    pairs = [
        {**row, "chosen_source": "a", "rejected_source": "b"} for row in benchmark_rows.pairs(16)
    ]
    lists = [
        {
            "prompt": f"w{i}",
            "responses": [f"w{i + k} w{3 * k} w{k}" for k in range(4)],
            "scores": rng.normal(size=4).tolist(),
        }
        for i in range(9)
    ]
    train = [{**row, "flipped": n % 4 == 0} for n, row in enumerate(benchmark_rows.pairs(12, 8))]
    write = benchmark_rows.write
    files = {
        "held_out": write(tmp / "pairs.jsonl", pairs),
        "lists": write(tmp / "lists.jsonl", lists),
    }
    models = {}
    for seed, name in enumerate(("plain", "other"), start=1):
        (tmp / name).mkdir(parents=True)
        models[name] = checkpoints.save(tmp / name, seed=seed)
    sets, known = read_sets(files, write(tmp / "train.jsonl", train))
    facts = {
        "created": "2026-01-02T03:04:05+00:00",
        "command": "trueward diagnose plain other",
        "environment": {"python": "3.11.9", "torch": "2.13.0"},
    }
    diagnose(
        models,
        sets,
        known,
        ScoreSettings(device="cpu", truncation="truncate_right"),
        folder,
        options=DiagnoseOptions(
            ("plain", models["plain"]), flip_rates={"plain": 0.0, "other": 0.25}
        ),
        facts=facts,
    )
    return folder


def training(folder, *, finished=True, steps=40):
    """A run of `trueward train` with a checkpoint's log."""
    log = []
    for step in range(10, steps + 1, 10):
        log.append({"step": step, "epoch": 1.0, "loss": 1 / step, "margin": step / 10})
        log.append(
            {"step": step, "eval_loss": 0.6, "eval_accuracy": 0.5 + step / 100, "eval_runtime": 1.0}
        )
    state = {"global_step": steps, "log_history": log}
    (folder / f"checkpoint-{steps}").mkdir(parents=True)
    (folder / f"checkpoint-{steps}" / "trainer_state.json").write_text(json.dumps(state))
    result = {
        "schema": "trueward.train/1",
        "folder": str(folder),
        "objective": "bt + bsr(weight=0.001)",
        "steps": steps,
        "held_out": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}},
        "counts": {"accuracy": 120},
        "scalars": {"accuracy_when_shorter_chosen": None, "margin": 1.5},
        "notices": ["data: 3 pairs left out"],
        "environment": {"python": "3.11.9"},
    }
    job = {
        "model_name_or_path": "org/base",
        "dataset_name": "org/data",
        "learning_rate": 1e-4,
        "seed": 7,
        "objective": "bt",
        "weight_decay": 0.0,
    }
    record = {"job": job, "finished": finished, **({"result": result} if finished else {})}
    (folder / "train.json").write_text(json.dumps(record))
    return folder


def best_of_n(folder):
    """`bon.json` with a curve that peaks."""
    gold = [{"value": v, "low": v - 0.1, "high": v + 0.1} for v in (0.0, 0.5, 0.7, 0.6)]
    fit = {"alpha": 1.0, "beta": 0.4, "r_squared": 0.97, "rmse": 0.01, "points": 3}
    document = {
        "schema": "trueward.bon/1",
        "settings": {},
        "n": [1, 2, 4, 8],
        "kl": [0.0, 0.193, 0.636, 1.204],
        "curves": [{"model": "rm", "gold": gold, "fit": fit, "peak": {"n": 4.4}}],
    }
    folder.mkdir(parents=True)
    (folder / "bon.json").write_text(json.dumps(document))
    return folder
