"""Which font shows which character.

Western text is set in Helvetica, one of the fonts that every PDF viewer has. What it lacks comes
embedded from DejaVu Sans, which matplotlib brings along (Greek, Cyrillic, Vietnamese and more);
Chinese, Japanese and Korean names from a font of the machine (`bonescan.report.asian_fonts`),
embedded, too. Where it has none, paper names the Asian fonts that PDF viewers supply, Japan's for
those Han characters that it has, so that a Japanese name is in one font throughout; pictures show
question marks.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont

from bonescan.report.asian_fonts import installed_font, is_asian

PLAIN, BOLD = "Helvetica", "Helvetica-Bold"
_WIDE = "BonescanWide"
#: Fonts that PDF viewers supply.
_JAPANESE, _CHINESE, _KOREAN = "HeiseiKakuGo-W5", "STSong-Light", "HYGothic-Medium"
#: Stands for what no font shows.
UNKNOWN = "?"


def markup(text: str) -> str:
    """Return a text as ReportLab's paragraph markup, each run in a font that shows it.

    Control characters, half pairs and characters that no font shows become question marks.
    """
    asian = frozenset(filter(is_asian, text))
    parts = []
    for font, run in groupby(text, lambda character: _font(character, asian)):
        shown = escape("".join(run))
        if font is None:
            shown = UNKNOWN * len(shown)
        elif font:
            shown = f'<font name="{font}">{shown}</font>'
        parts.append(shown)
    return "".join(parts)


def _font(character: str, asian: frozenset[str]) -> str | None:
    """Return the font of a character: "" for the text's own, None where none shows it.

    ``asian`` are all such characters of the text: one font is sought for them together.
    """
    if ord(character) < 32 or 0xD800 <= ord(character) < 0xE000:
        return "" if character in "\n\t" else None
    if character in asian:
        return _asian(character, asian)
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return _WIDE if ord(character) in _wide().face.charToGlyph else None
    return ""


def _asian(character: str, asian: frozenset[str]) -> str:
    own = installed_font(asian) or installed_font([character])
    if own is not None:
        return _registered(own)
    if "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7af":
        return _registered(_supplied(_KOREAN))
    return _registered(_supplied(_JAPANESE if _in_japanese(character) else _CHINESE))


@cache
def _supplied(name: str) -> UnicodeCIDFont:
    return UnicodeCIDFont(name)


def _in_japanese(character: str) -> bool:
    try:
        character.encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


def in_picture(text: str) -> list[tuple[Path, str]]:
    """Return a text as runs of a font's file and what it shows; question marks where none does."""
    asian = frozenset(filter(is_asian, text))
    shown = [_picture_font(character, asian) for character in text]
    return [
        (path, "".join(character for _, character in run))
        for path, run in groupby(shown, lambda item: item[0])
    ]


def _picture_font(character: str, asian: frozenset[str]) -> tuple[Path, str]:
    if ord(character) in _wide().face.charToGlyph:
        return wide_path(), character
    own = installed_font(asian) or installed_font([character]) if character in asian else None
    return (wide_path(), UNKNOWN) if own is None else (Path(own.face.filename), character)


@cache
def wide_path() -> Path:
    """Return the file of DejaVu Sans."""
    # Found without importing it: that would leave a settings folder in the user's home.
    found = find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"


@cache
def _wide() -> TTFont:
    font = TTFont(_WIDE, str(wide_path()))
    _registered(font)
    return font


def _registered(font: TTFont | UnicodeCIDFont) -> str:
    """Register a font, and return its name; what is bold elsewhere is set in the same one."""
    name = str(font.fontName)
    if name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(font)
        pdfmetrics.registerFontFamily(name, normal=name, bold=name, italic=name, boldItalic=name)
    return name
