"""Picture sheets of prepared data: to be looked at before anything is trained on it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from bonescan import RESEARCH_USE
from bonescan.config import OtsuMask
from bonescan.files import write_whole
from bonescan.masks import label_map
from bonescan.prepare.data import PreparedCase, PreparedData
from bonescan.scan import LEFT_EDGE_SIDE, NON_METASTATIC, VIEW_NAMES

#: How the views are named in the pictures.
SHORT_NAMES = {"anterior": "ANT", "posterior": "POST"}
COLUMNS, ROWS = 3, 2
#: Grey value that is drawn black: bone in range, bladder saturated.
BLACK_AT = 95.0
#: Height of the lines above and below a canvas.
CAPTION, FOOT = 34, 18
TINT, TINT_SHARE = np.array([90.0, 150.0, 255.0]), 0.16
OUTLINE = np.array([230, 0, 0], np.uint8)
TAKEN_OUT = np.array([20, 90, 200], np.uint8)
INK, WARNING, FAINT = (0, 0, 0), (190, 0, 0), (110, 110, 110)


def write_sheets(data: PreparedData, mask: OtsuMask) -> None:
    """Write ``sheets/sheet-001.png`` and so on, six cases each; older sheets are replaced.

    Both views are shown in inverse grey, the non-metastatic body tinted blue, metastases outlined
    red, what the canvas' filters took out in blue, with the case's name, set, and flags.

    Parameters
    ----------
    data : PreparedData
        What to show.
    mask : OtsuMask
        How the body is found.
    """
    folder = data.folder / "sheets"
    pages = range(0, len(data.cases), COLUMNS * ROWS)
    names = [f"sheet-{number:03d}.png" for number in range(1, len(pages) + 1)]
    for name, start in zip(names, pages, strict=True):
        page = _page(
            data.cases[start : start + COLUMNS * ROWS], mask, f"{name} of {data.folder.name}"
        )
        packed = io.BytesIO()
        Image.fromarray(page).save(packed, "PNG")
        write_whole(folder / name, packed.getvalue())
    for old in folder.glob("sheet-*.png"):
        if old.name not in names:
            old.unlink()


def _page(cases: tuple[PreparedCase, ...], mask: OtsuMask, title: str) -> NDArray[np.uint8]:
    """Return a page (H, W, 3) uint8 of up to six cases."""
    tiles = [_tile(case, mask) for case in cases]
    height = max(tile.shape[0] for tile in tiles)
    width = max(tile.shape[1] for tile in tiles)
    page = np.full((ROWS * height + FOOT, COLUMNS * width, 3), 255, np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // COLUMNS * height, index % COLUMNS * width
        page[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return _written(page, [((6, ROWS * height + 2), f"{title}. {RESEARCH_USE}", FAINT)])


def _tile(case: PreparedCase, mask: OtsuMask) -> NDArray[np.uint8]:
    """Return one case (H, W, 3) uint8 with its caption."""
    picture = draw_case(case, mask)
    picture = np.repeat(np.repeat(picture, case.record.reduce, 0), case.record.reduce, 1)
    tile = np.pad(picture, ((CAPTION, 0), (0, 8), (0, 0)), constant_values=255)
    half = picture.shape[1] // 2
    tile[CAPTION:, half] = 225
    tile[CAPTION:, -1] = 160
    warnings = [flag.code for flag in case.flags if flag.severity != "info"]
    title = f"{case.study}  {case.set}  patient {case.patient}  {case.site}"
    lines = [((6, 2), title, INK), ((6, 17), _short(warnings), WARNING)]
    for number, view in enumerate(VIEW_NAMES):
        if view in case.gains:
            left = number * half
            other = "L" if LEFT_EDGE_SIDE[view] == "R" else "R"
            lines.append(((left + half // 2 - 14, CAPTION + 4), SHORT_NAMES[view], FAINT))
            lines.append(((left + 6, CAPTION + 4), LEFT_EDGE_SIDE[view], FAINT))
            lines.append(((left + half - 14, CAPTION + 4), other, FAINT))
    return _written(tile, lines)


def draw_case(case: PreparedCase, mask: OtsuMask) -> NDArray[np.uint8]:
    """Return a case's canvas as (H, W, 3) uint8: inverse grey, body tinted, metastases outlined.

    What the canvas' filters took out is outlined in blue.
    """
    grey, metastasis = case.grey, case.metastasis
    labels = label_map(grey, metastasis, mask, reduce=case.record.reduce)
    picture = np.repeat(255 * (1 - np.minimum(grey / BLACK_AT, 1))[:, :, None], 3, axis=2)
    body = labels.classes == NON_METASTATIC
    picture[body] = (1 - TINT_SHARE) * picture[body] + TINT_SHARE * TINT
    drawn = picture.astype(np.uint8)
    if "suppressed" in case.record.layers:
        taken_out = case.layer("suppressed") > 0
        drawn[ndimage.binary_dilation(taken_out) & ~taken_out] = TAKEN_OUT
    drawn[ndimage.binary_dilation(metastasis) & ~metastasis] = OUTLINE
    return drawn


def _short(words: list[str]) -> str:
    text = ", ".join(dict.fromkeys(words))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _written(
    picture: NDArray[np.uint8], lines: list[tuple[tuple[int, int], str, tuple[int, int, int]]]
) -> NDArray[np.uint8]:
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12)
    for place, text, colour in lines:
        draw.text(place, text, fill=colour, font=font)
    return np.asarray(image)
