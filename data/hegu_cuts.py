"""Cutting ground into pieces, and leading lines on to streets: geometry that the fillers share."""

from __future__ import annotations

import math

import numpy as np
from hegu_plane import is_wide, lines_in, orientation, polygons_in, ray
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points, split


def cut_line(cell: Polygon, rng: np.random.Generator, askew: float, bow: float) -> LineString:
    """A slightly bowed line across the middle of a cell's long side."""
    angle = orientation(cell)
    box = cell.minimum_rotated_rectangle
    c = list(box.exterior.coords)
    long_m = max(math.dist(c[0], c[1]), math.dist(c[1], c[2]))
    shift = float(rng.uniform(-0.16, 0.16)) * long_m
    middle = Point(
        cell.centroid.x + math.cos(angle) * shift, cell.centroid.y + math.sin(angle) * shift
    )
    line = ray(middle, angle + math.pi / 2 + float(rng.normal(0, askew)), long_m)
    if bow <= 0:
        return line
    (x0, y0), (x1, y1) = line.coords
    n = max(3, int(long_m / 22))
    t = np.linspace(0, 1, n)
    wave = bow * np.sin(t * n * float(rng.uniform(0.25, 0.6)) + float(rng.uniform(0, 6)))
    nx, ny = -(y1 - y0) / line.length, (x1 - x0) / line.length
    x, y = x0 + t * (x1 - x0) + wave * nx, y0 + t * (y1 - y0) + wave * ny
    return LineString([(round(float(a), 2), round(float(b), 2)) for a, b in zip(x, y, strict=True)])


def subdivide(
    ground: Polygon,
    rng: np.random.Generator,
    sizes: tuple[float, float],
    *,
    askew: float = 0.05,
    bow: float = 0.0,
) -> tuple[list[Polygon], list[LineString]]:
    """Cut ground in two again and again until every piece is within a random size (m²)."""
    cells, cuts, open_cells = [], [], [ground]
    while open_cells:
        cell = open_cells.pop()
        if cell.area <= float(rng.uniform(*sizes)) or not is_wide(cell, 14):
            cells.append(cell)
            continue
        line = cut_line(cell, rng, askew, bow)
        parts = polygons_in(split(cell, line), 20)
        if len(parts) < 2:
            cells.append(cell)
            continue
        cuts += lines_in(line.intersection(cell), 4)
        open_cells += parts
    return cells, cuts


def link(point: Point, streets: BaseGeometry, limit: float) -> LineString | None:
    """The shortest way from a point to the streets, None where it is longer than ``limit``."""
    if streets.is_empty:
        return None
    target = nearest_points(point, streets)[1]
    line = LineString([point, target])
    return line if 0.3 < line.length <= limit else None


def with_ends(
    line: LineString, edge: BaseGeometry, streets: BaseGeometry, limit: float, keep: float,
    rng: np.random.Generator,
) -> LineString:  # fmt: skip
    """The line led on to the street at those ends that lie on the ground's edge."""
    coords = list(line.coords)
    for end in (0, -1):
        if edge.distance(Point(coords[end])) < 0.5 and rng.random() < keep:
            more = link(Point(coords[end]), streets, limit)
            if more is not None:
                coords = [more.coords[1], *coords] if end == 0 else [*coords, more.coords[1]]
    return LineString(coords)


def largest(geometry: BaseGeometry) -> Polygon | None:
    """The largest polygon of a geometry without its holes, None where there is none."""
    parts = polygons_in(geometry)
    return Polygon(max(parts, key=lambda p: p.area).exterior) if parts else None


def split_by(ground: Polygon, lines: BaseGeometry) -> BaseGeometry:
    """Ground without a hair's breadth along the lines: the pieces between them."""
    return ground if lines.is_empty else ground.difference(lines.buffer(0.05))


def grid_lines(ring: Polygon, angle: float, spacing: float, phase: float) -> list[LineString]:
    """Parallel lines through a polygon, ``spacing`` metres apart."""
    reach = math.dist(ring.bounds[:2], ring.bounds[2:])
    n = int(reach / spacing) + 1
    out = []
    for k in range(-n, n + 1):
        d = (k + phase) * spacing
        middle = Point(ring.centroid.x - math.sin(angle) * d, ring.centroid.y + math.cos(angle) * d)
        out += lines_in(ray(middle, angle, reach).intersection(ring), 8)
    return out
