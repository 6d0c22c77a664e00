"""Every flag that the program can raise is documented, and some test raises it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CODES = sorted(
    {
        code
        for path in (ROOT / "src" / "bonescan").rglob("*.py")
        for code in re.findall(r'\bFlag\(\s*"([a-z-]+)"', path.read_text(encoding="utf-8"))
    }
)
PAGE = (ROOT / "docs" / "reference-result.md").read_text(encoding="utf-8")
TESTS = "".join(
    path.read_text(encoding="utf-8")
    for path in sorted((ROOT / "tests").rglob("test_*.py"))
    if path != Path(__file__)
)


def test_the_page_lists_no_flag_that_is_not_there() -> None:
    listed = re.findall(r"`([a-z-]+)`", PAGE.partition("## Flags")[2].partition("## H")[0])
    assert sorted(listed) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_flag_is_raised_by_some_test(code: str) -> None:
    assert f'"{code}"' in TESTS
