"""The map's image overlays: streets, water, demand and unchosen sites as palette PNGs.

Thousands of vectors would stall a browser; an image costs it nothing. Leaflet stretches an image
linearly on the map's own projection, so everything is drawn in web-Mercator pixels.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from servicecircle.streets.contraction import Floats
from servicecircle.streets.network import WalkNetwork

MAX_PIXELS = 3600  # of the longer side
FINEST_M = 1.0  # metres per pixel, for small towns
MARGIN = 0.06  # of the extent, on each side
MARGIN_M = 300.0  # at least
SQUARENESS = 0.8  # shorter side to longer, at least: windows are wide or tall, the map fits both
_RADIUS = 6378137.0  # of web Mercator's sphere, by its definition
_SCALE = 2  # drawn so many times larger, then reduced, for smooth edges
_LEVELS = 5  # shades between transparent and full, per colour: three colours fit in 4 bits
_LEVEL_OF = ((np.arange(256) * _LEVELS + 127) // 255).astype(np.uint8)  # of a mask's 0 to 255

Colour = tuple[int, int, int]
Paint = Callable[["Sketch"], None]

MAJOR = {"trunk", "primary", "secondary", "tertiary"}
PATHS = {"footway", "path", "steps", "service", "cycleway", "track", "corridor", "bridleway"}


def mercator(lng: NDArray, lat: NDArray) -> tuple[Floats, Floats]:
    """Degrees → web-Mercator metres (x, y)."""
    lat = np.clip(np.asarray(lat, float), -85.0, 85.0)
    x = _RADIUS * np.radians(np.asarray(lng, float))
    return x, _RADIUS * np.log(np.tan(np.pi / 4 + np.radians(lat) / 2))


def degrees(x: float, y: float) -> tuple[float, float]:
    """Web-Mercator metres → degrees (lng, lat)."""
    lat = np.degrees(2 * np.arctan(np.exp(y / _RADIUS)) - np.pi / 2)
    return float(np.degrees(x / _RADIUS)), float(lat)


@dataclass(frozen=True)
class Frame:
    """The part of the world that the images show; ``west``, ``north`` in web-Mercator metres.

    ``pixel`` is a pixel's side in Mercator metres, ``metres`` the same on the ground.
    """

    west: float
    north: float
    pixel: float
    metres: float
    width: int
    height: int

    @classmethod
    def around(cls, lng: NDArray, lat: NDArray) -> Frame:
        """The frame of some points (at least one) with a margin."""
        x, y = mercator(lng, lat)
        stretch = 1.0 / np.cos(np.radians(float(np.mean(lat))))
        size = max(np.ptp(x), np.ptp(y))
        margin = max(MARGIN * size, MARGIN_M * stretch)
        wide, high = (max(np.ptp(v), SQUARENESS * size) + 2 * margin for v in (x, y))
        pixel = max(max(wide, high) / MAX_PIXELS, FINEST_M * stretch)
        return cls(
            west=float((x.min() + x.max() - wide) / 2),
            north=float((y.min() + y.max() + high) / 2),
            pixel=float(pixel),
            metres=float(pixel / stretch),
            width=int(np.ceil(wide / pixel)),
            height=int(np.ceil(high / pixel)),
        )

    @property
    def bounds(self) -> list[list[float]]:
        """[[south, west], [north, east]] in degrees, as Leaflet wants it."""
        south_y, east_x = self.north - self.height * self.pixel, self.west + self.width * self.pixel
        west, north = degrees(self.west, self.north)
        east, south = degrees(east_x, south_y)
        return [[south, west], [north, east]]

    def pixels(self, lng: NDArray, lat: NDArray) -> Floats:
        """(column, row) of points, fractions of a pixel kept; the corner of the image is 0, 0."""
        x, y = mercator(lng, lat)
        return np.column_stack([(x - self.west) / self.pixel, (self.north - y) / self.pixel])

    def holds(self, lng: NDArray, lat: NDArray) -> NDArray[np.bool_]:
        """Which points lie inside."""
        at = self.pixels(lng, lat)
        return np.all((at >= 0) & (at < [self.width, self.height]), axis=1)


class Sketch:
    """One colour's mask of a frame, drawn large and reduced; coordinates in image pixels."""

    def __init__(self, frame: Frame) -> None:
        self._image = Image.new("L", (frame.width * _SCALE, frame.height * _SCALE))
        self._draw = ImageDraw.Draw(self._image)

    def line(self, xy: Floats, width: float) -> None:
        """A polyline (rows of column, row), ``width`` in image pixels."""
        flat = (xy * _SCALE).ravel().tolist()
        self._draw.line(flat, fill=255, width=max(1, round(width * _SCALE)))

    def area(self, xy: Floats, *, filled: bool = True) -> None:
        """A ring, filled, or cut out again with ``filled=False``."""
        self._draw.polygon((xy * _SCALE).ravel().tolist(), fill=255 if filled else 0)

    def disc(self, x: float, y: float, r: float) -> None:
        """A filled circle."""
        x, y, r = x * _SCALE, y * _SCALE, r * _SCALE
        self._draw.ellipse((x - r, y - r, x + r, y + r), fill=255)

    def diamond(self, x: float, y: float, r: float) -> None:
        """A square on its tip, of a disc's area."""
        x, y, r = x * _SCALE, y * _SCALE, r * _SCALE * 1.25
        self._draw.polygon((x - r, y, x, y - r, x + r, y, x, y + r), fill=255)

    def cross(self, x: float, y: float, r: float) -> None:
        """An ×."""
        x, y, r = x * _SCALE, y * _SCALE, r * _SCALE
        width = max(1, round(r * 0.6))
        self._draw.line((x - r, y - r, x + r, y + r), fill=255, width=width)
        self._draw.line((x - r, y + r, x + r, y - r), fill=255, width=width)

    def levels(self) -> NDArray[np.uint8]:
        """The mask at the image's size, 0 (nothing) to `_LEVELS` (full)."""
        return _LEVEL_OF[np.asarray(self._image.reduce(_SCALE))]


def png(frame: Frame, layers: Sequence[tuple[Colour, float, Paint]]) -> str:
    """A palette PNG as a data address; of overlapping colours the stronger, then the later, wins.

    Each layer is (colour, opacity 0 to 1, what to draw).
    """
    strength = np.zeros((frame.height, frame.width), np.uint8)
    index = np.zeros_like(strength)
    colours, alphas = [(0, 0, 0)], [0]
    for number, (colour, opacity, paint) in enumerate(layers):
        sketch = Sketch(frame)
        paint(sketch)
        level = sketch.levels()
        stronger = (level >= strength) & (level > 0)
        strength[stronger] = level[stronger]
        index[stronger] = level[stronger] + number * _LEVELS
        colours += [colour] * _LEVELS
        alphas += [round(255 * opacity * k / _LEVELS) for k in range(1, _LEVELS + 1)]
    image = Image.fromarray(index, "P")
    image.putpalette([part for colour in colours for part in colour])
    file = io.BytesIO()
    image.save(file, "PNG", transparency=bytes(alphas), compress_level=6)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


# --- what is drawn --------------------------------------------------------------------------------


def streets_png(frame: Frame, network: WalkNetwork) -> str:
    """All walkable streets: main roads strong, streets plain, paths thin."""
    at = frame.pixels(network.vertex_lng, network.vertex_lat)
    rank = _street_rank(network)
    seen = _edges_inside(frame, network, at)

    def paint(which: int, width_m: float, least: float) -> Paint:
        def draw(sketch: Sketch) -> None:
            for edge in seen[rank[seen] == which]:
                a, b = network.vertex_start[edge], network.vertex_start[edge + 1]
                sketch.line(at[a:b], max(width_m / frame.metres, least))

        return draw

    return png(
        frame,
        [
            ((150, 156, 166), 0.75, paint(0, 1.5, 0.5)),
            ((128, 134, 145), 0.85, paint(1, 3.0, 1.0)),
            ((104, 110, 122), 0.95, paint(2, 5.0, 1.8)),
        ],
    )


def _street_rank(network: WalkNetwork) -> NDArray[np.int8]:
    """2 main road, 1 street, 0 path, per edge, by its first way's ``highway``."""
    way = network.vertex_way[network.vertex_start[:-1]]
    kind = network.ways["highway"].reindex(way).fillna("").str.removesuffix("_link")
    rank = np.ones(len(way), np.int8)
    rank[kind.isin(PATHS).to_numpy()] = 0
    rank[kind.isin(MAJOR).to_numpy()] = 2
    return rank


def _edges_inside(frame: Frame, network: WalkNetwork, at: Floats) -> NDArray[np.int64]:
    """Edges whose bounding box meets the frame."""
    starts = network.vertex_start[:-1]
    low, high = (f.reduceat(at, starts, axis=0) for f in (np.minimum, np.maximum))
    meets = np.all((high >= 0) & (low <= [frame.width, frame.height]), axis=1)
    return np.flatnonzero(meets)


def water_png(frame: Frame, water: gpd.GeoDataFrame) -> str | None:
    """Lakes and rivers, islands in them kept dry; None where the frame holds none."""
    (south, west), (north, east) = frame.bounds
    parts = water.geometry.cx[west:east, south:north].explode(ignore_index=True)
    parts = parts[parts.geom_type == "Polygon"]
    if not len(parts):
        return None
    by_size = parts.iloc[np.argsort(-shapely.area(parts.to_numpy()))]

    def draw(sketch: Sketch) -> None:
        for polygon in by_size:  # the largest first: a lake on an island is drawn after it
            for number, ring in enumerate((polygon.exterior, *polygon.interiors)):
                lng, lat = shapely.get_coordinates(ring).T
                sketch.area(frame.pixels(lng, lat), filled=number == 0)

    return png(frame, [((168, 205, 232), 0.9, draw)])


@dataclass(frozen=True)
class DotClass:
    """Points of one kind: which of them, how they are drawn (a `Sketch` method), their colour.

    ``scale`` makes them larger or smaller than dots usually are.
    """

    which: NDArray[np.bool_]
    shape: str
    colour: Colour
    opacity: float = 0.9
    scale: float = 1.0


def dots_png(
    frame: Frame, lng: NDArray, lat: NDArray, weight: NDArray, classes: Sequence[DotClass]
) -> str:
    """Points as dots, mildly larger where they weigh more; later classes lie on top."""
    at = frame.pixels(lng, lat)
    inside = frame.holds(lng, lat)
    radius = _radii(frame, np.asarray(weight, float), int(inside.sum()))

    def paint(one: DotClass) -> Paint:
        def draw(sketch: Sketch) -> None:
            mark = getattr(sketch, one.shape)
            for i in np.flatnonzero(one.which & inside):
                mark(at[i, 0], at[i, 1], radius[i] * one.scale)

        return draw

    return png(frame, [(c.colour, c.opacity, paint(c)) for c in classes])


def _radii(frame: Frame, weight: Floats, count: int) -> Floats:
    """Dot radii in image pixels: dots of usual weight hardly touch, and show at city scale."""
    spacing = np.sqrt(frame.width * frame.height / max(count, 1))
    usual = max(1.5, min(0.3 * spacing, max(frame.width, frame.height) / 380))
    positive = weight[weight > 0]
    middle = np.median(positive) if len(positive) else 1.0
    return usual * np.clip(np.maximum(weight, 0) / middle, 0.25, 6.0) ** 0.25
