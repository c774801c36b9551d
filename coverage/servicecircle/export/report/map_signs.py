"""Station signs, legend, scale bar, north arrow and attribution on a map for paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont
from scipy.spatial import cKDTree

from servicecircle.errors import Lang
from servicecircle.export.fonts import Font
from servicecircle.export.report.numbers import clean
from servicecircle.map_images import Colour, Frame
from servicecircle.map_panel import BLUE, DARK, GREEN, ORANGE

DPI = 200  # of all pictures: sharp in print
PX_PER_MM = DPI / 25.4
SIGN_MM = (2.3, 4.4)  # smallest and largest sign
_FINER = 4  # signs are drawn so many times larger, then reduced
_WHITE: Colour = (255, 255, 255)
_BAR_MM = 30.0
_BOX = "□"
_ROW_MM, _CELL_MM, _SWATCH_MM, _TEXT_MM = 5.2, 31.0, 4.0, 2.5


def ink(colour: str) -> Colour:
    """#rrggbb as numbers."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def drawn(text: str, limit: int, font: Font) -> str:
    """Text for a picture: on one line, short, a box for what the font cannot draw."""
    short = clean(text, limit)
    missing = font.missing(short)
    return "".join(_BOX if c in missing else c for c in short)


def _font(font: Font, size: float, *, bold: bool = False) -> Any:
    path, index = (font.bold_path, font.bold_index) if bold else (font.path, font.index)
    return ImageFont.truetype(str(path), max(6, round(size)), index=index)


def sign(kind: str, label: str, size: float, font: Font) -> Image.Image:
    """A station's sign as on the map: green disc (new), blue square (existing), orange letter."""
    side = round(size * _FINER)
    tile = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(tile)
    edge = max(1, round(side * 0.07))
    box = (0, 0, side - 1, side - 1)
    inner = (edge, edge, side - 1 - edge, side - 1 - edge)
    if kind == "new":
        draw.ellipse(box, fill=_WHITE)
        draw.ellipse(inner, fill=ink(GREEN))
    elif kind == "existing":
        draw.rounded_rectangle(box, side * 0.18, fill=_WHITE)
        draw.rounded_rectangle(inner, side * 0.14, fill=ink(BLUE))
    else:
        draw.ellipse(box, fill=_WHITE)
        draw.ellipse(inner, fill=ink(ORANGE))
    share = {0: 0.6, 1: 0.62, 2: 0.52, 3: 0.4}.get(len(label), 0.32)
    letters = _font(font, side * share, bold=True)
    draw.text((side / 2, side / 2), label, font=letters, fill=_WHITE, anchor="mm")
    return tile.reduce(_FINER)


class Signs:
    """Puts signs and furniture on a map."""

    def __init__(self, canvas: Image.Image, frame: Frame, font: Font) -> None:
        self._canvas, self._frame, self._font = canvas, frame, font

    def stations(self, rows: pd.DataFrame, *, quiet: bool = False) -> None:
        """Numbered signs, the new ones on top; ``quiet``: dots without numbers."""
        if not len(rows):
            return
        at = self._frame.pixels(rows["lng"].to_numpy(float), rows["lat"].to_numpy(float))
        size = _sign_size(at)
        draw = ImageDraw.Draw(self._canvas)
        for row, (x, y) in reversed(list(zip(rows.itertuples(), at, strict=True))):
            if quiet:
                r = 0.7 * PX_PER_MM
                draw.ellipse((x - r, y - r, x + r, y + r), fill=ink(DARK), outline=_WHITE, width=2)
                continue
            kind = "new" if row.new else "existing"
            self._put(sign(kind, row.label, size, self._font), x, y)

    def letters(self, places: pd.DataFrame) -> None:
        """Lettered signs of places."""
        at = self._frame.pixels(places["lng"].to_numpy(float), places["lat"].to_numpy(float))
        for letter, (x, y) in zip(places["letter"], at, strict=True):
            self._put(sign("letter", letter, SIGN_MM[1] * PX_PER_MM, self._font), x, y)

    def _put(self, tile: Image.Image, x: float, y: float) -> None:
        left, top = round(x - tile.width / 2), round(y - tile.height / 2)
        width, height = self._canvas.size
        if -tile.width < left < width and -tile.height < top < height:
            crop = (max(-left, 0), max(-top, 0), tile.width, tile.height)
            self._canvas.alpha_composite(tile.crop(crop), (max(left, 0), max(top, 0)))

    def furniture(self, lang: Lang, attribution: str) -> None:
        """Scale bar, north arrow and whose the data are."""
        draw = ImageDraw.Draw(self._canvas)
        width, height = self._canvas.size
        small = _font(self._font, 2.1 * PX_PER_MM)
        self._plate(draw, attribution, (width - 4, height - 4), small, anchor="rd")
        metres = _round_down(_BAR_MM * PX_PER_MM * self._frame.metres)
        length = metres / self._frame.metres
        words = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
        left, below = 2.5 * PX_PER_MM, height - 2.5 * PX_PER_MM
        tick = 1.2 * PX_PER_MM
        for stroke, colour in ((7, _WHITE), (3, (30, 30, 30))):
            points = [
                (left, below - tick),
                (left, below),
                (left + length, below),
                (left + length, below - tick),
            ]
            draw.line(points, fill=colour, width=stroke)
        draw.text(
            (left + length / 2, below - 0.6 * PX_PER_MM),
            words,
            font=small,
            anchor="md",
            fill=(30, 30, 30),
            stroke_width=3,
            stroke_fill=_WHITE,
        )
        self._north(draw, "北" if lang == "zh" else "N", width)

    def _north(self, draw: Any, word: str, width: int) -> None:
        x, y, size = width - 5 * PX_PER_MM, 2.5 * PX_PER_MM, 2 * PX_PER_MM
        arrow = [(x, y), (x + size, y + 2.6 * size), (x, y + 2 * size), (x - size, y + 2.6 * size)]
        draw.polygon(arrow, fill=(30, 30, 30), outline=_WHITE)
        draw.text(
            (x, y + 2.8 * size),
            word,
            font=_font(self._font, 3 * PX_PER_MM, bold=True),
            anchor="ma",
            fill=(30, 30, 30),
            stroke_width=3,
            stroke_fill=_WHITE,
        )

    def _plate(self, draw: Any, text: str, at: tuple[float, float], font: Any, anchor: str) -> None:
        box = draw.textbbox(at, text, font=font, anchor=anchor)
        plate = Image.new(
            "RGBA", (int(box[2] - box[0]) + 10, int(box[3] - box[1]) + 6), (255,) * 3 + (210,)
        )
        self._canvas.alpha_composite(plate, (max(0, int(box[0]) - 5), max(0, int(box[1]) - 3)))
        draw.text(at, text, font=font, anchor=anchor, fill=(40, 40, 40))


class Legend:
    """Swatches with words, in columns."""

    def __init__(self, entries: Sequence[tuple[str, str, str]], font: Font) -> None:
        self._entries, self._font = list(entries), font
        self._text = _font(font, _TEXT_MM * PX_PER_MM)

    def rows(self, width: int) -> int:
        """How many rows a strip of so many pixels takes."""
        return -(-len(self._entries) // self._columns(width))

    @staticmethod
    def _columns(width: int) -> int:
        return max(1, int(width / (_CELL_MM * PX_PER_MM)))

    def draw(self, page: Image.Image, corner: tuple[int, int], end: tuple[int, int]) -> None:
        """Into the rectangle between two corners."""
        columns = self._columns(end[0] - corner[0])
        cell, row = (end[0] - corner[0]) / columns, _ROW_MM * PX_PER_MM
        draw = ImageDraw.Draw(page)
        for i, (shape, colour, words) in enumerate(self._entries):
            x = corner[0] + (i % columns) * cell + 1.5 * PX_PER_MM
            y = corner[1] + (i // columns + 0.5) * row + 0.5 * PX_PER_MM
            self._swatch(page, shape, colour, x + _SWATCH_MM / 2 * PX_PER_MM, y)
            at = (x + (_SWATCH_MM + 1.2) * PX_PER_MM, y)
            draw.text(at, words, font=self._text, fill=(30, 30, 30), anchor="lm")

    def _swatch(self, page: Image.Image, shape: str, colour: str, x: float, y: float) -> None:
        size = _SWATCH_MM * PX_PER_MM
        if shape in ("new", "existing", "letter"):
            label = {"new": "1", "existing": "E1", "letter": "A"}[shape]
            tile = sign(shape, label, size, self._font)
        else:
            tile = _swatch(shape, ink(colour), round(size))
        page.paste(tile, (round(x - tile.width / 2), round(y - tile.height / 2)), tile)


def _swatch(shape: str, colour: Colour, size: int) -> Image.Image:
    side = size * _FINER
    tile = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(tile)
    a, b, c = side * 0.28, side * 0.5, side * 0.72
    if shape == "disc":
        draw.ellipse((a, a, c, c), fill=colour)
    elif shape == "diamond":
        low, high = side * 0.2, side * 0.8
        draw.polygon((low, b, b, low, high, b, b, high), fill=colour)
    elif shape == "cross":
        width = round(side * 0.13)
        draw.line((a, a, c, c), fill=colour, width=width)
        draw.line((a, c, c, a), fill=colour, width=width)
    elif shape == "dashes":
        for left in (0.0, 0.4, 0.8):
            draw.line((left * side, b, (left + 0.25) * side, b), fill=colour, width=side // 12)
    else:
        alpha = 70 if shape == "patch" else 30
        width = side // (12 if shape == "patch" else 24)
        box = (0, side * 0.15, side - 1, side * 0.85)
        draw.rectangle(box, fill=(*colour, alpha), outline=colour, width=width)
    return tile.reduce(_FINER)


def _sign_size(at: Any) -> float:
    """Pixels: signs of usual neighbours hardly overlap, and stay legible."""
    low, high = (mm * PX_PER_MM for mm in SIGN_MM)
    if len(at) < 2:
        return high
    gap = float(np.percentile(cKDTree(at).query(at, k=2)[0][:, 1], 30))
    return min(high, max(low, gap))


def _round_down(metres: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not longer."""
    power = 10.0 ** np.floor(np.log10(metres))
    return float(power * max(step for step in (1, 2, 5) if step * power <= metres))
