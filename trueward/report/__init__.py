"""Reports: results in, one self-contained page or one terminal table out."""

from trueward.report.page import write_report
from trueward.report.terminal import held_out_table, terminal_table

__all__ = ["held_out_table", "terminal_table", "write_report"]
