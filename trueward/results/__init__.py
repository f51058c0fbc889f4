"""Every JSON document of the package: typed, with one way to read it and one to write it."""

from collections.abc import Mapping
from types import MappingProxyType

from trueward.results.diagnosis import DiagnosticsDocument
from trueward.results.document import (
    Document,
    NumberOrNull,
    check_schema,
    parse,
    read,
    schema_of,
    write,
)
from trueward.results.policy import AlignDemoDocument, AlignDocument, BestOfNDocument
from trueward.results.study import (
    Comparison,
    Difference,
    Entry,
    HistogramCounts,
    MomentsBlock,
    NormBlock,
    RunResult,
    Scatter,
    Scores,
    SplitNorms,
    StudyResults,
)
from trueward.results.suite import (
    ItemValues,
    ScoreRecord,
    SuitePart,
    SuiteResult,
    TrainPrompts,
    Weights,
)
from trueward.results.training import CheckpointRecord, TrainDocument, TrainRecord

DOCUMENTS: Mapping[str, type] = MappingProxyType(
    {
        schema_of(kind): kind
        for kind in (
            RunResult,
            StudyResults,
            SuiteResult,
            ScoreRecord,
            DiagnosticsDocument,
            BestOfNDocument,
            AlignDocument,
            AlignDemoDocument,
            TrainDocument,
            TrainPrompts,
        )
    }
)
"""The type of each schema."""

__all__ = [
    "DOCUMENTS",
    "AlignDemoDocument",
    "AlignDocument",
    "BestOfNDocument",
    "CheckpointRecord",
    "Comparison",
    "DiagnosticsDocument",
    "Difference",
    "Document",
    "Entry",
    "HistogramCounts",
    "ItemValues",
    "MomentsBlock",
    "NormBlock",
    "NumberOrNull",
    "RunResult",
    "Scatter",
    "ScoreRecord",
    "Scores",
    "SplitNorms",
    "StudyResults",
    "SuitePart",
    "SuiteResult",
    "TrainDocument",
    "TrainPrompts",
    "TrainRecord",
    "Weights",
    "check_schema",
    "parse",
    "read",
    "schema_of",
    "write",
]
