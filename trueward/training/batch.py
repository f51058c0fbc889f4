"""Batches: pairs collated, read by the model in the cheapest proven layout, scored and measured."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypedDict

import torch
import trl
from jaxtyping import Float
from torch import Tensor, nn

from trueward.data.encode import shared_length
from trueward.errors import ModelError
from trueward.models import (
    ReadOut,
    TreeRows,
    attend_over_trees,
    class_difference,
    head_norm,
    layout_difference,
    length_chunks,
    pad_right,
    plan_rows,
    read_chunks,
    read_out,
    read_trees,
)
from trueward.types import PairScores, Row

COLUMNS: Final[tuple[Literal["margin", "target", "weight"], ...]] = ("margin", "target", "weight")
LAYOUTS = {"auto": ("tree", "chunk"), "tree": ("tree", "chunk"), "chunk": ("chunk",), "off": ()}
"""The layouts that `packing` tries, in this order, before the plain padded batch."""
CHUNKS = 16
"""The most chunks of a batch."""
ROW_TOKENS = 2048
SHARED_CHUNKS = 4
"""The number with several ranks: all make as many passes, so that collectives meet."""


class PairBatch(TypedDict, total=False):
    """A batch of pairs: the chosen sequences, the rejected and, if any, the foreign ones."""

    input_ids: Tensor
    """(2 or 3 × pairs, tokens)."""
    attention_mask: Tensor
    trees: TreeRows
    """The same sequences laid out as trees."""
    margin: Tensor
    target: Tensor
    weight: Tensor


@dataclass(frozen=True)
class PairCollator:
    """Makes padded tensors of rows with `chosen_ids` and `rejected_ids`.

    With `foreign`, each chosen response is also put after another prompt of the batch, drawn as a
    random derangement. A pair whose batch holds no other prompt keeps its own.
    """

    pad_token_id: int
    foreign: bool = False
    max_length: int | None = None
    """Longest sequence, in tokens: a foreign prompt too long for its response loses its start."""
    pad_to_multiple_of: int | None = None
    trees: bool = False
    """True to lay the batch out as trees too: one a prompt, with its responses as branches."""
    row_tokens: int | None = None
    """Most tokens of a row of trees, which is a forward pass; None for one row."""

    def __call__(self, rows: Sequence[Row]) -> PairBatch:
        """Return the rows' token ids, mask and columns."""
        sequences = [r["chosen_ids"] for r in rows] + [r["rejected_ids"] for r in rows]
        owners = [*range(len(rows)), *range(len(rows))]
        if self.foreign:
            partners = other_prompts(rows)
            sequences += [self._under(rows[j], row) for row, j in zip(rows, partners, strict=True)]
            owners += partners
        ids, mask = pad_right(sequences, self.pad_token_id, self.pad_to_multiple_of or 1)
        batch: PairBatch = {"input_ids": ids, "attention_mask": mask}
        if self.trees:
            prompts = _prompts(rows)
            first = {prompt: index for index, prompt in enumerate(prompts)}
            groups = [first[prompts[j]] for j in owners]
            batch["trees"] = plan_rows(sequences, groups, self.row_tokens)
        for column in COLUMNS:
            if column in rows[0]:
                values = [float(row[column]) for row in rows]
                batch[column] = torch.tensor(values, dtype=torch.float32)
        return batch

    def _under(self, prompt_row: Row, row: Row) -> list[int]:
        prompt = list(prompt_row["chosen_ids"][: prompt_length(prompt_row)])
        response = list(row["chosen_ids"][prompt_length(row) :])
        over = 0 if self.max_length is None else len(prompt) + len(response) - self.max_length
        if over > 0:  # the first token stays: it may be [CLS] or BOS
            prompt = prompt[:1] + prompt[1 + over :]
        return prompt + response


def other_prompts(rows: Sequence[Row]) -> list[int]:
    """Return for each row the index of a row with another prompt, or its own if there is none.

    A random cyclic order is walked from each row to the next one whose prompt differs. The order
    depends on the rows alone, so a resumed run, or a loader that reads ahead, draws the same.
    """
    digest = zlib.crc32(repr([row["chosen_ids"] for row in rows]).encode())
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(digest)).tolist()
    prompts = _prompts(rows)
    partner = list(range(len(rows)))
    for place, row in enumerate(order):
        steps = (order[(place + k) % len(order)] for k in range(1, len(order)))
        partner[row] = next((other for other in steps if prompts[other] != prompts[row]), row)
    return partner


def prompt_length(row: Row) -> int:
    """Return the number of tokens of the prompt: as recorded, or the sides' common prefix."""
    if row.get("prompt_length") is not None:
        return int(row["prompt_length"])
    return shared_length(row["chosen_ids"], row["rejected_ids"])


def _prompts(rows: Sequence[Row]) -> list[tuple[int, ...]]:
    return [tuple(row["chosen_ids"][: prompt_length(row)]) for row in rows]


def row_tokens(args: trl.RewardConfig) -> int | None:
    """Return the most tokens of a forward pass over trees: on a CPU as many as its caches hold.

    None on an accelerator and with several ranks, where the whole batch is one pass.
    """
    return ROW_TOKENS if args.device.type == "cpu" and args.world_size == 1 else None


@dataclass
class BatchReader:
    """Reads rewards and hidden states of batches, without padding where that gives the same.

    Before its first batch it compares layouts with the plain padded one, on that batch and on the
    longest pair, without gradient or dropout, and chooses the first that agrees.
    """

    packing: str
    """A key of `LAYOUTS`."""
    longest: PairBatch | None
    """The longest pair as a batch of its own; None for a stream."""
    half: bool
    """True where the model computes in 16 bits somewhere, which widens the tolerance."""
    ranks: int
    all_agree: Callable[[bool], bool]
    """Returns whether the flag is set on every rank."""
    say: Callable[[str], None]
    """Takes a notice for the user."""
    layout: str | None = field(default=None, init=False)
    """The chosen layout; None before the first batch."""

    def __call__(self, model: nn.Module, inputs: PairBatch) -> ReadOut:
        """Read the batch in the chosen layout."""
        if self.layout is None:
            self.layout = self._choose_layout(model, inputs)
        return self._read(self.layout, model, inputs)

    def _choose_layout(self, model: nn.Module, inputs: PairBatch) -> str:
        was_training = model.training
        model.eval()
        try:
            self._check_class(model, inputs)
            for layout in LAYOUTS[self.packing]:
                reason = self._disagreement(layout, model, inputs)
                if self.all_agree(reason is None):
                    return layout
                reason = reason or "another rank differs"
                self.say(f"packing: {layout} does not give this model's scores ({reason})")
            return "off"
        finally:
            model.train(was_training)
            torch.clear_autocast_cache()  # weights cast without a graph must not be used with one

    def _check_class(self, model: nn.Module, inputs: PairBatch) -> None:
        for batch in (inputs, self.longest):
            if batch is None:
                continue
            reason = class_difference(model, batch["input_ids"], batch["attention_mask"])
            if not self.all_agree(reason is None):
                raise ModelError(
                    f"the model cannot be trained on the rewards that it would be used by: "
                    f"{reason or 'another rank says why'}"
                )

    @torch.no_grad()
    def _disagreement(self, layout: str, model: nn.Module, inputs: PairBatch) -> str | None:
        """Return the reason that the layout cannot be used, or None."""
        reason = None
        for batch in (inputs, self.longest):
            if batch is None:
                continue
            plain = self._read("off", model, batch)
            try:
                other = self._read(layout, model, batch)
            except ModelError as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 (whatever a foreign model's code raises)
                lines = str(error).splitlines() or [""]
                return f"{type(error).__name__}: {lines[0][:100]}"
            reason = reason or layout_difference(plain, other, half=self.half)
        return reason

    def _read(self, layout: str, model: nn.Module, inputs: PairBatch) -> ReadOut:
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        if layout == "tree" and "trees" in inputs:
            attend_over_trees(model)
            return read_trees(model, inputs["trees"])
        if layout == "chunk":
            lengths = mask.sum(dim=1).tolist()
            shared = self.ranks > 1
            most = SHARED_CHUNKS if shared else CHUNKS
            return read_chunks(model, ids, mask, length_chunks(lengths, most, exactly=shared))
        return read_out(model, ids, mask)


def pair_scores(read: ReadOut, inputs: PairBatch, *, foreign: bool) -> PairScores:
    """Split a read-out of [chosen; rejected] or [chosen; rejected; foreign] rows into pairs."""
    rewards = read.rewards.chunk(3 if foreign else 2)
    hidden = read.hidden.chunk(3 if foreign else 2)
    return PairScores(
        chosen=rewards[0],
        rejected=rewards[1],
        chosen_hidden=hidden[0],
        rejected_hidden=hidden[1],
        foreign=rewards[2] if foreign else None,
        margin=inputs.get("margin"),
        target=inputs.get("target"),
        weight=inputs.get("weight"),
    )


@torch.no_grad()
def pair_columns(scores: PairScores) -> Float[Tensor, "pairs columns"]:
    """Return each pair's r⁺, r⁻ and, with hidden states, ‖h⁺‖, ‖h⁻‖, ‖h⁺ − h⁻‖ for the log."""
    columns = [scores.chosen, scores.rejected]
    if scores.chosen_hidden is not None and scores.rejected_hidden is not None:
        up, down = scores.chosen_hidden.float(), scores.rejected_hidden.float()
        columns += [up.norm(dim=-1), down.norm(dim=-1), (up - down).norm(dim=-1)]
    return torch.stack(columns, dim=1)


@torch.no_grad()
def batch_metrics(table: Float[Tensor, "pairs columns"], model: nn.Module) -> dict[str, Tensor]:
    """Return TRL's reward metrics and the norms of `pair_columns`, one value a pair or a batch.

    `hidden_norm` is ‖h‖ over chosen and rejected, `difference_norm` is ‖h⁺ − h⁻‖, `head_norm` ‖W‖.
    """
    chosen, rejected = table[:, 0], table[:, 1]
    rewards = table[:, :2]
    metrics = {
        "min_reward": rewards.min().reshape(1),
        "mean_reward": rewards.mean(dim=1),
        "max_reward": rewards.max().reshape(1),
        "accuracy": (chosen > rejected).float(),
        "margin": chosen - rejected,
        "head_norm": head_norm(model).reshape(1),
    }
    if table.shape[1] > 2:
        norms = table[:, 2:4]
        metrics["hidden_norm"] = norms.mean(dim=1)
        metrics["hidden_norm_std"] = norms.std(correction=0).reshape(1)
        metrics["difference_norm"] = table[:, 4]
    return metrics
