"""Which ground of 河谷市 is what: superblocks between arterials, towns and villages outside.

Also what runs along the streets: sidewalks that are ways of their own, the crossings and
footbridges between them, and the greenways along the river.
"""

from __future__ import annotations

import math

import shapely
from hegu_blocks import City, fill_garden, fill_lanes, fill_superblock
from hegu_cuts import grid_lines, largest, link
from hegu_grounds import fill_campus, fill_hill, fill_works
from hegu_layout import box, hill_ground, station_ground, works_ground
from hegu_plane import (
    Area,
    Spot,
    bend,
    is_wide,
    lines_in,
    polygons_in,
)
from hegu_skeleton import Skeleton, longer
from shapely import LineString, MultiLineString, Point, Polygon, STRtree
from shapely.geometry.base import BaseGeometry
from shapely.ops import polygonize, unary_union

JOINABLE = ("primary", "secondary", "tertiary", "unclassified", "residential")
SIDEWALK_M = 9.0  # from the carriageway's middle line to the sidewalk's
CROSSING_REACH_M = 48.0


class Ground:
    """The skeleton as a filler sees it: streets one may join, and the faces between them."""

    def __init__(self, s: Skeleton) -> None:
        self.s = s
        plain = [line for line in s.streets if line.level == 0 and line.tags["highway"] in JOINABLE]
        self.streets = [line.geometry for line in plain]
        self.classes = [line.tags["highway"] for line in plain]
        self.tree = STRtree(self.streets)
        every = [line.geometry for line in s.streets if line.tags["highway"] != "motorway_link"]
        every += [s.rail, s.water.exterior, s.motorway]
        cells = polygonize(unary_union(every))
        self.urban = Polygon(bend(box(2600, 1830, 11260, 6870)))
        self.cells = [
            c for c in cells
            if is_wide(c, 50) and not s.water.contains(c.representative_point())
            and self.urban.contains(c.representative_point())
        ]  # fmt: skip

    def near(self, ground: Polygon, reach: float = 4.0) -> MultiLineString:
        """Streets along the edge of a piece of ground."""
        zone = ground.buffer(reach)
        found = [self.streets[int(i)] for i in sorted(self.tree.query(zone))]
        return MultiLineString(
            [part for line in found for part in lines_in(line.intersection(zone), 3)]
        )


def quarters() -> list[tuple[str, Polygon]]:
    """Grounds of a kind of their own; the first that holds a face's middle counts."""
    return [
        ("campus", Polygon(bend(box(6750, 1850, 8050, 2420)))),
        ("works", works_ground()),
        ("old", Polygon(bend(box(5200, 3850, 6850, 5150)))),
        ("centre", Polygon(bend(box(6700, 4200, 7900, 5650)))),
        ("park", Polygon(bend(box(9050, 4150, 9540, 4700)))),
        ("park", Polygon(bend(box(4000, 2000, 4440, 2340)))),
        ("lanes", Polygon(bend(box(2950, 5250, 3900, 5560)))),
        ("lanes", Polygon(bend(box(7700, 5650, 8500, 5950)))),
    ]


def fill_city(city: City, s: Skeleton) -> Ground:
    """Fill every face between arterials, then lay what runs along the streets."""
    ground = Ground(s)
    kinds = quarters()
    rings: list[LineString] = []
    closed = unary_union([s.barriers, station_ground()])
    for cell in sorted(ground.cells, key=lambda c: (c.centroid.x, c.centroid.y)):
        middle = cell.representative_point() if not cell.contains(cell.centroid) else cell.centroid
        kind = next((k for k, zone in kinds if zone.contains(middle)), "homes")
        ring = _sidewalk(ground, cell)
        rings += ring
        if _is_bank(s, cell):
            continue
        for part in polygons_in(cell.difference(unary_union([closed, *blind(ground, cell)])), 1500):
            _fill_face(city, ground, kind, Polygon(part.exterior))
    _lay_sidewalks(city, ground, rings)
    _lay_greenways(city, ground)
    hill = hill_ground().difference(s.trunk.buffer(60))
    foot = unary_union([g for g in ground.streets if g.distance(hill) < 60])
    fill_hill(city, Polygon(polygons_in(hill)[0].exterior), foot)
    _fill_station(city, ground)
    return ground


def _fill_station(city: City, ground: Ground) -> None:
    """The station's building, its square, and ways over the square to the streets."""
    square = station_ground().difference(ground.s.barriers)
    house = Polygon(bend(box(7050, 5495, 7300, 5530)))
    city.areas.append(Area(house, {"building": "train_station", "name": "河谷站"}))
    plaza = largest(square.difference(house.buffer(3)).buffer(-2).simplify(1))
    if plaza is None:
        return
    edge = LineString(plaza.exterior)
    city.add(edge, {"highway": "pedestrian", "name": "站前广场"})
    for line in grid_lines(plaza, 0.6, 62, 0.5) + grid_lines(plaza, -0.7, 90, 0.2):
        city.add(line.difference(house.buffer(3)), {"highway": "footway"})
    streets = ground.near(plaza, 45)
    for i in range(7):
        way = link(edge.interpolate(i / 7, normalized=True), streets, 80)
        if way is not None and not way.intersects(house):
            city.add(way, {"highway": "pedestrian"})


def blind(ground: Ground, cell: Polygon) -> list[BaseGeometry]:
    """Streets that end inside a face, before a barrier: the ground is cut along them."""
    inside = lines_in(shapely.line_merge(ground.near(cell.buffer(-14), 0)), 15)
    return [longer(g, 16).buffer(4) for g in inside]


def _is_bank(s: Skeleton, cell: Polygon) -> bool:
    """Ground between a bank road and the river: left to the greenways."""
    return bool(cell.distance(s.water) < 1)


def _fill_face(city: City, ground: Ground, kind: str, part: Polygon) -> None:
    streets = ground.near(part)
    inner = largest(part.buffer(-13).simplify(0.8)) if kind != "campus" else part
    if inner is None or not is_wide(part, 45):
        return
    if kind == "campus":
        fill_campus(city, part, streets)
    elif kind == "works":
        fill_works(city, inner, streets)
    elif kind == "old":
        fill_lanes(city, inner, streets, (1400, 4200), 0.55, named=0.45, limit=32,
                   kinds=("service", "living_street", "footway", "pedestrian"))  # fmt: skip
    elif kind == "lanes":
        fill_lanes(city, inner, streets, (800, 2000), 0.3, limit=32, named=0.1)
    elif kind == "park":
        fill_garden(city, part, streets, "河谷人民公园")
    elif kind == "centre":
        fill_superblock(city, inner, streets, (9_000, 24_000), 6.0)
    else:
        grain = ((12_000, 30_000), (20_000, 52_000), (50_000, 120_000))
        fill_superblock(city, inner, streets, grain[int(city.rng.choice(3, p=[0.3, 0.4, 0.3]))], 5)


# --- along the streets ----------------------------------------------------------------------------


def _sidewalk(ground: Ground, cell: Polygon) -> list[LineString]:
    """The sidewalk around a face, where it runs along a street that one may join."""
    inner = largest(cell.buffer(-SIDEWALK_M).simplify(0.8))
    if inner is None:
        return []
    along = ground.near(cell).buffer(SIDEWALK_M + 3)
    ring = LineString(inner.exterior)
    return lines_in(shapely.line_merge(ring.intersection(along)), 40)


def _lay_sidewalks(city: City, ground: Ground, rings: list[LineString]) -> None:
    for ring in rings:
        city.add(ring, {"highway": "footway", "footway": "sidewalk"})
    tree = STRtree(rings)
    taken: list[tuple[float, float, float]] = []
    for number, ring in enumerate(rings):
        for start, angle in _corners(ring) + _middles(ring):
            _lay_crossing(city, ground, (tree, rings, number), start, angle, taken)


def _corners(ring: LineString) -> list[tuple[Point, float]]:
    """At every corner of a sidewalk, the two ways straight on over the street."""
    c = list(ring.coords)
    closed = c[0] == c[-1]
    out = []
    for i in range(0 if closed else 1, len(c) - 1):
        a, b, d = c[i - 1] if i else c[-2], c[i], c[i + 1]
        come, go = math.atan2(b[1] - a[1], b[0] - a[0]), math.atan2(d[1] - b[1], d[0] - b[0])
        turn = abs((go - come + math.pi) % (2 * math.pi) - math.pi)
        if turn > math.radians(45):
            out += [(Point(b), come), (Point(b), go + math.pi)]
    return out


def _middles(ring: LineString) -> list[tuple[Point, float]]:
    """Half-way along long sides: a crossing square to the street, to either hand."""
    out = []
    c = list(ring.coords)
    run, corner = 0.0, 0
    for i in range(1, len(c)):
        run += math.dist(c[i - 1], c[i])
        last = i == len(c) - 1
        turn = 0.0
        if not last:
            come = math.atan2(c[i][1] - c[i - 1][1], c[i][0] - c[i - 1][0])
            go = math.atan2(c[i + 1][1] - c[i][1], c[i + 1][0] - c[i][0])
            turn = abs((go - come + math.pi) % (2 * math.pi) - math.pi)
        if last or turn > math.radians(45):
            if run > 240:
                side = LineString(c[corner : i + 1])
                p, q = side.interpolate(0.5, True), side.interpolate(0.51, True)
                square = math.atan2(q.y - p.y, q.x - p.x) + math.pi / 2
                out += [(p, square), (p, square + math.pi)]
            run, corner = 0.0, i
    return out


def _lay_crossing(
    city: City, ground: Ground, others: tuple[STRtree, list[LineString], int], start: Point,
    angle: float, taken: list[tuple[float, float, float]],
) -> None:  # fmt: skip
    """Straight over the street to the sidewalk opposite; now and then a footbridge."""
    tree, rings, own = others
    reach = CROSSING_REACH_M
    end = (start.x + math.cos(angle) * reach, start.y + math.sin(angle) * reach)
    line = LineString([start, end])
    hits = [
        p.centroid
        for i in sorted(tree.query(line)) if int(i) != own
        for p in shapely.get_parts(line.intersection(rings[int(i)])) if not p.is_empty
    ]  # fmt: skip
    if not hits:
        return
    line = LineString([start, min(hits, key=start.distance)])
    middle, lean = line.interpolate(0.5, True), angle % math.pi
    streets = ground.near(line.buffer(1), 1)
    if line.length < 8 or not line.intersects(streets) or line.intersects(ground.s.barriers):
        return
    for x, y, other in taken:
        near = math.hypot(x - middle.x, y - middle.y) < 13
        if near and abs((lean - other + math.pi / 2) % math.pi - math.pi / 2) < 0.5:
            return
    taken.append((middle.x, middle.y, lean))
    if line.length > 30 and city.chance(0.07):
        tags = {"highway": "footway", "bridge": "yes", "layer": "1", "name": "人行天桥"}
        city.add(line, tags, level=2)
        return
    city.add(line, {"highway": "footway", "footway": "crossing"})
    for p in shapely.get_parts(line.intersection(streets)):
        city.spots.append(Spot(p.centroid.x, p.centroid.y, {"highway": "crossing"}))


def _lay_greenways(city: City, ground: Ground) -> None:
    """绿道: a footway and a cycleway along the river; only the footway is for walkers."""
    s = ground.s
    for distance, kind in ((36.0, "footway"), (45.0, "cycleway")):
        edge = LineString(s.water.simplify(3).buffer(distance).simplify(1.5).exterior)
        for part in lines_in(edge.intersection(ground.urban), 200):
            city.add(part, {"highway": kind, "name": "滨河绿道"})
            if kind == "footway":
                _greenway_links(city, ground, part)


def _greenway_links(city: City, ground: Ground, part: LineString) -> None:
    at = float(city.rng.uniform(20, 120))
    while at < part.length:
        p = part.interpolate(at)
        near = ground.tree.query_nearest(p)
        street = ground.streets[int(sorted(near)[0])]
        way = shapely.shortest_line(p, street)
        if 5 < way.length < 170 and not way.intersects(ground.s.water.buffer(2)):
            city.add(way, {"highway": "steps" if city.chance(0.12) else "footway"})
        at += float(city.rng.uniform(110, 260))
