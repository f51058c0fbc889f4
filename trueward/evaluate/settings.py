"""How responses are scored: what changes rewards, and what changes only speed."""

from dataclasses import dataclass
from typing import Any

import torch

from trueward.errors import InputError
from trueward.scorer import Scorer

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class ScoreSettings:
    """How a model scores; None leaves a setting to what the model was trained with."""

    max_length: int | None = None
    """Longest sequence in tokens."""
    truncation: str | None = None
    """What becomes of longer ones: `error`, `truncate_left` or `truncate_right`."""
    text: bool | None = None
    """Join prompt and response as text even where there is a chat template."""
    dtype: str = "float32"
    """Of the weights: `float32`, `bfloat16` or `float16`."""
    batch_tokens: int = 8192
    """Tokens in a batch at most; changes speed and memory only."""
    device: str | None = None
    """None for the accelerator where there is one."""

    def identity(self) -> dict[str, Any]:
        """What two sittings that write the same scores must share."""
        return {n: getattr(self, n) for n in ("max_length", "truncation", "text", "dtype")}

    def load(self, path: str) -> Scorer:
        """The model in a folder or on the hub, ready to score.

        Raises:
            ModelError: it is no reward model, or its tokenizer cannot be read.
            InputError: a setting that cannot be.
        """
        chosen = {n: getattr(self, n) for n in ("max_length", "truncation", "text")}
        given = {name: value for name, value in chosen.items() if value is not None}
        try:
            device = str(torch.device(self.device)) if self.device else None
        except RuntimeError as error:
            raise InputError(
                f"device {self.device!r}: no such device; give cpu, cuda or cuda:1"
            ) from error
        return Scorer.from_pretrained(
            path, device=device, dtype=DTYPES[self.dtype], batch_tokens=self.batch_tokens, **given
        )
