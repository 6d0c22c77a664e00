"""Fonts of this machine that show Chinese, Japanese and Korean names, to be embedded.

They are too large to bring along (4 to 20 MB). Those that an operating system or a Debian package
puts into a fixed place are looked for there; of each, only the characters that are used go into a
document. What a machine has none for is left to the fonts of the PDF viewer.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from pathlib import Path

from reportlab.pdfbase.ttfonts import TTFont

#: Debian's fonts-wqy-zenhei (all three), fonts-droid-fallback (no Korean), fonts-nanum (Korean);
#: Windows' YaHei (Chinese, Japanese) and Malgun Gothic (Korean); macOS' Arial Unicode (all three).
PLACES = (
    Path("/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc"),
    Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf"),
    Path("/usr/share/fonts/truetype/nanum/NanumGothic.ttf"),
    Path("C:/Windows/Fonts/msyh.ttc"),
    Path("C:/Windows/Fonts/malgun.ttf"),
    Path("/System/Library/Fonts/Supplemental/Arial Unicode.ttf"),
)
#: First and last character of each script: kana and han, hangul, full width.
_SCRIPTS = (
    ("\u1100", "\u11ff"),
    ("\u2e80", "\u9fff"),
    ("\uac00", "\ud7af"),
    ("\uf900", "\ufaff"),
    ("\uff00", "\uffef"),
)


def is_asian(character: str) -> bool:
    """Tell whether a character is of the Chinese, Japanese or Korean script."""
    return any(first <= character <= last for first, last in _SCRIPTS)


def installed_font(characters: Collection[str]) -> TTFont | None:
    """Return the first font of `PLACES` that shows all of some characters; None if none does."""
    found = (_load(path) for path in PLACES)
    return next((font for font in found if font and shows(font, characters)), None)


def shows(font: TTFont, characters: Collection[str]) -> bool:
    """Tell whether a font has all of some characters."""
    return all(ord(character) in font.face.charToGlyph for character in characters)


@cache
def _load(path: Path) -> TTFont | None:
    if not path.is_file():
        return None
    try:
        return TTFont(f"Bonescan{path.stem.replace(' ', '')}", str(path))
    except Exception:  # damaged, or with outlines that ReportLab cannot embed
        return None
