"""What lies beside a checkpoint's weights: how it was trained, on which prompts, running state."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from trueward.scorer import RECORD_FILE
from trueward.suites import write_train_prompts

STATE_FILE = "objective_state.safetensors"


def write_beside(
    folder: Path, record: Mapping[str, Any], pairs: Dataset | None, state: Mapping[str, Tensor]
) -> None:
    """The record, an objective's running state, and in the end hashes of the training prompts."""
    text = json.dumps(record, indent=2, ensure_ascii=False)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
    if state:
        kept = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        save_file(kept, folder / STATE_FILE)
    finished = not folder.name.startswith(PREFIX_CHECKPOINT_DIR)
    if finished and pairs is not None and "prompt" in pairs.column_names:
        write_train_prompts(pairs["prompt"], folder)


def running_state(folder: Path, device: str) -> dict[str, Tensor] | None:
    """The state that `write_beside` left in a checkpoint, if any."""
    state = folder / STATE_FILE
    return load_file(state, device=device) if state.is_file() else None


def trained_on_text(pairs: Dataset | None) -> bool | None:
    """Whether responses are text rather than messages; None where they came as token ids."""
    if pairs is None or "chosen" not in pairs.column_names:
        return None
    return isinstance(pairs[0]["chosen"], str)
