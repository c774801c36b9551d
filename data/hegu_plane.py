"""The drawing board of 河谷市: a plane in metres, its bend, and the geometry drawn on it.

The city is laid out on an even board of 14 × 8 km (u along the valley, v across it) and then bent
once, smoothly, into the valley (x east, y north, metres). Whatever is drawn inside blocks is drawn
after the bend, so that offsets and widths are true metres.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, MultiLineString, Point, Polygon
from shapely.geometry.base import BaseGeometry

Floats = NDArray[np.float64]

WIDTH_M, HEIGHT_M = 14_000.0, 8_000.0
# Empty Gobi of western Alxa: nobody lives there, and GCJ-02 is some 310 m off.
ORIGIN_LNG, ORIGIN_LAT = 104.2, 41.2
WGS84_A, WGS84_E2 = 6_378_137.0, 0.00669437999014

#: (u, v, radius in m, turn in degrees): quarters that were laid out by other hands, each askew
SWIRLS = (
    (6200, 4650, 1500, -11.0),
    (3900, 4800, 1500, 10.0),
    (9700, 4900, 1700, -13.0),
    (7600, 2200, 1500, 12.0),
    (4300, 2200, 1400, -8.0),
    (1300, 4300, 1200, 9.0),
    (12700, 3600, 1300, 12.0),
)


@dataclass
class Line:
    """One street, path or track before noding: points in metres, its tags, its level."""

    points: list[tuple[float, float]]
    tags: dict[str, str]
    level: int = 0
    island: bool = False

    @property
    def geometry(self) -> LineString:
        """The line as a geometry."""
        return LineString(self.points)


@dataclass
class Area:
    """A closed way: outline in metres and tags; ``gates`` are points on it that are openings."""

    polygon: Polygon
    tags: dict[str, str]
    gates: list[tuple[float, float]] = field(default_factory=list)


@dataclass
class Spot:
    """A node with tags of its own, in metres."""

    x: float
    y: float
    tags: dict[str, str]


def bend(points: Iterable[Sequence[float]]) -> list[tuple[float, float]]:
    """Board (u, v) → valley (x, y), metres; smooth and free of folds."""
    uv = np.array([tuple(p) for p in points], dtype=float)
    u, v = uv[:, 0].copy(), uv[:, 1].copy()
    for cu, cv, radius, degrees in SWIRLS:
        du, dv = u - cu, v - cv
        turn = np.radians(degrees) * np.exp(-(du * du + dv * dv) / (2 * radius * radius))
        u = cu + du * np.cos(turn) - dv * np.sin(turn)
        v = cv + du * np.sin(turn) + dv * np.cos(turn)
    v = v + 520 * np.sin((u - 1500) * 2 * np.pi / 15_500) + 60 * np.sin(u / 900)
    u = u + 70 * np.sin(v / 800 + u / 3100)
    angle = math.radians(9.0)
    x = (u - WIDTH_M / 2) * math.cos(angle) - (v - HEIGHT_M / 2) * math.sin(angle)
    y = (u - WIDTH_M / 2) * math.sin(angle) + (v - HEIGHT_M / 2) * math.cos(angle)
    return [(round(float(a), 2), round(float(b), 2)) for a, b in zip(x, y, strict=True)]


def bend_one(u: float, v: float) -> tuple[float, float]:
    """One point of the board in the valley."""
    return bend([(u, v)])[0]


def degrees_of(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Valley metres → WGS-84 (lng, lat), rounded to 1e-6 degrees (about 0.1 m)."""
    phi = math.radians(ORIGIN_LAT)
    w = 1 - WGS84_E2 * math.sin(phi) ** 2
    parallel = WGS84_A / math.sqrt(w) * math.cos(phi)
    meridian = WGS84_A * (1 - WGS84_E2) / w**1.5
    lng = ORIGIN_LNG + np.degrees(np.asarray(x) / parallel)
    lat = ORIGIN_LAT + np.degrees(np.asarray(y) / meridian)
    return np.round(lng, 6), np.round(lat, 6)


def smooth(points: Sequence[tuple[float, float]], step: float = 60.0) -> list[tuple[float, float]]:
    """A curve through the points (Catmull-Rom), one vertex about every ``step`` metres."""
    p = np.array([points[0], *points, points[-1]], dtype=float)
    out: list[tuple[float, float]] = []
    for i in range(1, len(p) - 2):
        a, b, c, d = p[i - 1 : i + 3]
        n = max(1, round(math.dist(b, c) / step))
        for t in np.arange(n) / n:
            q = 0.5 * (
                2 * b
                + (c - a) * t
                + (2 * a - 5 * b + 4 * c - d) * t**2
                + (3 * b - a - 3 * c + d) * t**3
            )
            out.append((float(q[0]), float(q[1])))
    out.append((float(p[-1][0]), float(p[-1][1])))
    return out


def rounded(geometry: BaseGeometry) -> list[tuple[float, float]]:
    """A line's vertices, to a centimetre, without repetitions."""
    out: list[tuple[float, float]] = []
    for x, y in geometry.coords:
        q = (round(x, 2), round(y, 2))
        if not out or q != out[-1]:
            out.append(q)
    return out


def lines_in(geometry: BaseGeometry, shortest: float = 0.5) -> list[LineString]:
    """The lines a geometry is made of, those longer than ``shortest`` metres."""
    parts = shapely.get_parts(geometry) if geometry is not None else []
    out: list[LineString] = []
    for part in parts:
        if isinstance(part, MultiLineString) or part.geom_type == "GeometryCollection":
            out += lines_in(part, shortest)
        elif part.geom_type in ("LineString", "LinearRing") and part.length > shortest:
            out.append(LineString(part.coords))
    return out


def polygons_in(geometry: BaseGeometry, smallest: float = 1.0) -> list[Polygon]:
    """The polygons a geometry is made of, those larger than ``smallest`` square metres."""
    parts = shapely.get_parts(geometry) if geometry is not None else []
    out: list[Polygon] = []
    for part in parts:
        if part.geom_type in ("MultiPolygon", "GeometryCollection"):
            out += polygons_in(part, smallest)
        elif part.geom_type == "Polygon" and part.area > smallest:
            out.append(part)
    return out


def parallel(line: LineString, distance: float, step: float = 2.0) -> LineString | None:
    """The line shifted to its left by ``distance`` metres (right where negative), simplified."""
    shifted = line.offset_curve(distance, join_style="mitre", mitre_limit=2.0).simplify(step)
    parts = lines_in(shifted)
    return max(parts, key=lambda part: part.length) if parts else None


def orientation(polygon: Polygon) -> float:
    """Direction of the long side of the smallest rectangle around a polygon, radians."""
    box = polygon.minimum_rotated_rectangle
    if box.geom_type != "Polygon":
        return 0.0
    c = list(box.exterior.coords)
    sides = sorted(((math.dist(c[i], c[i + 1]), i) for i in range(2)), reverse=True)
    i = sides[0][1]
    return math.atan2(c[i + 1][1] - c[i][1], c[i + 1][0] - c[i][0])


def ray(centre: Point, angle: float, reach: float) -> LineString:
    """A straight line through a point, ``reach`` metres to both sides."""
    dx, dy = math.cos(angle) * reach, math.sin(angle) * reach
    return LineString([(centre.x - dx, centre.y - dy), (centre.x + dx, centre.y + dy)])


def is_wide(polygon: Polygon, metres: float) -> bool:
    """Whether more than a sliver is left a half ``metres`` inside the outline."""
    return not polygon.buffer(-metres / 2).is_empty
