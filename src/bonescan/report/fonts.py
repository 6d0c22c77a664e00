"""Which font shows which character, with no font of the system.

Western text is set in Helvetica, one of the fonts that every PDF viewer has. What it lacks comes
embedded from DejaVu Sans, which matplotlib brings along (Greek, Cyrillic, Vietnamese and more);
Chinese, Japanese and Korean names from the Asian fonts that PDF viewers supply by name: Han
characters that Japanese has are set in its font, so that a Japanese name is in one font throughout.
Pictures have DejaVu Sans alone.
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
_JAPANESE = "HeiseiKakuGo-W5"
#: First and last character of each script, and the font that PDF viewers supply for it.
_ASIAN = (
    ("\u1100", "\u11ff", "HYGothic-Medium"),  # hangul
    ("\uac00", "\ud7af", "HYGothic-Medium"),
    ("\u2e80", "\u9fff", "STSong-Light"),  # kana, han
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
            own = _JAPANESE if _in_japanese(character) else name
            if own not in pdfmetrics.getRegisteredFontNames():
                _register(own, UnicodeCIDFont(own))
            return own
    return _WIDE if ord(character) in _wide().face.charToGlyph else None


def _in_japanese(character: str) -> bool:
    try:
        character.encode("cp932")
    except UnicodeEncodeError:
        return False
    return True


def in_picture(text: str) -> str:
    """Return a text as `wide_path` shows it: what it lacks becomes question marks."""
    known = _wide().face.charToGlyph
    return "".join(character if ord(character) in known else UNKNOWN for character in text)


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
    _register(_WIDE, font)
    return font


def _register(name: str, font: TTFont | UnicodeCIDFont) -> None:
    """Register a font; what is bold elsewhere is set in the same one."""
    pdfmetrics.registerFont(font)
    pdfmetrics.registerFontFamily(name, normal=name, bold=name, italic=name, boldItalic=name)
