"""Shared test set-up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
#: Real scans lie beside the project where they are at hand; they never enter it.
REAL = ROOT.parent / "shared" / "real"


@pytest.fixture(scope="session")
def real() -> Path:
    """Folder of real scans; the test is skipped where they are not at hand."""
    if not REAL.is_dir():
        pytest.skip("the real scans (../shared/real) are not on this machine")
    return REAL


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Under continuous integration an acceptance test that was skipped fails the run."""
    if os.environ.get("BONESCAN_NO_SKIPPED_ACCEPTANCE") != "1":
        return
    skipped = [r for r in terminalreporter.getreports("skipped") if "acceptance" in r.keywords]
    for report in skipped:
        terminalreporter.write_line(f"acceptance test skipped: {report.nodeid}", red=True)
    if skipped:
        terminalreporter._session.exitstatus = pytest.ExitCode.TESTS_FAILED
