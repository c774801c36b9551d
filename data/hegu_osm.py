"""From lines to OSM: real noding, then nodes, ways and relations in a PBF.

Streets of the ground level share a node wherever they meet or cross; bridges, underpasses and the
motorway share nodes at their ends only. Nodes closer than a step are one node. Afterwards scraps
that join nothing are taken out, except the islands that are meant.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import osmium
import shapely
from hegu_plane import Area, Line, Spot, degrees_of
from osmium.osm.mutable import Node, Relation, Way
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from shapely import STRtree

from servicecircle.streets.walk_filter import OSMNX

GRID = 10  # vertices lie on a grid of 1/GRID metres
TOUCH_M = 0.2  # an end so near to a line lies on it
MERGE_M = 1.8  # two nodes so near are one
GROUND, MOTORWAY, RAIL = 0, 5, 9
Key = tuple[int, int]


@dataclass
class Noded:
    """A line as node keys (decimetres)."""

    keys: list[Key]
    tags: dict[str, str]
    level: int
    island: bool


@dataclass
class OsmCity:
    """Objects ready to be written: node keys in order of their ids, ways, relations."""

    ids: dict[Key, int] = field(default_factory=dict)
    node_tags: dict[Key, dict[str, str]] = field(default_factory=dict)
    ways: list[tuple[list[Key], dict[str, str]]] = field(default_factory=list)
    relations: list[tuple[list[int], dict[str, str]]] = field(default_factory=list)


def key_of(x: float, y: float) -> Key:
    """The grid point next to a position."""
    return (round(x * GRID), round(y * GRID))


def _clean(keys: Iterable[Key]) -> list[Key]:
    """Without immediate repetitions and without spikes (a, b, a)."""
    out: list[Key] = []
    for key in keys:
        if out and out[-1] == key:
            continue
        if len(out) > 1 and out[-2] == key:
            out.pop()
            continue
        out.append(key)
    return out


# --- noding ---------------------------------------------------------------------------------------


def node_lines(lines: list[Line], gates: set[Key]) -> tuple[list[Noded], dict[Key, Key]]:
    """Lines whose meetings are shared vertices, and where merged vertices went.

    A few rounds, since rounding and merging move lines a bit. ``gates`` stay where they are.
    """
    moved: dict[Key, Key] = {}
    noded = [
        Noded(_clean(key_of(x, y) for x, y in line.points), line.tags, line.level, line.island)
        for line in lines
    ]
    for _ in range(4):
        _touch_ends(noded)
        found = _cross(noded)
        moved.update(_merge_near(noded, gates))
        noded = [n for n in noded if len(n.keys) > 1]
        if not found:
            break
    return noded, moved


def _segments(noded: list[Noded], levels: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(line, number) and the four coordinates (grid units) of every segment on those levels."""
    owner, ends = [], []
    for i, line in enumerate(noded):
        if line.level in levels:
            for k in range(len(line.keys) - 1):
                owner.append((i, k))
                ends.append((*line.keys[k], *line.keys[k + 1]))
    return np.array(owner).reshape(-1, 2), np.array(ends, dtype=float).reshape(-1, 4)


def _insert(noded: list[Noded], new: dict[int, list[tuple[int, Key]]]) -> None:
    """Put new vertices into lines, each into its segment, in order along it."""
    for i, items in sorted(new.items()):
        by_segment: dict[int, set[Key]] = defaultdict(set)
        for k, key in items:
            by_segment[k].add(key)
        keys = noded[i].keys
        out: list[Key] = []
        for k in range(len(keys)):
            out.append(keys[k])
            if k in by_segment:
                a = keys[k]
                out += sorted(by_segment[k], key=lambda p, a=a: (math.dist(a, p), p))
        noded[i].keys = _clean(out)


def _touch_ends(noded: list[Noded]) -> None:
    """A vertex that lies on another line becomes a vertex of that line too."""
    for levels, sources in (((GROUND,), None), ((MOTORWAY,), "motorway_link")):
        owner, ends = _segments(noded, levels)
        if not len(ends):
            continue
        points = sorted({
            key
            for n in noded
            for key in ((n.keys[0], n.keys[-1]) if n.level != GROUND or sources else n.keys)
            if (n.tags.get("highway") == sources if sources else n.level not in (MOTORWAY, RAIL))
        })  # fmt: skip
        tree = STRtree(shapely.linestrings(ends.reshape(-1, 2, 2)))
        at, hit = tree.query(shapely.points(np.array(points, float)), "dwithin", TOUCH_M * GRID)
        new: dict[int, list[tuple[int, Key]]] = defaultdict(list)
        for p, h in zip(at.tolist(), hit.tolist(), strict=True):
            line, k = (int(v) for v in owner[h])
            if points[p] not in (noded[line].keys[k], noded[line].keys[k + 1]):
                new[line].append((k, points[p]))
        _insert(noded, new)


def _cross(noded: list[Noded]) -> int:
    """Give crossing ground lines a shared vertex; how many crossings had none."""
    owner, ends = _segments(noded, (GROUND,))
    shapes = shapely.linestrings(ends.reshape(-1, 2, 2))
    one, other = STRtree(shapes).query(shapes, "crosses")
    keep = one < other
    one, other = one[keep], other[keep]
    where = shapely.intersection(shapes[one], shapes[other])
    new: dict[int, list[tuple[int, Key]]] = defaultdict(list)
    count = 0
    for i, j, point in zip(one.tolist(), other.tolist(), where, strict=True):
        if point.geom_type != "Point":
            continue
        key = (round(point.x), round(point.y))
        for h in (i, j):
            line, k = (int(v) for v in owner[h])
            if key not in (noded[line].keys[k], noded[line].keys[k + 1]):
                new[line].append((k, key))
                count += 1
    _insert(noded, new)
    return count


def _merge_near(noded: list[Noded], gates: set[Key]) -> dict[Key, Key]:
    """Two nodes within a step of each other become one, the one on more lines; old → new."""
    ground = [n for n in noded if n.level in (GROUND, 1, -1, 2)]
    uses: Counter[Key] = Counter(key for n in ground for key in n.keys)
    points = sorted(uses)
    shapes = shapely.points(np.array(points, float))
    one, other = STRtree(shapes).query(shapes, "dwithin", MERGE_M * GRID)
    keep = one < other
    links = coo_matrix(
        (np.ones(int(keep.sum()), np.int8), (one[keep], other[keep])), shape=(len(points),) * 2
    )
    _, label = connected_components(links, directed=False)
    groups: dict[int, list[Key]] = defaultdict(list)
    for i, group in enumerate(label.tolist()):
        groups[group].append(points[i])
    target: dict[Key, Key] = {}
    for members in groups.values():
        if 1 < len(members) <= 8:
            best = max(members, key=lambda k: (k in gates, uses[k], k))
            target.update((k, best) for k in members)
    for n in noded:
        n.keys = _clean(target.get(k, k) for k in n.keys)
    return target


def final_key(key: Key, moved: dict[Key, Key]) -> Key:
    """Where a vertex is after merging."""
    for _ in range(9):
        if moved.get(key, key) == key:
            break
        key = moved[key]
    return key


def without_doubles(noded: list[Noded]) -> list[Noded]:
    """Every stretch between two nodes once: the earlier line keeps it, the later one is cut."""
    seen: set[tuple[Key, Key]] = set()
    out = []
    for n in noded:
        run = [n.keys[0]]
        for a, b in zip(n.keys, n.keys[1:], strict=False):
            pair = (min(a, b), max(a, b))
            if pair in seen and n.level != RAIL:
                if len(run) > 1:
                    out.append(Noded(run, n.tags, n.level, n.island))
                run = [b]
            else:
                seen.add(pair)
                run.append(b)
        if len(run) > 1:
            out.append(Noded(run, n.tags, n.level, n.island))
    return out


def without_scraps(noded: list[Noded]) -> list[Noded]:
    """Only what hangs together with the city on foot, and the islands that are meant."""
    walk = [n for n in noded if OSMNX.allows(n.tags)]
    number = {key: i for i, key in enumerate(sorted({k for n in walk for k in n.keys}))}
    a = [number[k] for n in walk for k in n.keys[:-1]]
    b = [number[k] for n in walk for k in n.keys[1:]]
    links = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(len(number),) * 2)
    _, label = connected_components(links, directed=False)
    main = np.bincount(label).argmax()
    return [
        n for n in noded
        if n.island or not OSMNX.allows(n.tags) or label[number[n.keys[0]]] == main
    ]  # fmt: skip


# --- objects --------------------------------------------------------------------------------------


def assemble(
    noded: list[Noded], moved: dict[Key, Key], areas: list[Area], spots: list[Spot]
) -> OsmCity:
    """Ways of lines and areas, tags of nodes; ids in the order of the ways, so deltas are small."""
    city = OsmCity()
    on_way: set[Key] = set()
    for n in noded:
        city.ways.append((n.keys, n.tags))
        on_way.update(n.keys)
    for area in areas:
        gates = {p: final_key(key_of(*p), moved) for p in area.gates}
        gates = {p: key for p, key in gates.items() if key in on_way}
        keys = _area_keys(area, gates)
        open_wall = "barrier" in area.tags and not gates
        tags = {k: v for k, v in area.tags.items() if not (open_wall and k == "barrier")}
        city.ways.append((keys, tags))
    for spot in spots:
        key = final_key(key_of(spot.x, spot.y), moved)
        if "barrier" not in spot.tags or key in on_way:
            city.node_tags.setdefault(key, {}).update(spot.tags)
    return city


def _area_keys(area: Area, gates: dict[tuple[float, float], Key]) -> list[Key]:
    """The ring of an area with its gates as vertices, closed."""
    ring = list(area.polygon.exterior.coords)[:-1]
    line = area.polygon.exterior
    stops = [(line.project(shapely.Point(p)), key_of(*p)) for p in ring]
    stops += [(line.project(shapely.Point(p)), key) for p, key in gates.items()]
    keys = _clean(key for _, key in sorted(stops))
    while len(keys) > 1 and keys[0] == keys[-1]:
        keys.pop()
    return [*keys, keys[0]]


def number_nodes(city: OsmCity) -> None:
    """Ids from 1 in the order in which ways use the nodes; lone nodes follow, west to east."""
    for keys, _ in city.ways:
        for key in keys:
            city.ids.setdefault(key, len(city.ids) + 1)
    for key in sorted(city.node_tags):
        city.ids.setdefault(key, len(city.ids) + 1)


def write_pbf(city: OsmCity, path: Path) -> None:
    """Write the objects sorted by type and id, without metadata."""
    path.unlink(missing_ok=True)
    options = "pbf,add_metadata=none,pbf_compression_level=9"
    keys = np.array(list(city.ids), dtype=float) / GRID
    lng, lat = degrees_of(keys[:, 0], keys[:, 1])
    header = osmium.io.Header()
    header.set("generator", "make_hegu.py: fictional city")
    header.set("sorting", "Type_then_ID")
    header.add_box(osmium.osm.Box(lng.min(), lat.min(), lng.max(), lat.max()))
    with osmium.SimpleWriter(osmium.io.File(str(path), options), header=header) as writer:
        for i, key in enumerate(city.ids):
            tags = city.node_tags.get(key, {})
            writer.add_node(Node(id=i + 1, location=(float(lng[i]), float(lat[i])), tags=tags))
        for i, (way_keys, tags) in enumerate(city.ways):
            writer.add_way(Way(id=i + 1, nodes=[city.ids[k] for k in way_keys], tags=tags))
        for i, (members, tags) in enumerate(city.relations):
            refs = [("w", way, "outer") for way in members]
            writer.add_relation(Relation(id=i + 1, members=refs, tags=tags))
