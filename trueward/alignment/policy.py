"""A policy that is sampled locally: the same seed gives the same responses, row by row."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from trueward.data import Encoder
from trueward.data.messages import as_messages, as_text
from trueward.errors import DataError, InputError, ModelError
from trueward.evaluate.settings import DTYPES
from trueward.models import position_limit
from trueward.types import Turns


@dataclass(frozen=True)
class SamplingSettings:
    """What responses depend on, beside the policy and the prompt.

    Raises:
        InputError: a number out of its range.
    """

    samples: int = 16
    """A prompt."""
    max_new_tokens: int = 256
    temperature: float = 1.0
    """What logits are divided by; 1 is the policy itself, of which KL(n) speaks."""
    seed: int = 0
    text: bool | None = None
    """Prompts as text even where there is a chat template; None: where there is none."""
    dtype: str = "float32"
    batch: int = 64
    """Samples generated at a time; the draws depend on it."""

    def __post_init__(self) -> None:
        for name in ("samples", "max_new_tokens", "batch"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}: expected at least 1, got {getattr(self, name)}")
        if not 0 < self.temperature < float("inf"):
            raise InputError(f"--temperature: expected above 0, got {self.temperature:g}")

    def identity(self) -> dict[str, Any]:
        """What two sittings that draw the same responses must share."""
        return asdict(self)


@dataclass(frozen=True)
class Responses:
    """Samples of one prompt."""

    texts: tuple[str, ...]
    cut: int
    """How many ended at `max_new_tokens`."""


class Policy:
    """A causal language model, sampled from its whole distribution (no top-k, no top-p).

    Raises:
        ModelError: there is no causal language model or no tokenizer at `path`.
    """

    def __init__(self, path: str, settings: SamplingSettings, device: str | None = None) -> None:
        try:
            self.tokenizer = AutoTokenizer.from_pretrained(path)
            model = AutoModelForCausalLM.from_pretrained(
                path, dtype=DTYPES[settings.dtype], use_safetensors=True
            )
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ModelError(f"cannot read a policy at {path!r}: {reason}") from error
        accelerator = torch.accelerator.current_accelerator()
        self.model = model.to(device or accelerator or "cpu").eval()
        self.settings = settings
        self.encoder = Encoder(self.tokenizer)
        self.text = self.tokenizer.chat_template is None if settings.text is None else settings.text
        self._ends = _ends(self.model, self.tokenizer)
        # the checkpoint's own would fill in penalties and cut-offs, and KL(n) would not hold
        self.model.generation_config = self._generation_config()

    def encode(self, prompt: Turns) -> list[int]:
        """Token ids that a response is drawn after.

        Raises:
            DataError: no tokens, messages that cannot be encoded, or no room for a response.
        """
        turns = as_text(prompt) if self.text else as_messages(prompt, "user")
        ids = self.encoder.encode_prompt(turns)
        limit = position_limit(self.model)
        longest = len(ids) + self.settings.max_new_tokens
        if not ids:
            raise DataError("the prompt has no tokens")
        if limit is not None and longest > limit:
            raise DataError(
                f"{len(ids)} tokens and --max_new_tokens {self.settings.max_new_tokens} are "
                f"more than the policy's {limit} positions; lower --max_new_tokens"
            )
        return ids

    def sample(self, prompt: Turns, row: int) -> Responses:
        """Draw the responses of a row: a function of settings, prompt and row. Raises as encode."""
        ids = torch.tensor([self.encode(prompt)], device=self.model.device)
        devices = [] if self.model.device.type == "cpu" else [self.model.device]
        texts: list[str] = []
        cut = 0
        with torch.random.fork_rng(devices), torch.no_grad():
            torch.manual_seed(_seed(self.settings.seed, row))
            while len(texts) < self.settings.samples:
                count = min(self.settings.batch, self.settings.samples - len(texts))
                drawn = self._draw(ids.repeat(count, 1))
                cut += sum(not self._ends & set(one) for one in drawn)
                texts += self.tokenizer.batch_decode(drawn, skip_special_tokens=True)
        return Responses(tuple(texts), cut)

    def _draw(self, ids: torch.Tensor) -> list[list[int]]:
        out = self.model.generate(ids, attention_mask=torch.ones_like(ids))
        return out[:, ids.shape[1] :].tolist()

    def _generation_config(self) -> GenerationConfig:
        ends = sorted(self._ends)
        pad = self.tokenizer.pad_token_id
        return GenerationConfig(
            do_sample=True,
            temperature=self.settings.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=self.settings.max_new_tokens,
            eos_token_id=ends or None,
            pad_token_id=pad if pad is not None else (ends or [0])[0],
            use_cache=True,
        )


def _ends(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    listed = named if isinstance(named, list) else [named]
    return frozenset(i for i in (*listed, tokenizer.eos_token_id) if i is not None)


def _seed(seed: int, row: int) -> int:
    digest = hashlib.sha256(f"bon/{seed}/{row}".encode()).digest()
    return int.from_bytes(digest[:7], "big")
