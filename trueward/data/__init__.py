"""Preference data: load, pair, flip, encode, split. Names are imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueward.data.conversation import to_messages as to_messages
    from trueward.data.disjoint import assert_disjoint as assert_disjoint
    from trueward.data.encode import Encoder as Encoder
    from trueward.data.encoded import encode_groups as encode_groups
    from trueward.data.encoded import encode_pairs as encode_pairs
    from trueward.data.flips import flip_labels as flip_labels
    from trueward.data.load import load_rows as load_rows
    from trueward.data.pairing import to_pairs as to_pairs
    from trueward.data.reports import LengthReport as LengthReport
    from trueward.data.reports import PairingReport as PairingReport
    from trueward.data.reports import SplitReport as SplitReport
    from trueward.data.rule import PairRule as PairRule
    from trueward.data.scenarios import split_scenarios as split_scenarios
    from trueward.data.similarity import most_similar as most_similar
    from trueward.data.template import DEFAULT_CHAT_TEMPLATE as DEFAULT_CHAT_TEMPLATE

_HOME = {
    "DEFAULT_CHAT_TEMPLATE": "template",
    "Encoder": "encode",
    "LengthReport": "reports",
    "PairRule": "rule",
    "PairingReport": "reports",
    "SplitReport": "reports",
    "assert_disjoint": "disjoint",
    "encode_groups": "encoded",
    "encode_pairs": "encoded",
    "flip_labels": "flips",
    "load_rows": "load",
    "most_similar": "similarity",
    "split_scenarios": "scenarios",
    "to_messages": "conversation",
    "to_pairs": "pairing",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trueward.data' has no attribute {name!r}")
    return getattr(import_module(f"trueward.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
