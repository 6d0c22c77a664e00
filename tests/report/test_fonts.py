"""Names of all scripts on paper and in pictures."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from PIL import Image, ImageDraw
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph

from bonescan.report import asian_fonts
from bonescan.report.figure import TITLE_SIZE, draw_title
from bonescan.report.fonts import in_picture, markup
from bonescan.report.pdf_blocks import STYLES

CHINESE, KOREAN, JAPANESE = "张伟", "이순신", "山田 太郎 やまだ タロウ ﾔﾏﾀﾞ 髙橋 辻"


def fonts_of(text: str) -> set[str]:
    return set(re.findall(r'<font name="([^"]+)">', markup(text)))


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the machine without Asian fonts."""
    monkeypatch.setattr(asian_fonts, "PLACES", ())


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Give the machine a font of Chinese, and one of both."""
    paths = made(tmp_path / "Chinese.ttf", CHINESE), made(tmp_path / "Both.ttf", CHINESE + KOREAN)
    monkeypatch.setattr(asian_fonts, "PLACES", (tmp_path / "absent.ttf", *paths))
    return paths


def made(path: Path, characters: str) -> Path:
    """Write a TrueType font in which each character is a black square."""
    pen = TTGlyphPen(None)
    for move, point in (
        (pen.moveTo, (50, 0)),
        (pen.lineTo, (950, 0)),
        (pen.lineTo, (950, 900)),
        (pen.lineTo, (50, 900)),
    ):
        move(point)
    pen.closePath()
    square = pen.glyph()
    spare = [f"spare{number}" for number in range(300)]  # small fonts go in whole
    names = [".notdef", *(f"uni{ord(character):04X}" for character in characters), *spare]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(
        {ord(character): f"uni{ord(character):04X}" for character in characters}
    )
    builder.setupGlyf(dict.fromkeys(names, square))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 50)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": path.stem, "styleName": "Regular", "psName": path.stem})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def page_of(text: str) -> bytes:
    stream = BytesIO()
    canvas = Canvas(stream, pageCompression=0)
    paragraph = Paragraph(markup(text), STYLES["fact"])
    paragraph.wrapOn(canvas, 400, 400)
    paragraph.drawOn(canvas, 0, 0)
    canvas.save()
    return stream.getvalue()


@pytest.mark.usefixtures("bare")
def test_a_japanese_name_is_in_one_font() -> None:
    assert fonts_of(JAPANESE) == {"HeiseiKakuGo-W5"}


@pytest.mark.usefixtures("bare")
def test_scripts_have_fonts_that_show_them() -> None:
    assert fonts_of(CHINESE) == {"STSong-Light"}
    assert fonts_of(KOREAN) == {"HYGothic-Medium"}
    assert fonts_of("Παπαδόπουλος Иванов") == {"BonescanWide"}
    assert fonts_of("Müller, José") == set()


@pytest.mark.usefixtures("bare")
def test_a_picture_shows_what_its_font_has() -> None:
    assert [said for _, said in in_picture("Müller Иванов 山田")] == ["Müller Иванов ??"]


@pytest.mark.usefixtures("installed")
def test_a_font_of_the_machine_is_embedded() -> None:
    page = page_of(f"Zhang Wei ({CHINESE})")
    assert page.count(b"/FontFile2") == 1
    assert b"+Chinese" in page
    assert b"STSong" not in page


@pytest.mark.usefixtures("installed")
def test_one_font_shows_a_whole_name_where_one_does() -> None:
    assert fonts_of(CHINESE) == {"BonescanChinese"}
    assert fonts_of(f"{CHINESE} {KOREAN}") == {"BonescanBoth"}
    assert fonts_of(f"{CHINESE} 陳") == {"BonescanChinese", "HeiseiKakuGo-W5"}


def test_a_damaged_font_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(made(tmp_path / "whole.ttf", CHINESE).read_bytes()[:300])
    monkeypatch.setattr(asian_fonts, "PLACES", (damaged,))
    assert fonts_of(CHINESE) == {"STSong-Light"}


def test_a_picture_shows_the_name_in_the_machines_font(installed: tuple[Path, Path]) -> None:
    runs = in_picture(f"Kim {KOREAN} 陳")
    assert [said for _, said in runs] == ["Kim ", KOREAN, " ?"]
    assert runs[1][0] == installed[1]
    picture = Image.new("RGB", (400, 40), "white")
    draw_title(ImageDraw.Draw(picture), f"Kim {KOREAN}", 200)
    drawn = np.asarray(picture.convert("L")) < 128
    # Three black squares of 0.9 by 0.9 em; Helvetica's and DejaVu's letters fill less.
    assert drawn.sum() > 3 * (0.85 * TITLE_SIZE) ** 2
    columns = np.flatnonzero(drawn.any(axis=0))
    assert abs(columns[0] + columns[-1] - 400) < 6
