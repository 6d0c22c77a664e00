"""Which font of a PDF shows which character, with no font of the system.

Western text is set in Helvetica, one of the fonts that every PDF viewer has. What it lacks comes
embedded from DejaVu Sans, which matplotlib brings along (Greek, Cyrillic, Vietnamese and more);
Chinese, Japanese and Korean names from the Asian fonts that PDF viewers supply by name.
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

PLAIN, BOLD = "Helvetica", "Helvetica-Bold"
_WIDE = "BonescanWide"
#: First and last character of each script, and the font that PDF viewers supply for it.
_ASIAN = (
    ("\u3040", "\u30ff", "HeiseiKakuGo-W5"),  # kana
    ("\u1100", "\u11ff", "HYGothic-Medium"),  # hangul
    ("\uac00", "\ud7af", "HYGothic-Medium"),
    ("\u2e80", "\u9fff", "STSong-Light"),  # han
    ("\uf900", "\ufaff", "STSong-Light"),
    ("\uff00", "\uffef", "STSong-Light"),  # full width
)
#: Stands for what no font shows.
UNKNOWN = "?"


def markup(text: str) -> str:
    """Return a text as ReportLab's paragraph markup, each run in a font that shows it.

    Control characters, half pairs and characters that no font shows become question marks.
    """
    parts = []
    for font, run in groupby(text, _font):
        shown = escape("".join(run))
        if font is None:
            shown = UNKNOWN * len(shown)
        elif font:
            shown = f'<font name="{font}">{shown}</font>'
        parts.append(shown)
    return "".join(parts)


@cache
def _font(character: str) -> str | None:
    """Return the font of a character: "" for the text's own, None where none shows it."""
    if ord(character) < 32 or 0xD800 <= ord(character) < 0xE000:
        return "" if character in "\n\t" else None
    try:
        character.encode("cp1252")
    except UnicodeEncodeError:
        return _other_font(character)
    return ""


def _other_font(character: str) -> str | None:
    for first, last, name in _ASIAN:
        if first <= character <= last:
            if name not in pdfmetrics.getRegisteredFontNames():
                _register(name, UnicodeCIDFont(name))
            return name
    return _WIDE if ord(character) in _wide().face.charToGlyph else None


@cache
def _wide() -> TTFont:
    # Found without importing it: that would leave a settings folder in the user's home.
    found = find_spec("matplotlib")
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parent / "mpl-data/fonts/ttf/DejaVuSans.ttf"
    font = TTFont(_WIDE, str(path))
    _register(_WIDE, font)
    return font


def _register(name: str, font: TTFont | UnicodeCIDFont) -> None:
    """Register a font; what is bold elsewhere is set in the same one."""
    pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily(name, normal=name, bold=name, italic=name, boldItalic=name)
