"""The model on the same few pairs again and again while it trains."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import TrainerCallback

from trueward.diagnostics import effective_rank
from trueward.models import ReadOut
from trueward.training.batch import batch_metrics, pair_columns, pair_scores

PROBE_PAIRS = 32
"""Read without gradient every 50 steps of 16 pairs, they cost about 1 % of training."""
LOGGED = ("accuracy", "margin", "hidden_norm", "hidden_norm_std", "difference_norm")

Read = Callable[[nn.Module, Mapping[str, Any]], ReadOut]


class Probe(TrainerCallback):
    """Every `every` steps: accuracy, margin, norms and effective rank on a fixed set of pairs.

    Training batches differ from step to step; a fixed set shows what the model does. `keep` takes
    each metric as `probe_…`, to go out with the next log.
    """

    def __init__(
        self, every: int, batch: Mapping[str, Any], read: Read, keep: Callable[[str, Tensor], None]
    ) -> None:
        self.every, self.batch, self.read, self.keep = every, batch, read, keep

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Read the pairs if it is their turn."""
        if state.global_step % self.every == 0:
            for name, value in probe(kwargs["model"], self.batch, self.read).items():
                self.keep(f"probe_{name}", value)


def probe_rows(evaluation: Any, training: Any) -> list[dict[str, Any]]:
    """The first pairs of the evaluation data where there are any, else of the training data."""
    data = evaluation if isinstance(evaluation, Dataset) else training
    return list(data.select(range(min(PROBE_PAIRS, len(data))))) if _mapped(data) else []


@torch.no_grad()
def probe(model: nn.Module, batch: Mapping[str, Any], read: Read) -> dict[str, Tensor]:
    """One number a metric, of the model as it is in evaluation."""
    was_training = model.training
    model.eval()
    out = read(model, batch)
    model.train(was_training)
    metrics = batch_metrics(pair_columns(pair_scores(out, batch, foreign=False)), model)
    found = {name: metrics[name].mean().reshape(1) for name in LOGGED if name in metrics}
    hidden = out.hidden.float().cpu()
    rank = effective_rank(hidden.numpy()) if hidden.isfinite().all() else torch.nan
    return {**found, "effective_rank": torch.tensor([rank], dtype=torch.float32)}


def _mapped(data: Any) -> bool:
    return isinstance(data, Dataset) and len(data) > 0
