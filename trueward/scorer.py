"""`Scorer`: a reward model that takes text or messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from trueward.data import Encoder
from trueward.data.messages import as_messages, as_text, check_text
from trueward.errors import DataError, InputError, ModelError, reason
from trueward.files import JsonField
from trueward.models import (
    load_reward_model,
    position_limit,
    read_object,
    score_sequences,
    settle_layout,
    unwrap,
)
from trueward.results import CheckpointRecord, parse
from trueward.types import Turns

TRUNCATIONS = ("error", "truncate_left", "truncate_right")
RECORD_FILE = "trueward.json"
"""Written by training beside a checkpoint: length and truncation of sequences, text or messages."""


@dataclass(frozen=True)
class Rewards:
    """Rewards of responses, one row a response in the order given, on the CPU."""

    values: Float[Tensor, " responses"]
    """Rewards in logits, read out in float32."""
    hidden: Float[Tensor, "responses hidden"]
    """Inputs of the head that gave them, in float32."""
    before_norm: Float[Tensor, "responses hidden"] | None
    """The same before the backbone's final norm, where it has one."""
    tokens: tuple[int, ...]
    """Length of each sequence, prompt and response together."""
    truncated: int
    """Number of sequences that were cut to `max_length`."""


class Scorer:
    """Rewards of responses, the same whatever else is in the batch.

    Each sequence is scored as `AutoModelForSequenceClassification` scores it alone. Prompts and
    responses go through the tokenizer's chat template, text as one message of the user or the
    assistant; with `text` (the default where there is no template) they are joined as text. A
    prompt that several responses share is computed once.

    Args:
        model: A `*ForSequenceClassification` model with one label.
        tokenizer: The tokenizer that lies beside it.
        max_length: Longest sequence in tokens; None for the model's own limit.
        truncation: Treatment of longer ones: `error`, `truncate_left` or `truncate_right`.
        batch_tokens: Tokens in a batch at most; changes speed and memory, not scores.
        text: Join messages as text even where there is a chat template; None: where there is none
            (a checkpoint of ours: where it was trained on text).

    Raises:
        ModelError: the model has no head or several labels.
        InputError: an unknown truncation.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: PreTrainedTokenizerBase,
        *,
        max_length: int | None = None,
        truncation: str = "error",
        batch_tokens: int = 8192,
        text: bool | None = None,
    ) -> None:
        if truncation not in TRUNCATIONS:
            valid = ", ".join(TRUNCATIONS)
            raise InputError(f"truncation={truncation!r} is unknown; valid: {valid}")
        plain = unwrap(model)
        if plain.config.num_labels != 1:
            raise ModelError(f"expected a model with one label, got {plain.config.num_labels}")
        limits = [n for n in (max_length, position_limit(plain)) if n is not None]
        self.model = model
        self.encoder = Encoder(tokenizer, min(limits, default=None), truncation)
        self.batch_tokens = batch_tokens
        self.text = tokenizer.chat_template is None if text is None else text
        config = plain.config.get_text_config()
        self._class_pad = getattr(config, "pad_token_id", None)
        pad = tokenizer.pad_token_id or 0
        self._pad: int = pad if self._class_pad is None else self._class_pad
        config.pad_token_id = self._pad  # without one the class refuses more than one sequence
        self._layout, self._proven = "", 0  # the layout holds for sequences of so many tokens

    @classmethod
    def from_pretrained(
        cls,
        path: str,
        *,
        device: str | None = None,
        device_map: Any = None,
        dtype: Any = None,
        attn_implementation: str | None = None,
        quantization_config: Any = None,
        revision: str | None = None,
        token: str | None = None,
        trust_remote_code: bool = False,
        **settings: Any,
    ) -> "Scorer":
        """Load a checkpoint, or an adapter, from a folder or the hub, in evaluation mode.

        Args:
            path: folder or hub name; tokenizer and `trueward.json` come from the same revision.
            device: where the whole model goes; None for the accelerator, if there is one.
            device_map: instead, where its parts go, as transformers takes it: "auto", …
            dtype: of the weights; None for the checkpoint's own on an accelerator, float32 on a
                CPU. Rewards are read out in float32 in any case.
            attn_implementation: as transformers takes it.
            quantization_config: as transformers takes it; None for what the checkpoint says.
            revision: branch, tag or commit of a hub name.
            token: of the hub.
            trust_remote_code: run code that lies beside the checkpoint.
            settings: those of the class; where they are silent, what the model was trained with
                counts (`trueward.json` beside it).

        Raises:
            ModelError: there is no model with a reward head, or no tokenizer beside it.
            InputError: what is beside it is damaged, or `device` and `device_map` are both given.
        """
        if device is not None and device_map is not None:
            raise InputError("device and device_map: give one, the place of all or of the parts")
        hub = {"revision": revision, "token": token}
        code = {**hub, "trust_remote_code": trust_remote_code}
        model = load_reward_model(
            path,
            dtype=default_dtype(device, device_map) if dtype is None else dtype,
            device_map=device_map or _whole_on(device, quantization_config),
            attn_implementation=attn_implementation,
            quantization_config=quantization_config,
            **code,
        )
        try:
            tokenizer = AutoTokenizer.from_pretrained(path, **code)
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot read a tokenizer at {path!r}: {reason(error)}") from error
        return cls(model, tokenizer, **{**as_trained(path, **hub), **settings})

    def score(self, prompts: Sequence[Turns], responses: Sequence[Turns]) -> list[float]:
        """Return one reward for each prompt and response, in logits.

        Raises:
            DataError: lengths differ, a sequence is too long, messages that cannot be encoded.
            ModelError: a reward is not a number.
        """
        if len(prompts) != len(responses):
            raise DataError(f"got {len(prompts)} prompts and {len(responses)} responses")
        first: dict[str, int] = {}
        groups = [first.setdefault(repr(prompt), i) for i, prompt in enumerate(prompts)]
        return self._read(prompts, responses, groups, states=False).values.tolist()

    def score_groups(
        self,
        prompts: Sequence[Turns],
        responses: Sequence[Sequence[Turns]],
        *,
        advance: Callable[[int], object] = lambda count: None,
    ) -> list[list[float]]:
        """Return the rewards of each prompt's responses. Raises as `score`.

        `advance` is told the number of responses after each batch.
        """
        rewards = self.read_groups(prompts, responses, advance=advance, states=False)
        values, edges = rewards.values.tolist(), accumulate(map(len, responses), initial=0)
        return [values[start:stop] for start, stop in pairwise(edges)]

    def read_groups(
        self,
        prompts: Sequence[Turns],
        responses: Sequence[Sequence[Turns]],
        *,
        advance: Callable[[int], object] = lambda count: None,
        states: bool = True,
    ) -> Rewards:
        """Return rewards and hidden states, group after group; raises as `score`."""
        if len(prompts) != len(responses):
            raise DataError(f"got {len(prompts)} prompts and {len(responses)} lists of responses")
        groups = [i for i, group in enumerate(responses) for _ in group]
        flat = [response for group in responses for response in group]
        return self._read([prompts[i] for i in groups], flat, groups, advance, states=states)

    def encode(self, prompt: Turns, response: Turns) -> list[int]:
        """Return the token ids that are scored, before any truncation; raises DataError."""
        check_text([prompt, response], "a prompt or response")
        if self.text:
            return self.encoder.encode(as_text(prompt), as_text(response))
        return self.encoder.encode(as_messages(prompt, "user"), response)

    def _read(
        self,
        prompts: Sequence[Turns],
        responses: Sequence[Turns],
        groups: Sequence[int],
        advance: Callable[[int], object] = lambda count: None,
        *,
        states: bool,
    ) -> Rewards:
        if not responses:
            raise DataError("got no responses to score")
        whole = [self.encode(p, r) for p, r in zip(prompts, responses, strict=True)]
        sequences = [self._fitted(ids, i, groups[i]) for i, ids in enumerate(whole)]
        if max(map(len, sequences)) > self._proven:
            self._layout = settle_layout(self.model, sequences, self._pad)
            self._proven = max(map(len, sequences))
        scored = score_sequences(
            self.model,
            sequences,
            groups=groups,
            pad_token_id=self._pad,
            batch_tokens=self.batch_tokens,
            states=states,
            layout=self._layout,
            advance=advance,
        )
        _check_finite(scored.rewards)
        lengths = tuple(map(len, sequences))
        cut = sum(self.encoder.excess(ids) > 0 for ids in whole)
        return Rewards(scored.rewards, scored.hidden, scored.before_norm, lengths, cut)

    def _fitted(self, ids: list[int], row: int, group: int) -> list[int]:
        if not ids:
            raise DataError(f"response {row} (prompt {group}) has no tokens at all")
        try:
            fitted = self.encoder.fit(ids) or []
        except DataError as error:
            raise DataError(f"response {row} (prompt {group}): {error}") from error
        # the plain class reads the last token that is no pad: where pad is EOS, one may end with it
        end = len(fitted)
        while end > 1 and fitted[end - 1] == self._class_pad:
            end -= 1
        return fitted[:end]


def _check_finite(rewards: Tensor) -> None:
    bad = torch.nonzero(~torch.isfinite(rewards)).flatten().tolist()
    if bad:
        raise ModelError(
            f"the model's reward of response {bad[0]} is {float(rewards[bad[0]])} "
            f"({len(bad)} of {len(rewards)} are not numbers); score in float32, and check that the "
            "checkpoint's weights are finite"
        )


def default_dtype(device: str | None = None, device_map: Any = None) -> str:
    """Return the type of weights that is loaded where none is named: "auto" or "float32"."""
    if torch.accelerator.current_accelerator() is None:
        return "float32"
    places = device_map.values() if isinstance(device_map, Mapping) else [device_map or device]
    return "float32" if all(str(place) in ("cpu", "disk") for place in places) else "auto"


def _whole_on(device: str | None, quantization_config: Any) -> dict[str, str] | None:
    """Return the map by which weights are read straight to one device; None for a CPU's memory."""
    place = str(device or torch.accelerator.current_accelerator() or "cpu")
    # a quantizer without a map chooses the device itself
    return None if place == "cpu" and quantization_config is None else {"": place}


def as_trained(path: str, **hub: Any) -> CheckpointRecord:
    """Return the settings of `Scorer` that a checkpoint was trained with, as far as it says.

    `hub` are the revision and token of a hub name.

    Raises:
        InputError: the record is damaged.
    """
    fields = JsonField(
        read_object(path, RECORD_FILE, **hub), f"{path}: {RECORD_FILE}", remedy="mend the field"
    )
    record = parse(fields, CheckpointRecord)
    known = {name: record.get(name) for name in CheckpointRecord.__annotations__}
    if known["truncation"] == "drop":  # a training pair may be left out, a response may not
        known["truncation"] = None
    settings = {name: value for name, value in known.items() if value is not None}
    return cast(CheckpointRecord, settings)
