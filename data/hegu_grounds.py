"""Grounds of a kind of their own in 河谷市: the campus, the industrial park, the hillside park."""

from __future__ import annotations

import math

import numpy as np
from hegu_blocks import City, fill_garden, fill_lanes, fill_yard, wall_in
from hegu_cuts import largest, link, subdivide, with_ends
from hegu_names import compound_name, shop_name, street_name
from hegu_plane import Area, Spot, bend, bend_one, lines_in
from shapely import LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union


def fill_campus(city: City, ground: Polygon, streets: BaseGeometry) -> None:
    """A university behind a wall: wide blocks, footways across lawns, a lake, four gates."""
    rng = city.rng
    wall = largest(ground.buffer(-16, join_style="mitre").simplify(2))
    ring = largest(wall.buffer(-14).simplify(2)) if wall is not None else None
    if wall is None or ring is None:
        return
    cells, cuts = subdivide(ring, rng, (16_000, 34_000), askew=0.03, bow=2.0)
    inner = unary_union([ring.exterior, *cuts])
    tags = {"amenity": "university", "name": "河谷大学", "barrier": "wall"}
    wall_in(city, wall, inner, streets, tags, gates=4, limit=90)
    city.add(LineString(ring.exterior), {"highway": "service", "name": "环校路"})
    for cut in cuts:
        city.add(cut, {"highway": "service"})
    for i, cell in enumerate(cells):
        if i == len(cells) // 2:
            fill_garden(city, cell, unary_union(cuts), "镜湖园")
        else:
            fill_lanes(city, cell, inner, (2500, 6000), 1.0, kinds=("footway",), limit=3, bow=2.0)


def fill_works(city: City, ground: Polygon, streets: BaseGeometry) -> None:
    """Industrial park: large plots behind walls, few streets, one or two gates each."""
    rng = city.rng
    cells, cuts = subdivide(ground, rng, (40_000, 230_000), askew=0.08, bow=3.0)
    local = [streets]
    for cut in cuts:
        line = with_ends(cut, ground.exterior, streets, 60, 1.0, rng)
        city.add(line, {"highway": "unclassified", "name": street_name(rng)})
        local.append(line)
    around = unary_union(local)
    for cell in cells:
        tags = {"landuse": "industrial", "name": compound_name(rng, "产业园")}
        gates = int(rng.integers(1, 3))
        fill_yard(city, cell.buffer(-6), around, tags, gates=gates, grain=(9_000, 45_000))


def fill_hill(city: City, hill: Polygon, foot: BaseGeometry) -> None:
    """A hillside park: ways along the slope, ways that wind up to the tops, flights of steps."""
    rng = city.rng
    city.areas.append(Area(hill.simplify(5), {"leisure": "park", "name": "北山森林公园"}))
    slope = hill.buffer(-15)
    ways = _along_slope(rng, slope)
    tops = [bend_one(u, v) for u, v in ((4750, 7330), (5700, 7480), (6650, 7300), (7900, 7420))]
    for x, y in tops:
        kind = {"amenity": "shelter", "tourism": "viewpoint", "name": shop_name(rng, "亭")}
        city.spots.append(Spot(x, y, kind))
    for edge in lines_in(foot.intersection(hill.buffer(60)), 60):
        at = float(rng.uniform(20, 200))
        while at < edge.length:
            start = edge.interpolate(at)
            near = [t for t in tops if math.dist(t, (start.x, start.y)) < 1250]
            if near:
                goal = near[int(rng.integers(len(near)))]
                ways.append(_winding(rng, (start.x, start.y), goal))
            at += float(rng.uniform(130, 420))
    for way in ways:
        city.add(way, {"highway": "path" if city.chance(0.35) else "footway"})
    _flights(city, ways)


def _along_slope(rng: np.random.Generator, slope: Polygon) -> list[LineString]:
    """Ways that keep about their height, each over its own stretch of the hill."""
    out = []
    for v, first, last in ((6935, 4350, 8400), (7090, 4600, 6900), (7160, 6500, 8450),
                           (7290, 4450, 7300), (7450, 5300, 8300)):  # fmt: skip
        a, b, c = rng.uniform(0, 6, 3)
        us = np.arange(first, last, 24.0)
        wave = 38 * np.sin(us / 260 + a) + 20 * np.sin(us / 95 + b) + 7 * np.sin(us / 36 + c)
        line = LineString(bend([(float(u), float(v + w)) for u, w in zip(us, wave, strict=True)]))
        out += lines_in(line.intersection(slope), 120)
    return out


def _winding(
    rng: np.random.Generator, start: tuple[float, float], goal: tuple[float, float]
) -> LineString:
    """A way that swings to left and right of its direction until it is there."""
    (x, y), pts, phase = start, [start], float(rng.uniform(0, 6))
    swing, pace = float(rng.uniform(0.5, 1.15)), float(rng.uniform(1.3, 2.6))
    for k in range(160):
        if math.dist((x, y), goal) < 40:
            break
        heading = math.atan2(goal[1] - y, goal[0] - x)
        heading += swing * math.sin(k / pace + phase) + float(rng.normal(0, 0.12))
        x, y = round(x + 21 * math.cos(heading), 2), round(y + 21 * math.sin(heading), 2)
        pts.append((x, y))
    return LineString([*pts, goal])


def _flights(city: City, ways: list[LineString]) -> None:
    """Steps straight up from one way to the next, here and there."""
    rng = city.rng
    for i, way in enumerate(ways):
        others = unary_union([w for k, w in enumerate(ways) if k != i])
        for _ in range(int(way.length / 260) + 1):
            p = way.interpolate(float(rng.random()), normalized=True)
            more = link(p, others, 120)
            if more is not None and more.length > 18:
                city.add(more, {"highway": "steps"})
