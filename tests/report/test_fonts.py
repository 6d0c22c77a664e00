"""Names of all scripts on paper and in pictures."""

from __future__ import annotations

import re

from bonescan.report.fonts import in_picture, markup


def fonts_of(text: str) -> set[str]:
    return set(re.findall(r'<font name="([^"]+)">', markup(text)))


def test_a_japanese_name_is_in_one_font() -> None:
    assert fonts_of("山田 太郎 やまだ タロウ ﾔﾏﾀﾞ 髙橋 辻") == {"HeiseiKakuGo-W5"}


def test_scripts_have_fonts_that_show_them() -> None:
    assert fonts_of("张伟") == {"STSong-Light"}
    assert fonts_of("이순신") == {"HYGothic-Medium"}
    assert fonts_of("Παπαδόπουλος Иванов") == {"BonescanWide"}
    assert fonts_of("Müller, José") == set()


def test_a_picture_shows_what_its_font_has() -> None:
    assert in_picture("Müller Иванов 山田") == "Müller Иванов ??"
