"""Make 河谷市, a fictional Chinese valley city, as a real OSM file with the tables planners hold.

    python data/make_hegu.py [FOLDER]

writes ``hegu.osm.pbf`` and the ``hegu_*`` tables into FOLDER (by default the folder of this file).
The same seed gives the same city. Nothing here is taken from a real map: see SOURCES.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import hegu_osm as osm
from hegu_blocks import City
from hegu_country import fill_country, lay_islands
from hegu_layout import DISTRICTS
from hegu_places import bus_stops, fronts_of, place_all, signals
from hegu_plane import Area
from hegu_quarters import fill_city
from hegu_skeleton import Skeleton, boundary_lines, lay_skeleton
from hegu_tables import write_tables
from shapely import LineString

SEED = 20_260


def make(folder: Path, seed: int = SEED) -> None:
    """Draw the city and write all its files into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    skeleton = lay_skeleton(np.random.default_rng([seed, 1]))
    city = City(np.random.default_rng([seed, 2]))
    city.lines += skeleton.streets
    ground = fill_city(city, skeleton)
    fill_country(city, ground)
    city.respect_walls()
    lay_islands(city, skeleton)
    gates = {osm.key_of(spot.x, spot.y) for spot in city.spots if "barrier" in spot.tags}
    noded, moved = osm.node_lines(city.lines + skeleton.rails, gates)
    noded = osm.without_scraps(osm.without_doubles(noded))
    rng = np.random.default_rng([seed, 3])
    fronts = fronts_of(noded, skeleton, ground.urban, rng)
    places = place_all(fronts, rng) + bus_stops(noded, rng) + skeleton.spots
    city.areas.append(Area(skeleton.water, {"natural": "water", "water": "river", "name": "清河"}))
    for pond in skeleton.ponds:
        city.areas.append(Area(pond.simplify(1), {"natural": "water", "water": "pond"}))
    drawn = osm.assemble(noded, moved, city.areas, city.spots + places)
    for key, tags in signals(noded).items():
        drawn.node_tags.setdefault(key, {}).update(tags)
    add_lines(drawn, skeleton)
    osm.number_nodes(drawn)
    osm.write_pbf(drawn, folder / "hegu.osm.pbf")
    write_tables(folder, skeleton, fronts, np.random.default_rng([seed, 4]))


def add_lines(drawn: osm.OsmCity, s: Skeleton) -> None:
    """The river's line, and the boundaries: ways shared by neighbours, relations over them."""
    inside = LineString(s.river.intersection(s.city).coords)
    drawn.ways.append((_keys(inside), {"waterway": "river", "name": "清河"}))
    first = len(drawn.ways) + 1
    lines = boundary_lines(s)
    outlines = {"河谷市": s.city} | s.boundaries
    members: dict[str, list[int]] = {name: [] for name in outlines}
    levels = dict.fromkeys(outlines, 8) | {name: 6 for name, *_ in DISTRICTS} | {"河谷市": 5}
    for i, line in enumerate(lines):
        middle = line.interpolate(0.5, normalized=True)
        homes = [n for n, p in outlines.items() if p.exterior.distance(middle) < 0.5]
        for name in homes:
            members[name].append(first + i)
        level = str(min(levels[name] for name in homes))
        drawn.ways.append((_keys(line), {"boundary": "administrative", "admin_level": level}))
    for name, ways in members.items():
        tags = {"type": "boundary", "boundary": "administrative", "name": name}
        tags["admin_level"] = str(levels[name])
        if name == "河谷市":
            tags["note"] = "虚构城市 fictional: drawn by make_hegu.py, not a real place"
        drawn.relations.append((ways, tags))


def _keys(line: LineString) -> list[osm.Key]:
    return [osm.key_of(x, y) for x, y in line.coords]


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent)
