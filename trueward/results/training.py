"""What training leaves beside a model: the record of its run, and of how it must be read."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from trueward.results.diagnosis import Interval
from trueward.results.document import NumberOrNull


class TrainDocument(TypedDict, total=False):
    """What `trueward train` came to: printed by `--json`, and in `train.json` as `result`."""

    schema: Literal["trueward.train/1"]
    folder: str
    objective: str
    """Canonical string of the objective."""
    steps: int
    """Optimiser steps."""
    held_out: Mapping[str, Interval]
    """Mean of each metric."""
    counts: Mapping[str, int]
    """Values of each metric."""
    scalars: Mapping[str, NumberOrNull]
    """Numbers by name."""
    notices: Sequence[str]
    """What to know before believing the numbers, in words."""
    environment: Mapping[str, str]
    """Versions and machine, as text."""


class TrainRecord(TypedDict):
    """`train.json` in the folder of a run of `trueward train`."""

    job: Mapping[str, Any]
    """Every setting that two sittings of one job share."""
    command: NotRequired[str]
    """What was typed."""
    finished: bool
    result: NotRequired[TrainDocument]
    """Of a finished run."""


class CheckpointRecord(TypedDict, total=False):
    """`trueward.json` beside a checkpoint's weights: how a scorer must treat text."""

    max_length: int | None
    """Longest sequence in tokens."""
    truncation: str | None
    """What becomes of longer ones."""
    text: bool | None
    """Whether responses were joined as text rather than as messages."""
