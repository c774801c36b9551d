"""The country of 河谷市: towns, villages, what grows at the city's edge, field tracks, islands."""

from __future__ import annotations

import math

import numpy as np
import shapely
from hegu_blocks import City, fill_lanes, fill_superblock, fill_town
from hegu_cuts import link, split_by
from hegu_grounds import fill_works
from hegu_layout import FRINGE, ISLANDS, TOWNS, VILLAGES, hill_ground
from hegu_names import LANE, street_name
from hegu_plane import Area, Line, Spot, bend_one, lines_in, orientation, polygons_in, ray, smooth
from hegu_quarters import Ground
from hegu_skeleton import Skeleton
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union


def _blob(rng: np.random.Generator, x: float, y: float, a: float, b: float) -> Polygon:
    """A round, uneven piece of ground."""
    turns = np.linspace(0, 2 * np.pi, 15)[:-1]
    r = rng.uniform(0.72, 1.15, len(turns))
    pts = [
        (x + a * k * math.cos(t), y + b * k * math.sin(t))
        for t, k in zip(turns.tolist(), r.tolist(), strict=True)
    ]
    return Polygon(smooth([*pts, pts[0]], 60)).buffer(0)


def fill_country(city: City, ground: Ground) -> None:
    """Six towns along their main street, villages of a few lanes, tracks into the fields."""
    rng, s = city.rng, ground.s
    closed = unary_union([s.barriers, ground.urban, hill_ground()])
    roads = unary_union(ground.streets)
    done = _fill_fringe(city, ground, roads)
    for name, u, v, a, b in TOWNS:
        blob = _blob(rng, *bend_one(u, v), a, b).difference(closed)
        for part in polygons_in(blob, 5000):
            fill_town(city, Polygon(part.exterior), roads, (3500, 9000))
        city.areas.append(Area(polygons_in(blob)[0].simplify(8), {"landuse": "residential"}))
        city.spots.append(Spot(*bend_one(u, v), {"place": "town", "name": name}))
        done.append(blob)
    for i, (u, v) in enumerate(VILLAGES):
        x, y = bend_one(u, v)
        a, b = float(rng.uniform(120, 210)), float(rng.uniform(90, 150))
        blob = _blob(rng, x, y, a, b).difference(unary_union([closed, *done]))
        parts = polygons_in(blob, 5000)
        if not parts:
            continue
        part = max(parts, key=lambda g: g.area)
        fill_town(city, Polygon(part.exterior), roads, (1300, 3600))
        city.spots.append(Spot(x, y, {"place": "village", "name": _village_name(i)}))
        done.append(part)
    _lay_tracks(city, ground, unary_union([closed, *done]))


def _fill_fringe(city: City, ground: Ground, roads: BaseGeometry) -> list[BaseGeometry]:
    """What has grown beyond the ring roads: urban villages, estates, depots along the roads."""
    built = unary_union([ground.s.barriers, hill_ground(), *ground.cells])
    done: list[BaseGeometry] = []
    for kind, u, v, a, b in FRINGE:
        blob = _blob(city.rng, *bend_one(u, v), a, b).difference(unary_union([built, *done]))
        for part in polygons_in(split_by(blob, roads.intersection(blob.buffer(9)).buffer(3)), 6000):
            whole = Polygon(part.exterior)
            near = ground.near(whole, 12)
            axis = _main_street(city, whole, near)
            if axis is None:
                continue
            streets = unary_union([near, axis])
            for piece in polygons_in(split_by(whole, axis), 3000):
                if kind == "lanes":
                    fill_lanes(city, piece, streets, (900, 2400), 0.8, limit=9)
                elif kind == "works":
                    fill_works(city, piece, streets)
                else:
                    fill_superblock(city, piece, streets, (14_000, 34_000), 4)
            done.append(whole)
    return done


def _main_street(city: City, ground: Polygon, roads: BaseGeometry) -> LineString | None:
    """The street through a piece of ground beside a road, led on to that road."""
    if roads.is_empty:
        return None
    reach = math.dist(ground.bounds[:2], ground.bounds[2:])
    line = ray(ground.centroid, orientation(ground), reach).intersection(ground)
    line = max(lines_in(line), key=lambda g: g.length)
    a, b = (Point(line.coords[i]) for i in (0, -1))
    if b.distance(roads) < a.distance(roads):
        line, a = line.reverse(), b
    way = link(a, roads, 160)
    if way is not None:
        line = LineString([way.coords[1], *line.coords])
    elif a.distance(roads) > 0.3:
        return None
    city.add(line, {"highway": "residential", "name": street_name(city.rng)})
    return line


def _village_name(i: int) -> str:
    return LANE[(i * 7 + 3) % len(LANE)][:1] + ("家沟", "树庄", "湾村", "坪村", "滩村")[i % 5]


def _lay_tracks(city: City, ground: Ground, closed: BaseGeometry) -> None:
    """Field tracks off the country roads; they bend with the fields and end blind."""
    rng = city.rng
    outside = [g for g in ground.streets if not ground.urban.intersects(g)]
    kept: list[LineString] = []
    for street in outside:
        for _ in range(int(street.length / 260)):
            p = street.interpolate(float(rng.random()), normalized=True)
            q = street.interpolate(min(street.length, street.project(p) + 5))
            side = 1 if rng.random() < 0.5 else -1
            angle = math.atan2(q.y - p.y, q.x - p.x) + math.pi / 2 * side
            pts = [(p.x, p.y)]
            x, y = p.x, p.y
            for _ in range(int(rng.integers(3, 12))):
                angle += float(rng.normal(0, 0.35))
                x, y = x + 65 * math.cos(angle), y + 65 * math.sin(angle)
                pts.append((x, y))
            line = LineString(pts)
            body = shapely.ops.substring(line, 22, line.length)
            near = ground.near(body.buffer(9), 1)
            blocked = body.intersects(closed) or not ground.s.city.contains(line) or near.length > 0
            if not blocked and all(body.distance(k) > 25 for k in kept) and line.is_simple:
                kept.append(line)
                city.add(line, {"highway": "track"})


def lay_islands(city: City, s: Skeleton) -> None:
    """A few footways that join nothing: mapped in haste, as in every real city."""
    for u, v in ISLANDS:
        x, y = bend_one(u, v)
        loop = Point(x, y).buffer(38, quad_segs=3).exterior
        tags = {"highway": "footway"}
        city.lines.append(Line([(round(a, 2), round(b, 2)) for a, b in loop.coords], tags, 0, True))
        spur = LineString([(x + 38, y), (x + 95, y + 25)])
        city.lines.append(Line([(round(a, 2), round(b, 2)) for a, b in spur.coords], tags, 0, True))
