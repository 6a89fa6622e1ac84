"""The test files that take most of a run's time, printed at its end.

Tests run in parallel, so that the times add up to more than the run's duration.
"""

from collections import defaultdict
from typing import Final

import pytest

SHOWN: Final = 10


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the slowest files, set-up and tear-down included."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[report.location[0]] += report.duration
    if len(seconds) > 1:
        terminalreporter.section(f"slowest {SHOWN} files")
        slowest = sorted(seconds.items(), key=lambda item: item[1], reverse=True)
        for file, duration in slowest[:SHOWN]:
            terminalreporter.write_line(f"{duration:7.1f}s {file}")
