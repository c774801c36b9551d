"""The skeleton of 河谷市: river, railway, expressways, arterials, country roads, boundaries.

What cuts a real city apart is laid first: a river with few bridges, a railway with few underpasses,
a motorway nobody walks on, and a trunk road that the OSMnx walk filter lets people walk on. Streets
that may not cross are cut there and end at the road before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import shapely
from hegu_layout import (
    ACROSS,
    ALONG,
    COUNTRY,
    DISTRICTS,
    MOTORWAY,
    OBLIQUE,
    PONDS,
    RAIL,
    TOWNS,
    TRUNK,
    Points,
    box,
    river_v,
    works_ground,
)
from hegu_plane import Line, Spot, bend, bend_one, lines_in, parallel, polygons_in, rounded, smooth
from shapely import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import linemerge, polygonize, unary_union

CARRIAGEWAY_GAP_M = {"trunk": 11.0, "primary": 8.0, "motorway": 11.0}
BANK_M = 26.0  # a bridge begins so far from the water


@dataclass
class Skeleton:
    """Everything that divides the ground: lines for the map, geometries for what comes after."""

    streets: list[Line] = field(default_factory=list)  # walkable or not, at ground or on spans
    rails: list[Line] = field(default_factory=list)
    motorway: LineString = field(default_factory=LineString)
    trunk: LineString = field(default_factory=LineString)
    rail: LineString = field(default_factory=LineString)
    river: LineString = field(default_factory=LineString)
    water: Polygon = field(default_factory=Polygon)
    ponds: list[Polygon] = field(default_factory=list)
    barriers: BaseGeometry = field(default_factory=Polygon)  # no street of a block goes in here
    spots: list[Spot] = field(default_factory=list)
    boundaries: dict[str, Polygon] = field(default_factory=dict)
    city: Polygon = field(default_factory=Polygon)


def lay_skeleton(rng: np.random.Generator) -> Skeleton:
    """The whole skeleton, bent into the valley and cut where it may not cross."""
    s = Skeleton()
    _lay_water(s)
    s.rail = LineString(bend(smooth(RAIL)))
    s.motorway = LineString(bend(smooth(MOTORWAY)))
    s.trunk = LineString(bend(smooth(TRUNK)))
    s.ponds = [_pond(rng, *row) for row in PONDS]
    s.barriers = unary_union(
        [s.water.buffer(30), s.rail.buffer(24), s.motorway.buffer(32), s.trunk.buffer(30),
         *(pond.buffer(14) for pond in s.ponds)]
    )  # fmt: skip
    _lay_boundaries(s, rng)
    _lay_rails(s)
    _lay_motorway(s)
    centre = _centre_lines(s, rng)
    centre = _without_dangles(centre, s)
    for name, cls, crosses, line in centre:
        _lay_street(s, name, cls, crosses, line)
    _lay_trunk(s)
    return s


def _lay_water(s: Skeleton) -> None:
    us = np.arange(-100, 14_101, 60.0)
    s.river = LineString(bend([(u, river_v(u)) for u in us]))
    half = [58 + 16 * math.sin(u / 1300) + 9 * math.sin(u / 310 + 2) for u in us]
    left = [(u, river_v(u) + h) for u, h in zip(us, half, strict=True)]
    right = [(u, river_v(u) - h * 0.97) for u, h in zip(us, half, strict=True)]
    s.water = Polygon(bend(left + right[::-1])).buffer(0)


def _pond(rng: np.random.Generator, u: float, v: float, a: float, b: float) -> Polygon:
    """An uneven sheet of water."""
    turns = np.linspace(0, 2 * np.pi, 13)[:-1].tolist()
    ring = [
        (u + a * k * math.cos(t), v + b * k * math.sin(t))
        for t, k in zip(turns, rng.uniform(0.7, 1.2, len(turns)).tolist(), strict=True)
    ]
    return Polygon(bend(smooth([*ring, ring[0]], 45))).buffer(0)


def _lay_rails(s: Skeleton) -> None:
    for side in (-2.5, 2.5):
        line = parallel(s.rail, side, 0.5)
        assert line is not None
        s.rails.append(Line(rounded(line), {"railway": "rail", "name": "河谷铁路"}, level=9))
    _lay_station(s)


def _lay_station(s: Skeleton) -> None:
    """Sidings beside the station, whose building stands south of them."""
    middle = s.rail.project(Point(bend_one(7160, 5570)))
    for side, reach in ((-8.0, 420), (8.0, 520), (13.0, 330)):
        part = shapely.ops.substring(s.rail, middle - reach, middle + reach)
        line = parallel(part, side, 0.5)
        assert line is not None
        ends = [s.rail.interpolate(middle + k * (reach + 120)).coords[0] for k in (-1, 1)]
        body = LineString([ends[0], *line.coords, ends[1]])
        s.rails.append(Line(rounded(body), {"railway": "rail", "service": "siding"}, level=9))
    at = s.rail.interpolate(middle)
    s.spots.append(Spot(at.x, at.y, {"railway": "station", "name": "河谷站"}))


def _motorway_sides(s: Skeleton) -> list[LineString]:
    out = []
    for side in (-1, 1):
        line = parallel(s.motorway, side * CARRIAGEWAY_GAP_M["motorway"], 0.5)
        assert line is not None
        out.append(line if side < 0 else line.reverse())
    return out


def _lay_motorway(s: Skeleton) -> None:
    """Two carriageways on a viaduct where roads pass below; ramps at three arterials."""
    below = unary_union([_across_line(row).buffer(35) for row in ACROSS if "M" in row[6]])
    below = unary_union([below, *(LineString(bend(smooth(p))).buffer(35)
                                  for _, _, c, p in COUNTRY if "M" in c)])  # fmt: skip
    tags = {"highway": "motorway", "name": "河谷高速", "ref": "S99", "oneway": "yes"}
    for line in _motorway_sides(s):
        for part in lines_in(line.difference(below)):
            s.streets.append(Line(rounded(part), tags, level=5))
        for part in lines_in(line.intersection(below)):
            s.streets.append(Line(rounded(part), {**tags, "bridge": "yes", "layer": "1"}, level=5))
    for row in ACROSS:
        if "M" in row[6] and row[2] == "primary":
            _lay_ramps(s, _across_line(row))


def _lay_ramps(s: Skeleton, road: LineString) -> None:
    """Four ramps between the motorway and a road below it; they meet the road 140 m away."""
    at = s.motorway.intersection(road)
    at = shapely.get_parts(at)[0]
    along, across = s.motorway.project(at), road.project(at)
    for i, line in enumerate(_motorway_sides(s)):
        for sign in (-1, 1):
            p = s.motorway.interpolate(along + sign * 330)
            p = line.interpolate(line.project(p))
            far = s.motorway.interpolate(along + sign * 120)
            north = 1 if (i == 1) else -1
            q = road.interpolate(across + north * 150)
            mid = ((far.x + q.x) / 2 + 0.22 * (far.x - at.x), (far.y + q.y) / 2)
            curve = smooth([(p.x, p.y), mid, (q.x, q.y)], 35)
            s.streets.append(
                Line(rounded(LineString(curve)), {"highway": "motorway_link", "oneway": "yes"})
            )


def _across_line(row: tuple) -> LineString:
    _, u, _, low, high, lean, _ = row
    v = np.arange(low, high + 1, 110.0)
    wave = lean * np.sin((v - low) / 1400) + 14 * np.sin(v / 330 + u)
    return LineString(bend([(u + float(w), float(t)) for w, t in zip(wave, v, strict=True)]))


def _along_line(s: Skeleton, row: tuple, rng: np.random.Generator) -> LineString:
    name, vs, _, start, end = row
    if vs is None:  # along the bank
        us = np.arange(start, end + 1, 90.0)
        side = 1 if "北" in name else -1
        pts = [(float(u), river_v(u) + side * (180 + 35 * math.sin(u / 700))) for u in us]
        return LineString(bend(pts))
    us = np.append(np.arange(start, end - 60, 130.0), end)
    base = np.interp(us, [2700, 7000, 11300], vs)
    wave = 26 * np.sin(us / 640 + rng.uniform(0, 6)) + 14 * np.sin(us / 230 + rng.uniform(0, 6))
    wave *= np.clip((us - start) / 400, 0, 1) * np.clip((end - us) / 400, 0, 1)
    return LineString(bend([(float(u), float(v)) for u, v in zip(us, base + wave, strict=True)]))


def _centre_lines(s: Skeleton, rng: np.random.Generator) -> list[tuple[str, str, str, LineString]]:
    """(name, class, what it crosses, centre line), cut where it may not cross."""
    rows = [(r[0], r[2], "", _along_line(s, r, rng)) for r in ALONG]
    rows += [(r[0], r[2], r[6], _across_line(r)) for r in ACROSS]
    rows += [(n, c, x, LineString(bend(smooth(p, 90)))) for n, c, x, p in COUNTRY]
    rows += [(n, c, "", longer(LineString(bend(smooth(p, 80))), 130)) for n, c, p in OBLIQUE]
    campus, works = Polygon(bend(box(6780, 1960, 8020, 2300))), works_ground()
    out = []
    for name, cls, crosses, line in rows:
        closed = [s.water.buffer(BANK_M)] if "R" not in crosses else []
        closed += [s.rail.buffer(30)] if "W" not in crosses else []
        closed += [s.trunk.buffer(34)] if "T" not in crosses else []
        closed += [s.motorway.buffer(45)] if "M" not in crosses else []
        closed += [campus] if cls != "primary" else []
        closed += [works] if cls == "tertiary" else []
        inside = line.intersection(s.city.buffer(-4))
        for part in lines_in(inside.difference(unary_union(closed)), 60):
            out.append((name, cls, crosses, part))
    return out


def _without_dangles(rows: list, s: Skeleton) -> list:
    """Cut streets back to their last junction where they end near a barrier, as real ones do."""
    others = [line for _, _, _, line in rows] + [s.trunk]
    out = []
    for i, (name, cls, crosses, line) in enumerate(rows):
        near = [g for k, g in enumerate(others) if k != i and g.distance(line) < 1]
        hits = [line.project(p) for g in near for p in _meetings(line, g)]
        start, end = 0.0, line.length
        if hits:
            low, high = min(hits), max(hits)
            # a hand's breadth beyond the junction, so that the streets surely cross
            start = max(0.0, low - 0.4) if low < 280 else start
            end = min(line.length, high + 0.4) if line.length - high < 280 else end
        if end - start > 40:
            part = shapely.ops.substring(line, start, end)
            out.append((name, cls, crosses, part))
    return out


def _meetings(line: LineString, other: LineString) -> list[Point]:
    """Where two lines cross, and where one ends on the other."""
    points = [p.centroid for p in shapely.get_parts(line.intersection(other)) if not p.is_empty]
    points += [Point(other.coords[i]) for i in (0, -1) if line.distance(Point(other.coords[i])) < 1]
    return points + [
        Point(line.coords[i]) for i in (0, -1) if other.distance(Point(line.coords[i])) < 1
    ]


def _lay_street(
    s: Skeleton, name: str, cls: str, crosses: str, line: LineString, **more: str
) -> None:
    """One arterial: one or two carriageways, with its bridges and underpasses as own ways."""
    tags = {"highway": cls, "name": name}
    dual = cls == "primary" and line.length > 300
    if name == "人民路" and "sidewalk" not in more:
        # mapped by the book: its sidewalks are ways of their own, and the road says so
        middle = Polygon(bend(box(3960, 4300, 9540, 5300)))
        for part in lines_in(line.difference(middle)):
            _lay_street(s, name, cls, crosses, part, sidewalk="")
        for part in lines_in(line.intersection(middle)):
            _lay_street(s, name, cls, crosses, part, sidewalk="separate")
        return
    if more.get("sidewalk"):
        tags["sidewalk"] = more["sidewalk"]
    sides = [line]
    if dual:
        tags |= {"oneway": "yes", "lanes": "3"}
        sides = [_spindle(line, g) for g in (-CARRIAGEWAY_GAP_M[cls], CARRIAGEWAY_GAP_M[cls])]
    for k, side in enumerate(sides):
        _lay_cut(s, side if k == 0 else side.reverse(), tags, crosses)


def _spindle(line: LineString, gap: float) -> LineString:
    """A carriageway beside the centre line that joins the other one at both ends."""
    side = parallel(line.simplify(0.5), gap, 0.3)
    assert side is not None
    middle = shapely.ops.substring(side, 25, side.length - 25)
    return LineString([line.coords[0], *middle.coords, line.coords[-1]])


def _lay_cut(s: Skeleton, line: LineString, tags: dict[str, str], crosses: str) -> None:
    spans: list[tuple[BaseGeometry, dict[str, str], int]] = []
    if "R" in crosses:
        spans.append((s.water.buffer(BANK_M), {"bridge": "yes", "layer": "1"}, 1))
    if "W" in crosses:
        spans.append((s.rail.buffer(16), {"tunnel": "yes", "layer": "-1"}, -1))
    rest: BaseGeometry = line
    for zone, more, level in spans:
        for part in lines_in(line.intersection(zone)):
            s.streets.append(Line(rounded(part), {**tags, **more}, level=level))
        rest = rest.difference(zone)
    for part in lines_in(rest):
        s.streets.append(Line(rounded(part), dict(tags)))


def _lay_trunk(s: Skeleton) -> None:
    """北环快速路: two carriageways at grade that few streets cross; people could walk on it."""
    tags = {"highway": "trunk", "name": "北环快速路", "oneway": "yes", "lanes": "3"}
    zone = s.rail.buffer(40)
    for k, gap in enumerate((-CARRIAGEWAY_GAP_M["trunk"], CARRIAGEWAY_GAP_M["trunk"])):
        line = _spindle(max(lines_in(s.trunk.intersection(s.city)), key=lambda g: g.length), gap)
        line = line if k == 0 else line.reverse()
        for part in lines_in(line.intersection(zone)):
            s.streets.append(Line(rounded(part), {**tags, "bridge": "yes", "layer": "1"}, level=1))
        for part in lines_in(line.difference(zone)):
            s.streets.append(Line(rounded(part), dict(tags)))


def _wavy(rng: np.random.Generator, points: Points, size: float = 45.0) -> Points:
    """A boundary that wanders about its straight course, ends kept."""
    line = smooth(points, 150)
    out = [line[0]]
    for u, v in line[1:-1]:
        out.append((u + float(rng.uniform(-size, size)), v + float(rng.uniform(-size, size))))
    return [*out, line[-1]]


def _lay_boundaries(s: Skeleton, rng: np.random.Generator) -> None:
    """The city's outline and its four districts and six towns, with no gap and no overlap."""
    ring = _wavy(rng, [(60, 60), (3500, 20), (7000, 90), (10500, 30), (13940, 70)])
    ring += _wavy(rng, [(13940, 70), (13900, 4000), (13950, 7930)])[1:]
    ring += _wavy(rng, [(13950, 7930), (10500, 7960), (7000, 7900), (3500, 7970), (60, 7930)])[1:]
    ring += _wavy(rng, [(60, 7930), (90, 4000), (60, 60)])[1:-1]
    s.city = Polygon(bend(ring))
    cuts = [LineString(bend(_wavy(rng, p))) for p in (
        [(2600, -200), (2600, 2000), (2640, 3300), (2600, 5000), (2560, 8200)],
        [(11340, -200), (11400, 2000), (11400, 4000), (11360, 5000), (11340, 8200)],
        [(2600, 1180), (5000, 1200), (8000, 1180), (11380, 1230)],
        [(6900, 1190), (6800, 500), (6900, -200)],
        [(5170, river_v(5170)), (5170, 4500), (5160, 5600), (5100, 6900), (5180, 8200)],
        [(7890, river_v(7890)), (7860, 4500), (7880, 5600), (7900, 6900), (7850, 8200)],
    )]  # fmt: skip
    cuts = [longer(cut, 60) for cut in cuts]
    net = unary_union([s.city.exterior, s.river, *cuts])
    cells = [c for c in polygonize(net) if s.city.buffer(1).contains(c)]
    names = {n: bend_one(u, v) for n, u, v in DISTRICTS}
    names |= {row[0]: bend_one(row[1], row[2]) for row in TOWNS}
    seeds = {name: Point(xy) for name, xy in names.items()}
    home: dict[str, list[Polygon]] = {name: [] for name in names}
    for cell in cells:  # a scrap between two wandering lines goes to the nearest place
        inside = [n for n, p in seeds.items() if cell.contains(p)]
        name = inside[0] if inside else min(seeds, key=lambda n, c=cell: c.distance(seeds[n]))
        home[name].append(cell)
    s.boundaries = {n: polygons_in(unary_union(parts))[0] for n, parts in home.items()}


def longer(line: LineString, metres: float) -> LineString:
    """The line with both ends moved out, so that they surely meet what they end on."""
    c = list(line.coords)
    for end, before in ((0, 1), (-1, -2)):
        (x0, y0), (x1, y1) = c[end], c[before]
        k = metres / math.dist(c[end], c[before])
        c[end] = (round(x0 + (x0 - x1) * k, 2), round(y0 + (y0 - y1) * k, 2))
    return LineString(c)


def boundary_lines(s: Skeleton) -> list[LineString]:
    """The boundaries as lines between their junctions: each is shared by its neighbours."""
    rings = unary_union([p.exterior for p in s.boundaries.values()])
    merged = linemerge(rings) if rings.geom_type != "LineString" else rings
    return sorted(lines_in(merged), key=lambda g: g.coords[0])
