"""Reports: results in; a self-contained page, Markdown or a terminal table out."""

from trueward.report.diagnosis_terminal import diagnostics_table, not_computed
from trueward.report.model_card import model_card
from trueward.report.page import write_report
from trueward.report.suite_tables import (
    DIFFERENCE_NOTE,
    SUITE_NOTE,
    difference_table,
    suite_list,
    suite_table,
    verdict,
)
from trueward.report.terminal import held_out_table, terminal_table
from trueward.report.write import Written, report

__all__ = [
    "DIFFERENCE_NOTE",
    "SUITE_NOTE",
    "Written",
    "diagnostics_table",
    "difference_table",
    "held_out_table",
    "model_card",
    "not_computed",
    "report",
    "suite_list",
    "suite_table",
    "terminal_table",
    "verdict",
    "write_report",
]
