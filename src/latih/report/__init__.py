"""Draw what was measured: for the terminal and as one HTML page. Computes nothing."""

from ._html import write_report
from ._methods import method_page, method_tables
from ._summary import summary_lines

__all__ = ["method_page", "method_tables", "summary_lines", "write_report"]
