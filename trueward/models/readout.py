"""Token ids to rewards: a plain `*ForSequenceClassification` model read at the right token.

`read_out` is one forward pass over padded rows, `read_trees` over rows without padding.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from trueward.errors import ModelError
from trueward.models.head import backbone, head_modules, outer_modules, unwrap
from trueward.models.tree_attention import TreeMask, attend_over_trees, attend_plainly
from trueward.models.trees import TreeRows, Trees

SequenceRewards = Float[Tensor, " sequences"]
SequenceHidden = Float[Tensor, "sequences hidden"]
TokenMatrix = Int[Tensor, "sequences tokens"]
Pick: TypeAlias = Callable[[Tensor], Tensor]
"""From the states of all tokens to the state that each reward is of."""
_PASS = 64
"""Padded tokens that cost about what one more forward pass costs."""


@dataclass(frozen=True)
class ReadOut:
    """Rewards in logits and the hidden states that the head turned into them."""

    rewards: SequenceRewards
    hidden: SequenceHidden
    before_norm: SequenceHidden | None = None
    """The same states before the backbone's final norm, where asked for and where it has one."""


def read_out(
    model: nn.Module,
    input_ids: TokenMatrix,
    attention_mask: TokenMatrix,
    *,
    before_norm: bool = False,
) -> ReadOut:
    """Return rewards r = W·h, computed in float32, with h the head's input.

    A decoder is read at its last attended token, found from the attention mask and never from a
    token id; an encoder is read where its class pools. The head does so inside the model's own
    forward pass, so DDP, FSDP, ZeRO and PEFT wrappers stay in charge.
    """
    attend_plainly(model)
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask}
    return _read(model, inputs, _picker(model, attention_mask), before_norm=before_norm)


def _picker(model: nn.Module, attention_mask: TokenMatrix) -> Pick:
    """Return the way from states (sequences, tokens, width) to the one that each reward is of.

    States that the class pooled before its head are taken as they are. Where it averages over
    tokens what its head gives (EuroBERT's "late"), the mean state has that reward.
    """
    if getattr(unwrap(model).config, "classifier_pooling", None) == "late":
        share = attention_mask / attention_mask.sum(dim=1, keepdim=True)
        return lambda states: torch.einsum("st,stw->sw", share.to(states), states)
    last = attention_mask.shape[1] - 1 - attention_mask.flip(1).argmax(1)
    return partial(_pick, torch.arange(len(last)), last)


@torch.no_grad()
def class_difference(
    model: nn.Module, input_ids: TokenMatrix, attention_mask: TokenMatrix
) -> str | None:
    """Return in words how the logits of the model's own class differ from what is read, or None.

    The class's logits must be its head's output at the place that `read_out` reads: so a class
    that pools elsewhere, or does something to its logits afterwards, is found out.
    """
    attend_plainly(model)
    seen: list[Tensor] = []
    with ExitStack() as hooks:
        for head in head_modules(model):
            hook = head.register_forward_hook(lambda _module, _args, out: seen.append(out))
            hooks.callback(hook.remove)
        out = model(input_ids=input_ids, attention_mask=attention_mask, **_without_cache(model))
    name = type(unwrap(model)).__name__
    if len(seen) != 1:
        return f"{name} runs its head {len(seen)} times for one score"
    pick = _picker(model, attention_mask)
    if seen[0].dim() == 3 and seen[0].shape[:2] != attention_mask.shape:
        return f"{name} gives its head {seen[0].shape[1]} places for {input_ids.shape[1]} tokens"
    logits, ours = out[0].float().flatten(), pick(seen[0]).float().flatten()
    if logits.shape != ours.shape:
        return f"{name} gives {len(logits)} logits for {len(ours)} sequences"
    limit = (2e-2 if seen[0].dtype.itemsize == 2 else 1e-4) * float(seen[0].abs().max())
    error = float((logits - ours).abs().max())
    if not error > limit:  # a score that is no number differs from none
        return None
    return f"the logits of {name} differ by {error:.2g} from its head's output at the token read"


def _without_cache(model: nn.Module) -> dict[str, bool]:
    takes = "use_cache" in inspect.signature(unwrap(model).forward).parameters
    return {"use_cache": False} if takes else {}


def read_trees(
    model: nn.Module, trees: TreeRows, *, before_norm: bool = False, passes: int = 0
) -> ReadOut:
    """Read sequences laid out as trees: the numbers of `read_out`, from fewer tokens.

    The model must be a decoder whose every token sees earlier tokens only and whose positions are
    given by `position_ids`. Where ranks must make as many `passes`, the last row goes through the
    model again, without effect.

    Raises:
        ModelError: the model does not read its score at the last token, or takes no trees.
    """
    attend_over_trees(model)
    reads = [_read_tree(model, row, before_norm=before_norm) for row in trees.rows]
    for _ in range(len(reads), passes):
        idle = _read_tree(model, trees.rows[-1], before_norm=before_norm)
        nothing = 0 * (idle.rewards.sum() + idle.hidden.sum())
        reads[0] = replace(reads[0], rewards=reads[0].rewards + nothing)
    return joined(reads, trees.back)


def _read_tree(model: nn.Module, trees: Trees, *, before_norm: bool) -> ReadOut:
    inputs = {
        "input_ids": trees.input_ids[None],
        "position_ids": trees.position_ids[None],
        # four dimensions say that the mask is made; what is seen is in `trees`
        "attention_mask": trees.input_ids.new_ones(1, 1, 1, 1, dtype=torch.bool),
        "trees": TreeMask(trees),
    }
    pick = partial(_pick, torch.zeros_like(trees.read_at), trees.read_at)
    read = _read(model, inputs, pick, before_norm=before_norm)
    if len(read.rewards) != len(trees.read_at):
        raise ModelError("it reads its score elsewhere than at the last token")
    return read


def read_chunks(
    model: nn.Module,
    input_ids: TokenMatrix,
    attention_mask: TokenMatrix,
    chunks: Sequence[Sequence[int]],
) -> ReadOut:
    """Read rows padded on the right chunk by chunk, each as wide as its longest row."""
    reads: list[ReadOut] = []
    for rows in chunks:
        mask = attention_mask[list(rows)]
        width = int(mask.sum(dim=1).max())
        reads.append(read_out(model, input_ids[list(rows), :width], mask[:, :width]))
    back = torch.argsort(torch.tensor([i for rows in chunks for i in rows])).to(input_ids.device)
    return joined(reads, back)


def joined(reads: Sequence[ReadOut], back: Tensor) -> ReadOut:
    """Return several read-outs as one, in the order that `back` takes their rows."""
    before_norm = [read.before_norm for read in reads if read.before_norm is not None]
    back = back.to(reads[0].rewards.device)
    return ReadOut(
        torch.cat([read.rewards for read in reads])[back],
        torch.cat([read.hidden for read in reads])[back],
        torch.cat(before_norm)[back] if before_norm else None,
    )


def _read(model: nn.Module, inputs: dict[str, Any], pick: Pick, *, before_norm: bool) -> ReadOut:
    taken: dict[str, Tensor] = {}

    def at_norm(_module: nn.Module, args: tuple[Any, ...]) -> None:
        taken["norm_input"] = args[0]

    def at_end(_module: nn.Module, _args: object, output: Tensor) -> None:
        each = len(taken["hidden"]) // len(output)
        taken["reward"] = output.reshape(len(output), -1)[:, :each].flatten()

    heads = head_modules(model)
    outer = [getattr(unwrap(model), name) for name in outer_modules(model)]
    with ExitStack() as hooks:
        for head in heads:
            hooks.enter_context(_reading(head, pick, taken))
        # the gradient must pass every hook on its way, as ZeRO-3 brings weights back by them
        for module in (m for m in outer if not set(heads).isdisjoint(m.modules())):
            hooks.callback(module.register_forward_hook(at_end).remove)
        norm = _final_norm(model) if before_norm else None
        if norm is not None:
            hooks.callback(norm.register_forward_pre_hook(at_norm).remove)
        model(**inputs, **_without_cache(model))
    at_token = norm is not None and taken["head_input"].dim() == 3
    norm_input = pick(taken["norm_input"]) if at_token else None
    return ReadOut(taken["reward"], taken["hidden"], norm_input)


@contextmanager
def _reading(head: Any, pick: Pick, taken: dict[str, Tensor]) -> Iterator[None]:
    """Let the head return, in float32, each row's rewards first, and the last of them repeated.

    Inside the head's own call its weight is there, also under ZeRO-3 and offloading. A plain row
    has one reward, so whichever of its places the class pools, its logit is that reward.
    """

    def forward(states: Tensor) -> Tensor:
        hidden = pick(states)
        with torch.autocast(hidden.device.type, enabled=False):
            bias = None if head.bias is None else head.bias.float()
            reward = nn.functional.linear(hidden.float(), head.weight.float(), bias)
        taken["head_input"], taken["hidden"] = states, hidden
        if states.dim() == 2:
            return reward
        first = reward.unflatten(0, (len(states), -1))
        rest = max(0, states.shape[1] - first.shape[1])
        return torch.cat([first, first[:, -1:].expand(-1, rest, -1)], dim=1)

    name = "_old_forward" if hasattr(head, "_hf_hook") else "forward"  # of accelerate's offloading
    before = vars(head).get(name)
    setattr(head, name, forward)
    try:
        yield
    finally:
        if before is None:
            delattr(head, name)
        else:
            setattr(head, name, before)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put the model into evaluation mode; each module's mode is as before afterwards."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        torch.clear_autocast_cache()  # weights cast without a graph must not be used with one


def _final_norm(model: nn.Module) -> nn.Module | None:
    """Return the norm that ends a pre-norm backbone (`norm`, `ln_f`, …), if it has one."""
    norms = [c for c in backbone(model).children() if "norm" in type(c).__name__.lower()]
    return norms[-1] if norms else None


def _pick(rows: Tensor, places: Tensor, states: Tensor) -> Tensor:
    if states.dim() == 2:
        return states
    return states[rows.to(states.device), places.to(states.device)]


TOLERANCE, HALF_TOLERANCE = 1e-4, 5e-2
"""Largest difference between hidden states of two layouts: in 32 bits a share of their spread (a
tenth of their norm at least), so that a small leak shows; in 16 bits of their norm."""


def layout_difference(plain: ReadOut, other: ReadOut, *, half: bool) -> str | None:
    """Return in words how two layouts' read-outs of one batch differ too much, or None.

    `half`: some of the computation is in 16 bits. Products in TF32 are as coarse.
    """
    if plain.hidden.shape != other.hidden.shape:
        return "it reads the score elsewhere"
    before, after = plain.hidden.float(), other.hidden.float()
    error = (after - before).norm(dim=-1)
    scale = before.norm(dim=-1)
    kinds = {getattr(b, "fp32_precision", "") for b in (torch.backends, torch.backends.cuda.matmul)}
    if half or not kinds.isdisjoint({"tf32", "bf16"}) or plain.hidden.dtype.itemsize == 2:
        worst, limit = float((error / scale).max()), HALF_TOLERANCE
    else:
        spread = (before - before.mean(dim=0)).norm(dim=-1).max()
        worst, limit = float((error / spread.clamp(min=scale / 10)).max()), TOLERANCE
    return None if worst <= limit else f"hidden states differ by {worst:.2g} (limit {limit:g})"


def pad_right(
    sequences: Sequence[Sequence[int]], pad_token_id: int, multiple: int = 1
) -> tuple[Int[Tensor, "sequences tokens"], Int[Tensor, "sequences tokens"]]:
    """Return token ids and mask, padded on the right to the longest, rounded up to a multiple."""
    width = -(-max(len(s) for s in sequences) // multiple) * multiple
    ids = torch.full((len(sequences), width), pad_token_id, dtype=torch.long)
    mask = torch.zeros(len(sequences), width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(list(sequence), dtype=torch.long)
        mask[row, : len(sequence)] = 1
    return ids, mask


def length_chunks(lengths: Sequence[int], most: int, *, exactly: bool = False) -> list[list[int]]:
    """Return indices in chunks that waste the least padding.

    Solved by dynamic programming over sorted lengths. At most `most` chunks, a further one only
    where it spares `_PASS` tokens; with `exactly`, that many whatever they spare.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    ordered = np.asarray([lengths[i] for i in order])
    most = min(most, len(order))
    cost = np.full((most + 1, len(order) + 1), np.inf)
    cost[0, 0] = 0
    cut = np.zeros((most + 1, len(order) + 1), dtype=np.int64)
    for count in range(1, most + 1):
        for stop in range(count, len(order) + 1):
            starts = np.arange(stop)
            tries = cost[count - 1, :stop] + (stop - starts) * ordered[:stop]
            cut[count, stop] = tries.argmin()
            cost[count, stop] = tries.min()
    counts = np.arange(most + 1)
    best = most if exactly else int((cost[:, -1] + _PASS * counts).argmin())
    edges = [len(order)]
    for left in range(best, 0, -1):
        edges.append(int(cut[left, edges[-1]]))
    return [order[start:stop] for start, stop in pairwise(edges[::-1])]
