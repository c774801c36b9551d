"""What fills the blocks of 河谷市: compounds behind walls, alleys, campus, works, hill, villages.

Every filler takes a piece of ground and the streets around it and adds lines, areas and gates to
the `City`. Inside a wall, paths meet the street at its gates only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import shapely
from hegu_cuts import grid_lines, largest, link, split_by, subdivide, with_ends
from hegu_names import compound_name, lane_name, street_name
from hegu_plane import (
    Area,
    Line,
    Spot,
    is_wide,
    lines_in,
    orientation,
    polygons_in,
    rounded,
    smooth,
)
from shapely import LineString, MultiLineString, MultiPoint, Point, Polygon, STRtree
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points, unary_union

Tags = dict[str, str]


@dataclass
class City:
    """What has been drawn so far."""

    rng: np.random.Generator
    lines: list[Line] = field(default_factory=list)
    areas: list[Area] = field(default_factory=list)
    spots: list[Spot] = field(default_factory=list)
    compounds: int = 0
    gates: int = 0

    def add(self, geometry: BaseGeometry, tags: Tags, *, level: int = 0) -> None:
        """Draw every line of a geometry."""
        for part in lines_in(geometry):
            points = rounded(part)
            if len(points) > 1:
                self.lines.append(Line(points, dict(tags), level))

    def respect_walls(self) -> None:
        """Take out what would pass through a wall beside its gates."""
        walls = [area for area in self.areas if "barrier" in area.tags]
        rings = [LineString(area.polygon.exterior) for area in walls]
        lines = [line.geometry for line in self.lines]
        bad: set[int] = set()
        at, hit = STRtree(lines).query(rings, "intersects")
        for i, k in zip(at.tolist(), hit.tolist(), strict=True):
            gates = MultiPoint(walls[i].gates).buffer(0.5)
            if not rings[i].intersection(lines[k]).difference(gates).is_empty:
                bad.add(k)
        self.lines = [line for k, line in enumerate(self.lines) if k not in bad]

    def chance(self, share: float) -> bool:
        """True in ``share`` of the cases."""
        return bool(self.rng.random() < share)


# --- walls and gates ------------------------------------------------------------------------------


def wall_in(
    city: City, wall: Polygon, inner: BaseGeometry, streets: BaseGeometry, tags: Tags,
    *, gates: int, limit: float = 60.0, path: str = "service",
) -> int:  # fmt: skip
    """Put a wall around ground, open at ``gates`` points that face a street; how many it got.

    The way through a gate runs from the street over the gate's node to the paths inside.
    """
    ring = wall.exterior
    count = max(8, int(ring.length / 12))
    at = [ring.interpolate((i + 0.5) / count, normalized=True) for i in range(count)]
    gap = np.array([streets.distance(p) for p in at])
    score = gap + city.rng.uniform(0, 18, count)
    corners = MultiPoint(ring.coords)
    taken: list[Point] = []
    apart = ring.length / (gates + 2.2)
    for i in np.argsort(score, kind="stable"):
        p = at[int(i)]
        if len(taken) == gates or gap[i] > limit:
            break
        if corners.distance(p) > 4 and all(p.distance(q) > min(apart, 140) for q in taken):
            way = _through(p, inner, streets, wall)
            if way is not None:
                kind = path if not taken else ("footway" if city.chance(0.4) else path)
                city.lines.append(Line(way, {"highway": kind}))
                city.spots.append(Spot(*way[1], _gate_tags(city)))
                taken.append(p)
    if taken:
        city.areas.append(Area(wall, tags, [(round(p.x, 2), round(p.y, 2)) for p in taken]))
        city.gates += len(taken)
    return len(taken)


def _through(
    gate: Point, inner: BaseGeometry, streets: BaseGeometry, wall: Polygon
) -> list[tuple[float, float]] | None:
    out, into = nearest_points(gate, streets)[1], nearest_points(gate, inner)[1]
    own = gate.buffer(0.4)
    ring = wall.exterior
    if any(LineString([gate, p]).difference(own).distance(ring) < 0.25 for p in (out, into)):
        return None
    points = [(round(p.x, 2), round(p.y, 2)) for p in (out, gate, into)]
    return points if len(set(points)) == 3 else None


def _gate_tags(city: City) -> Tags:
    kind = ["gate", "gate", "gate", "lift_gate"][int(city.rng.integers(4))]
    return {"barrier": kind}


# --- compounds ------------------------------------------------------------------------------------


def fill_compound(city: City, cell: Polygon, streets: BaseGeometry, margin: float) -> bool:
    """A walled residential compound (小区): ring road, rows of houses, footways, 1–4 gates."""
    rng = city.rng
    wall = largest(cell.buffer(-margin, join_style="mitre").simplify(1.5))
    if wall is None or wall.area < 3000 or not is_wide(wall, 40):
        return False
    ring = largest(wall.buffer(-float(rng.uniform(6, 10))).simplify(1.2))
    if ring is None or not is_wide(ring, 18):
        return False
    inner = _rows(city, ring)
    gates = int(rng.choice([1, 2, 3, 4], p=[0.3, 0.38, 0.22, 0.1]))
    gates = min(gates, 2) if wall.area < 12_000 else max(gates, 2) if wall.area > 45_000 else gates
    tags = {"landuse": "residential", "barrier": "wall", "name": compound_name(rng)}
    if not wall_in(city, wall, inner, streets, tags, gates=gates):
        return False
    city.compounds += 1
    return True


def _rows(city: City, ring: Polygon) -> BaseGeometry:
    """Paths between rows of houses, in one of several habits; returns all but the doorsteps.

    Habits: rows throughout, broken rows, broken columns, sparse; and the old work-unit yard, which
    has no ring road but a spine with blind rows. Large estates have a second, inner loop.
    """
    rng = city.rng
    habit = int(rng.choice(5, p=[0.24, 0.2, 0.2, 0.18, 0.18]))
    angle = orientation(ring) + float(rng.normal(0, 0.04))
    rows = grid_lines(ring, angle, float(rng.uniform(34, 56)), float(rng.random()))
    apart = float(rng.uniform(55, 110)) if habit < 4 else 400.0
    phase = float(rng.random()) if habit < 4 else 0.0
    columns = grid_lines(ring, angle + math.pi / 2, apart, phase)
    inside: list[LineString] = []
    if habit < 4 or not rows or not columns:
        inside.append(LineString(ring.exterior))
    if ring.area > 42_000:
        loop = largest(ring.buffer(-0.24 * math.sqrt(ring.area)).buffer(18).simplify(2))
        inside += [LineString(loop.exterior)] if loop is not None else []
    for line in inside:
        city.add(line, {"highway": "service"})
    keep_row = (0.97, 0.78, 0.9, 0.66, 0.92)[habit]
    keep_column = (0.55, 0.8, 0.4, 0.66, 1.0)[habit]
    kept = []
    for bits, keep, kind in (
        (_bits(rows, columns), keep_row, "footway"),
        (_bits(columns, rows), keep_column, "service" if habit in (1, 4) else "footway"),
    ):
        for bit in bits:
            if city.chance(keep):
                kept.append(bit)
                city.add(bit, {"highway": kind})
    _doorsteps(city, kept, ring, 0.62)
    return MultiLineString([*inside, *kept])


def _bits(lines: list[LineString], cuts: list[LineString]) -> list[LineString]:
    """Lines cut where others cross them; the pieces still touch, within the noding's reach."""
    if not lines:
        return []
    return lines_in(unary_union(lines).difference(unary_union(cuts).buffer(0.02)), 5)


def _doorsteps(city: City, bits: list[LineString], ring: Polygon, share: float) -> None:
    """Short paths to the entrances of houses: the dead ends that real compounds are full of."""
    rng = city.rng
    for bit in bits:
        if bit.length < 22 or not city.chance(share):
            continue
        count = int(rng.integers(1, 3)) if bit.length > 45 else 1
        (x0, y0), (x1, y1) = bit.coords[0], bit.coords[-1]
        nx, ny = -(y1 - y0) / bit.length, (x1 - x0) / bit.length
        side = 1 if city.chance(0.75) else -1
        for i in range(count):
            p = bit.interpolate((i + float(rng.uniform(0.3, 0.7))) / count, normalized=True)
            reach = float(rng.uniform(8, 14)) * side
            step = LineString([p, (p.x + nx * reach, p.y + ny * reach)])
            if ring.buffer(-3).covers(Point(step.coords[1])):
                city.add(step, {"highway": "footway"})


def fill_superblock(
    city: City, ground: Polygon, streets: BaseGeometry, sizes: tuple[float, float], margin: float
) -> None:
    """A superblock: a few inner streets, and compounds, yards or shops between them."""
    rng = city.rng
    cells, cuts = subdivide(ground, rng, sizes, askew=0.09, bow=float(rng.uniform(2, 9)))
    edge, local = ground.exterior, [streets]
    for number, cut in enumerate(cuts):
        line = with_ends(cut, edge, streets, 45, 1.0, rng)
        highway = "tertiary" if number == 0 and line.length > 300 else "residential"
        if number > 2 and city.chance(0.3):
            highway = "unclassified"
        city.add(line, {"highway": highway, "name": street_name(rng)})
        local.append(line)
    around = unary_union(local)
    for cell in cells:
        dice = rng.random()
        if dice < 0.05 and cell.area > 9000:
            fill_yard(city, cell, around, {"amenity": "school", "name": compound_name(rng, "学校")})
        elif dice < 0.07 and cell.area < 40_000:
            fill_site(city, cell)
        elif dice < 0.13 and cell.area < 14_000:
            fill_car_park(city, cell, around)
        elif dice < 0.19 and cell.area > 8000:
            fill_lanes(city, cell.buffer(-5), around, (900, 2600), 0.4)
        elif dice < 0.23 and cell.area > 12_000:
            fill_garden(city, cell, around)
        elif not fill_compound(city, cell, around, margin):
            fill_car_park(city, cell, around)


def fill_yard(
    city: City, cell: Polygon, streets: BaseGeometry, tags: Tags,
    *, gates: int = 2, grain: tuple[float, float] = (6_000, 12_000),
) -> bool:  # fmt: skip
    """A walled yard (school, hospital, works, offices): a loop, a few paths, one or two gates."""
    rng = city.rng
    wall = largest(cell.buffer(-8, join_style="mitre").simplify(1.5))
    ring = largest(wall.buffer(-12).simplify(2)) if wall is not None else None
    if wall is None or ring is None or not is_wide(ring, 15):
        return False
    _, cuts = subdivide(ring, rng, grain, askew=0.05)
    inner = unary_union([ring.exterior, *cuts])
    if not wall_in(city, wall, inner, streets, {**tags, "barrier": "wall"}, gates=gates):
        return False
    city.add(LineString(ring.exterior), {"highway": "service"})
    for cut in cuts:
        city.add(cut, {"highway": "footway"})
    _doorsteps(city, cuts, ring, 0.8)
    return True


def fill_site(city: City, cell: Polygon) -> None:
    """A building site: fenced ground and nothing to walk on."""
    ground = largest(cell.buffer(-9).simplify(2))
    if ground is not None:
        name = compound_name(city.rng) + "工地"
        city.areas.append(Area(ground, {"landuse": "construction", "name": name}))


def fill_car_park(city: City, cell: Polygon, streets: BaseGeometry) -> None:
    """Open ground of shops: parking aisles like a comb, two ways in."""
    rng = city.rng
    lot = largest(cell.buffer(-float(rng.uniform(9, 16))).simplify(2))
    if lot is None or not is_wide(lot, 16):
        return
    ring = LineString(lot.exterior)
    city.add(ring, {"highway": "service"})
    aisle = {"highway": "service", "service": "parking_aisle"}
    for line in grid_lines(lot, orientation(lot) + math.pi / 2, float(rng.uniform(17, 26)), 0.5):
        if city.chance(0.6):
            city.add(line, aisle)
    _ways_in(city, ring, streets, 3)


def _ways_in(city: City, ring: LineString, streets: BaseGeometry, count: int) -> None:
    """Open links from a loop to the streets around it."""
    start = float(city.rng.random())
    for i in range(count):
        p = ring.interpolate((start + i / count) % 1.0, normalized=True)
        way = link(p, streets, 60)
        if way is not None:
            city.add(way, {"highway": "footway" if i else "service"})


def fill_garden(city: City, cell: Polygon, streets: BaseGeometry, name: str = "") -> None:
    """A park: a loop, curved paths from edge to edge, sometimes a pond in the middle."""
    rng = city.rng
    park = largest(cell.buffer(-7).simplify(2))
    loop = largest(park.buffer(-14).simplify(3)) if park is not None else None
    if park is None or loop is None:
        return
    label = name or compound_name(rng, "公园")
    city.areas.append(Area(park, {"leisure": "park", "name": label}))
    pond = None
    if park.area > 30_000:
        pond = largest(loop.buffer(-0.28 * math.sqrt(loop.area)).buffer(12).simplify(3))
    if pond is not None:
        city.areas.append(Area(pond, {"natural": "water", "water": "pond"}))
        shore = LineString(pond.buffer(9).simplify(1.5).exterior)
        city.add(shore, {"highway": "footway"})
    ring = LineString(loop.exterior)
    city.add(ring, {"highway": "footway"})
    count = max(4, int(ring.length / 110))
    for i in range(count):
        a = ring.interpolate((i + float(rng.uniform(0, 0.5))) / count, normalized=True)
        b = ring.interpolate((i / count + float(rng.uniform(0.3, 0.7))) % 1.0, normalized=True)
        bend_by = float(rng.normal(0, 0.16))
        mid = (
            (a.x + b.x) / 2 + (b.y - a.y) * bend_by,
            (a.y + b.y) / 2 - (b.x - a.x) * bend_by,
        )
        path: BaseGeometry = LineString(smooth([(a.x, a.y), mid, (b.x, b.y)], 22))
        path = path.intersection(loop)
        if pond is not None:
            path = path.difference(pond.buffer(9))
        city.add(path, {"highway": "footway" if city.chance(0.8) else "path"})
    _ways_in(city, ring, streets, 6)


# --- old town, urban villages, towns --------------------------------------------------------------


def fill_lanes(
    city: City, ground: BaseGeometry, streets: BaseGeometry, sizes: tuple[float, float],
    keep: float, *, kinds: tuple[str, ...] = ("service", "footway", "living_street"),
    named: float = 0.0, limit: float = 40.0, dead: float = 0.12, bow: float = 3.0,
) -> None:  # fmt: skip
    """Alleys (胡同, 城中村): short, crooked, many T-junctions, some blind; no walls.

    ``keep`` is the share of alleys that open to the street where they reach the edge.
    """
    rng = city.rng
    for piece in polygons_in(ground, 400):
        part = Polygon(piece.exterior)
        _, cuts = subdivide(part, rng, sizes, askew=0.1, bow=bow)
        for number, cut in enumerate(cuts):
            line = with_ends(cut, part.exterior, streets, limit, 1.0 if number < 2 else keep, rng)
            if city.chance(dead) and line.length > 30:
                stop = line.length * float(rng.uniform(0.45, 0.8))
                line = shapely.ops.substring(line, 0, stop)
            kind = str(rng.choice(kinds))
            tags = {"highway": kind}
            if kind == "service":
                tags["service"] = "alley"
            if number < 2 and kinds[0] != "footway":
                tags = {"highway": "residential"}
            if city.chance(named) and line.length > 50:
                tags["name"] = lane_name(rng)
            city.add(line, tags)


def fill_town(city: City, ground: Polygon, roads: BaseGeometry, sizes: tuple[float, float]) -> None:
    """A town or village grown along its road: lanes off the main street, thinning outwards."""
    inside = roads.intersection(ground)
    parts = polygons_in(split_by(ground, inside), 600)
    for part in parts:
        fill_lanes(
            city, part, inside, sizes, 1.0, kinds=("residential", "service", "footway", "service"),
            limit=4.0, dead=0.25, named=0.15,
        )  # fmt: skip
