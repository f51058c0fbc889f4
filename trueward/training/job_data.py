"""The pairs of one job: those it trains on, and those held out."""

import json
import random
from collections import Counter
from dataclasses import dataclass

from datasets import Dataset

from trueward.data import load_rows, to_pairs
from trueward.errors import MissingSplitError
from trueward.goldworld import WorldConfig, build_scenarios
from trueward.training.job import Job
from trueward.types import Scenarios

HELD_OUT_SHARE = 0.05
HELD_OUT_MOST = 500


@dataclass(frozen=True)
class JobData:
    """The pairs, the gold world's scenarios if it is the world, and what was left out."""

    train: Dataset
    held_out: Dataset
    scenarios: Scenarios | None
    notices: tuple[str, ...]


def job_data(job: Job) -> JobData:
    """Load the pairs; without a test split, hold a share of the training prompts out.

    Raises:
        DataError: a split is not there, or its rows are not pairs.
    """
    if job.on_gold_world:
        scenarios = build_scenarios(WorldConfig())
        return JobData(scenarios.train, scenarios.in_domain_pairs, scenarios, ())
    script = job.script
    name = script.dataset_name
    rows = load_rows(name, split=script.dataset_train_split, config=script.dataset_config)
    pairs, report = to_pairs(rows)
    try:
        test = load_rows(name, split=script.dataset_test_split, config=script.dataset_config)
    except MissingSplitError:
        if len(pairs) < 2:
            raise
        kept, apart = _hold_out(pairs, job.training.seed)
        note = f"no split {script.dataset_test_split!r}: {len(apart)} training pairs held out"
        return JobData(kept, apart, None, (f"{name}: {report}", note))
    held_out, test_report = to_pairs(test)
    return JobData(pairs, held_out, None, (f"{name}: {report}", f"test split: {test_report}"))


def _hold_out(pairs: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """A share of the pairs, prompt by prompt, so that no prompt is on both sides."""
    column = "prompt" if "prompt" in pairs.column_names else "chosen_ids"
    prompts = [json.dumps(prompt) for prompt in pairs[column]]
    order = list(dict.fromkeys(prompts))
    random.Random(seed).shuffle(order)
    size = max(1, min(HELD_OUT_MOST, int(HELD_OUT_SHARE * len(pairs))))
    apart: set[str] = set()
    counts = Counter(prompts)
    for prompt in order[:-1]:
        if sum(counts[p] for p in apart) >= size:
            break
        apart.add(prompt)
    inside = [i for i, prompt in enumerate(prompts) if prompt not in apart]
    outside = [i for i, prompt in enumerate(prompts) if prompt in apart]
    return pairs.select(inside), pairs.select(outside)
