"""Preference data: load, pair, flip, encode, split. Names are imported on first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trueward.data.encode import LengthReport as LengthReport
    from trueward.data.encode import encode_groups as encode_groups
    from trueward.data.encode import encode_pairs as encode_pairs
    from trueward.data.encoder import DEFAULT_CHAT_TEMPLATE as DEFAULT_CHAT_TEMPLATE
    from trueward.data.encoder import Encoder as Encoder
    from trueward.data.load import load_rows as load_rows
    from trueward.data.load import stream_rows as stream_rows
    from trueward.data.messages import bigram_cosine as bigram_cosine
    from trueward.data.pairs import PairingReport as PairingReport
    from trueward.data.pairs import paired_prompts as paired_prompts
    from trueward.data.pairs import to_pairs as to_pairs
    from trueward.data.prompts import to_messages as to_messages
    from trueward.data.rule import PairRule as PairRule
    from trueward.data.rule import flip_labels as flip_labels
    from trueward.data.scenarios import SplitReport as SplitReport
    from trueward.data.scenarios import assert_disjoint as assert_disjoint
    from trueward.data.scenarios import most_similar as most_similar
    from trueward.data.scenarios import split_scenarios as split_scenarios
    from trueward.data.streams import StreamReport as StreamReport
    from trueward.data.streams import encode_stream as encode_stream

_NAMES = {
    "encode": ("LengthReport", "encode_groups", "encode_pairs"),
    "encoder": ("DEFAULT_CHAT_TEMPLATE", "Encoder"),
    "load": ("load_rows", "stream_rows"),
    "messages": ("bigram_cosine",),
    "pairs": ("PairingReport", "paired_prompts", "to_pairs"),
    "prompts": ("to_messages",),
    "rule": ("PairRule", "flip_labels"),
    "scenarios": ("SplitReport", "assert_disjoint", "most_similar", "split_scenarios"),
    "streams": ("StreamReport", "encode_stream"),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'trueward.data' has no attribute {name!r}")
    return getattr(import_module(f"trueward.data.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
