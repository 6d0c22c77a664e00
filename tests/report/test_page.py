"""The report in a real browser: nothing is fetched, nothing overflows, one A4 page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bonescan.package import Package
from bonescan.predict import Engine
from bonescan.quantify import read_scan
from bonescan.report import write_outputs
from bonescan.scan import Scan

pytestmark = pytest.mark.acceptance

QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--metrics-recording-only",
    "--hide-scrollbars",
)


@pytest.fixture(scope="module")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path:
            return path
    pytest.skip("no Chromium is installed")


@pytest.fixture(scope="module")
def page(
    tmp_path_factory: pytest.TempPathFactory, bright_package: Package, plain_scan: Scan
) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_outputs(plain_scan, read_scan(plain_scan, Engine(bright_package)), folder)
    return folder / "report.html"


def _run(browser: str, profile: Path, *options: str) -> str:
    done = subprocess.run(
        [browser, *QUIET, f"--user-data-dir={profile}", *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def _requests(browser: str, page: Path, folder: Path) -> set[str]:
    """Return what a browser asks the network for when it shows a page; nothing is answered."""
    log = folder / "net.json"
    _run(
        browser,
        folder / "profile",
        f"--log-net-log={log}",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--disable-features=NetworkTimeServiceQuerying",
        "--dump-dom",
        page.as_uri(),
    )
    asked = set(re.findall(r'"url":"(\w+://[^"]+)"', log.read_text()))
    return {url for url in asked if "google" not in url}  # the browser's own errands


def test_the_page_fetches_nothing(browser: str, page: Path, tmp_path: Path) -> None:
    control = tmp_path / "control.html"
    control.write_text('<img src="http://pictures.invalid/x.png">')
    assert _requests(browser, control, tmp_path) == {"http://pictures.invalid/x.png"}
    assert _requests(browser, page, tmp_path) == set()


@pytest.mark.parametrize("width", [360, 800, 1400])
def test_nothing_overflows(browser: str, page: Path, tmp_path: Path, width: int) -> None:
    """A frame of the given width shows the page and tells its widths to the page around it."""
    tell = "<script>onload = () => parent.postMessage(JSON.stringify(["
    tell += "document.documentElement.scrollWidth, innerWidth]), '*')</script></body>"
    allowed = page.read_text().replace("default-src 'none'", "script-src 'unsafe-inline'")
    (tmp_path / "inner.html").write_text(allowed.replace("</body>", tell))
    outer = tmp_path / "outer.html"
    outer.write_text(
        "<title>waiting</title><script>onmessage = event => { document.title = event.data }"
        f'</script><iframe src="inner.html" style="width:{width}px;height:900px;border:0">'
    )
    shown = _run(
        browser, tmp_path / "profile", "--virtual-time-budget=5000", "--dump-dom", outer.as_uri()
    )
    found = re.search(r"<title>(\[.*?\])</title>", shown)
    assert found, shown[:200]
    scrolled, available = json.loads(found.group(1))
    assert available == width
    assert scrolled <= available


def _spotted(scan: Scan, spots: int) -> Scan:
    """Return the plain body with so many hot spots in the trunk of each view."""
    views = {}
    for view in scan.views:
        counts = np.minimum(view.counts, 8)
        for number in range(spots):
            row, column = 190 + 40 * (number // 5), 85 + 20 * (number % 5)
            counts[row : row + 7, column : column + 7] = 120
        views[view.name] = replace(view, counts=counts)
    return replace(scan, **views)


@pytest.mark.parametrize(("spots", "sheets"), [(1, 1), (9, 1), (35, 2)])
def test_sheets_of_paper(
    browser: str,
    bright_package: Package,
    plain_scan: Scan,
    tmp_path: Path,
    spots: int,
    sheets: int,
) -> None:
    """A case with 18 marks stays on one sheet; 70 go on to a second one, headings repeated."""
    scan = _spotted(plain_scan, spots)
    reading = read_scan(scan, Engine(bright_package))
    assert len(reading.lesions) == 2 * spots
    write_outputs(scan, reading, tmp_path / "out")
    target = tmp_path / "page.pdf"
    _run(
        browser,
        tmp_path / "profile",
        "--no-pdf-header-footer",
        f"--print-to-pdf={target}",
        (tmp_path / "out" / "report.html").as_uri(),
    )
    assert len(re.findall(rb"/Type\s*/Page\b", target.read_bytes())) == sheets
