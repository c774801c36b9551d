"""A tile's picture out of its node: exact coverage per pixel, sixteen levels, a small palette.

Coverage is the exact area of the outlines in each pixel: every edge adds its signed trapezoid to
the pixels it passes, and a running sum along the row fills what lies right of it. It is rounded to
fifteenths: a picture with one rim has sixteen colours. A pixel shows the last band that covers it;
where that band covers a part, it is blended with what lies under it in that share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.export.tiles.grids import TILE_PX
from servicecircle.export.tiles.outlines import Band
from servicecircle.export.tiles.png import picture
from servicecircle.export.tiles.quadtree import NOTHING, Node

__all__ = ["Painter"]


@dataclass
class Painter:
    """Paints nodes as PNG bytes; one per thread (it owns the scratch arrays).

    ``size`` is the side of a picture in pixels: 256, or 512 for @2x.
    """

    bands: Sequence[Band]
    size: int = TILE_PX
    _acc: NDArray[np.float32] = field(init=False, repr=False)
    _indices: NDArray[np.uint8] = field(init=False, repr=False)
    _solid: dict[int, bytes] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._acc = np.zeros((self.size, self.size + 2), np.float32)
        self._indices = np.zeros((self.size, self.size), np.uint8)
        self._solid = {}
        colour = np.array([band.colour for band in self.bands], float).reshape(-1, 3)
        opacity = np.array([band.opacity for band in self.bands], float)
        self._inks = np.column_stack([colour * opacity[:, None], opacity])  # premultiplied

    def paint(self, node: Node) -> bytes | None:
        """The PNG of a node's square; None where no pixel of it is to be seen."""
        if node.uniform:
            return self.solid(node.under)
        size = 2.0**node.zoom
        rims = np.array(sorted(set(node.band.tolist())))
        mixes = np.zeros((256, len(rims)), np.uint8)
        used, index = mixed(
            node.across, node.down, node.starts, node.band, rims, node.column / size,
            node.row / size, size * self.size, self._acc, self._indices, mixes,
        )  # fmt: skip
        if 0 <= index <= len(rims):  # what there is of a rim rounds to nothing, or to everything
            return self.solid(int(rims[index - 1]) if index else node.under)
        colours, alphas = self._palette(node.under, rims, mixes[:used])
        return picture(self._indices, colours, alphas) if alphas.any() else None

    def solid(self, band: int) -> bytes | None:
        """The PNG of a square that one band covers, or none; always the same bytes."""
        if band == NOTHING or self.bands[band].opacity == 0:
            return None
        if band not in self._solid:
            indices = np.zeros((self.size, self.size), np.uint8)
            nothing = np.empty(0, np.int64), np.zeros((1, 0), np.uint8)
            self._solid[band] = picture(indices, *self._palette(band, *nothing))
        return self._solid[band]

    def _palette(
        self, under: int, rims: NDArray[np.int64], mixes: NDArray[np.uint8]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """RGB (n, 3) and alpha (n,) of mixes: per row, fifteenths of every band in ``rims``."""
        rgba = np.empty((len(mixes), 4), np.uint8)
        colour(under, rims, mixes, self._inks, rgba)
        return rgba[:, :3], rgba[:, 3]


# --- kernels --------------------------------------------------------------------------------------


@numba.njit(cache=True, nogil=True)
def add_edge(acc, x0, y0, x1, y1, reach):  # type: ignore[no-untyped-def]
    """Add an edge's signed areas to ``acc``, whose running sum along a row is the coverage.

    Pixels, y down; ends within the picture (0 … size on both axes), not at one height.
    """
    sign = -1.0
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, 1.0
    slope = (x1 - x0) / (y1 - y0)
    size = acc.shape[0]
    for row in range(int(y0), min(size, int(np.ceil(y1)))):
        y_from, y_to = max(y0, float(row)), min(y1, row + 1.0)
        d = sign * (y_to - y_from)
        xa, xb = x0 + slope * (y_from - y0), x0 + slope * (y_to - y0)
        if xa > xb:
            xa, xb = xb, xa
        xa, xb = max(xa, 0.0), min(xb, float(size))
        first = int(xa)
        last = int(np.ceil(xb))
        reach[row, 0] = min(reach[row, 0], first)
        reach[row, 1] = max(reach[row, 1], min(size, max(last, first + 1) + 1))
        if last <= first + 1:  # within one pixel
            right = 0.5 * (xa + xb) - first  # share of the pixel left of the edge
            acc[row, first] += d * (1.0 - right)
            acc[row, first + 1] += d * right
        else:  # across several: the covered share grows as a parabola, a line, a parabola
            per_px = d / (xb - xa)
            done = 0.0
            before = 0.0  # what a running sum over the pixels so far gives
            for px in range(first, last):
                inside_from, inside_to = max(xa, float(px)), min(xb, px + 1.0)
                part = per_px * (inside_to - inside_from)
                cover = done + part * (px + 1.0 - 0.5 * (inside_from + inside_to))
                acc[row, px] += cover - before
                before = cover
                done += part
            acc[row, last] += d - before


@numba.njit(cache=True, nogil=True)
def accumulate(a, b, starts, band, wanted, left, top, per_unit, acc, reach):  # type: ignore[no-untyped-def]
    """Add the edges of one band to ``acc``; ``reach[row]`` becomes the columns touched: [from, to).

    Edges on the left border fill their rows from the start: they touch column 0 alone.
    """
    size = acc.shape[0]
    for row in range(size):
        reach[row, 0], reach[row, 1] = size, 0
    for ring in range(len(band)):
        if band[ring] != wanted:
            continue
        first, last = starts[ring], starts[ring + 1]
        x0, y0 = (a[last - 1] - left) * per_unit, (b[last - 1] - top) * per_unit
        for i in range(first, last):
            x1, y1 = (a[i] - left) * per_unit, (b[i] - top) * per_unit
            if y0 != y1 and not (x0 == size and x1 == size):
                add_edge(acc, x0, y0, x1, y1, reach)
            x0, y0 = x1, y1


@numba.njit(cache=True, nogil=True)
def overlay(acc, reach, indices, codes, mixes, used, column):  # type: ignore[no-untyped-def]
    """Paint one band over ``indices`` by its coverage in ``acc``, which is left all zero.

    ``codes[index, fifteenths]`` is the index of a mix, 0 where there is none yet. Index
    ``column + 1`` is the band by itself. Returns the number of mixes now in use; when a palette is
    full, a new mix becomes what lies under it, or the band.
    """
    size = acc.shape[0]
    whole = column + 1
    for row in range(size):
        first, last = reach[row, 0], reach[row, 1]
        if first >= last:
            continue  # no edge: nothing (a band that fills whole rows has one on the left border)
        total = np.float32(0.0)
        for px in range(first, last):
            total += acc[row, px]
            acc[row, px] = 0.0
            level = int(abs(total) * np.float32(15.0) + np.float32(0.5))
            if level >= 15:
                indices[row, px] = whole
            elif level > 0:
                under = indices[row, px]
                if codes[under, level] == 0:
                    if used < 256:
                        for other in range(column):
                            mixes[used, other] = mixes[under, other]
                        mixes[used, column] = level
                        codes[under, level] = used
                        used += 1
                    else:
                        codes[under, level] = whole if level >= 8 else under
                indices[row, px] = codes[under, level]
        if abs(total) > 0.5:  # behind the last edge all is in, or out
            for px in range(last, size):
                indices[row, px] = whole
        acc[row, size] = 0.0
        acc[row, size + 1] = 0.0
    return used


@numba.njit(cache=True, nogil=True)
def mixed(a, b, starts, band, rims, left, top, per_unit, acc, indices, mixes):  # type: ignore[no-untyped-def]
    """Per pixel the index of a mix, into ``indices``; the number of mixes, and `one_index`.

    ``rims`` are the bands with a rim here, rising. A mix is a row of ``mixes`` (all zero before):
    fifteenths of every such band, each over those before it. Row 0 is what lies under all; 1, 2, …
    are the bands by themselves.
    """
    size = acc.shape[0]
    for row in range(size):
        for px in range(size):
            indices[row, px] = 0
    reach = np.empty((size, 2), np.int64)
    codes = np.empty((256, 16), np.int64)
    used = len(rims) + 1
    for k in range(len(rims)):
        mixes[k + 1, k] = 15
    for k in range(len(rims)):
        for index in range(256):
            for level in range(16):
                codes[index, level] = 0
        accumulate(a, b, starts, band, rims[k], left, top, per_unit, acc, reach)
        used = overlay(acc, reach, indices, codes, mixes, used, k)
    return used, one_index(indices)


@numba.njit(cache=True, nogil=True)
def one_index(indices):  # type: ignore[no-untyped-def]
    """The index that all pixels have, or −1."""
    size = indices.shape[0]
    first = indices[0, 0]
    for row in range(size):
        for px in range(size):
            if indices[row, px] != first:
                return -1
    return np.int64(first)


@numba.njit(cache=True, nogil=True)
def colour(under, rims, mixes, inks, rgba):  # type: ignore[no-untyped-def]
    """The colour of every mix over the band ``under``; inks are premultiplied, ``rgba`` is not."""
    for k in range(len(mixes)):
        alpha = inks[under, 3] if under >= 0 else 0.0
        for column in range(len(rims)):
            alpha += mixes[k, column] / 15.0 * (inks[rims[column], 3] - alpha)
        for c in range(3):
            ink = inks[under, c] if under >= 0 else 0.0
            for column in range(len(rims)):
                ink += mixes[k, column] / 15.0 * (inks[rims[column], c] - ink)
            rgba[k, c] = int(ink / max(alpha, 1e-9) + 0.5)  # of what is not seen: black
        rgba[k, 3] = int(255.0 * alpha + 0.5)
