"""The bundled city: is 河谷市 as hard as a real one, and is it what its generator makes?"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pytest
import shapely
from shapely.ops import polygonize, unary_union

from servicecircle.coordinates import inside_mainland
from servicecircle.scenario import load_scenario
from servicecircle.snapping import Streets, snap
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.walk_filter import OSMNX
from servicecircle.tables import read_districts, read_sites

DATA = Path(__file__).resolve().parents[1] / "data"
OSM = DATA / "hegu.osm.pbf"
TABLES = (
    "hegu_stations.xlsx",
    "hegu_stations_gb18030.csv",
    "hegu_key_areas.geojson",
    "hegu_districts.geojson",
)
TOWNS = {"西川镇", "柳湾镇", "南山镇", "青石镇", "东岭镇", "石桥镇"}
QUARTERS = {"城西区", "城中区", "城东区", "滨南区"}
HOSTS = {
    "amenity=bank": 60, "amenity=post_office": 15, "shop=supermarket": 40,
    "shop=convenience": 120, "amenity=townhall": 10, "office=government": 10,
    "amenity=library": 6, "amenity=community_centre": 25, "amenity=bus_station": 5,
    "amenity=fuel": 20, "amenity=pharmacy": 60, "shop=mobile_phone": 50,
}  # fmt: skip
SOLID = ("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential")


class Objects:
    """All objects of an OSM file, in memory."""

    def __init__(self, path: Path) -> None:
        self.nodes: dict[int, tuple[float, float]] = {}
        self.node_tags: dict[int, dict[str, str]] = {}
        self.ways: dict[int, tuple[list[int], dict[str, str]]] = {}
        self.relations: dict[int, tuple[list[tuple[str, int, str]], dict[str, str]]] = {}
        self.order: list[tuple[str, int]] = []
        for thing in osmium.FileProcessor(str(path)):
            tags = dict(thing.tags)
            self.order.append((thing.type_str(), thing.id))
            if thing.is_node():
                self.nodes[thing.id] = (thing.location.lon, thing.location.lat)
                if tags:
                    self.node_tags[thing.id] = tags
            elif thing.is_way():
                self.ways[thing.id] = ([n.ref for n in thing.nodes], tags)
            else:
                members = [(m.type, m.ref, m.role) for m in thing.members]
                self.relations[thing.id] = (members, tags)

    def line(self, way: int) -> shapely.LineString:
        return shapely.LineString([self.nodes[n] for n in self.ways[way][0]])

    def kinds(self) -> Counter[str]:
        return Counter(f"{k}={v}" for tags in self.node_tags.values() for k, v in tags.items())


@pytest.fixture(scope="module")
def hegu() -> Objects:
    return Objects(OSM)


@pytest.fixture(scope="module")
def network() -> WalkNetwork:
    return read_osm(OSM)


@pytest.fixture(scope="module")
def water(hegu: Objects) -> shapely.Geometry:
    rings = [hegu.line(w) for w, (_, t) in hegu.ways.items() if t.get("natural") == "water"]
    return unary_union([shapely.Polygon(ring) for ring in rings])


def named(hegu: Objects, **tags: str) -> list[int]:
    return [w for w, (_, t) in hegu.ways.items() if tags.items() <= t.items()]


def test_file_is_small_sorted_and_says_that_it_is_fictional(hegu: Objects) -> None:
    assert OSM.stat().st_size <= 1_500_000
    rank = {"n": 0, "w": 1, "r": 2}
    keys = [(rank[kind], number) for kind, number in hegu.order]
    assert keys == sorted(keys)
    city = [t for _, t in hegu.relations.values() if t.get("name") == "河谷市"]
    assert len(city) == 1
    assert "虚构" in city[0]["note"]
    assert "fictional" in city[0]["note"]
    assert "虚构" in (DATA / "SOURCES.md").read_text(encoding="utf-8")
    for name in TABLES[2:]:
        assert "虚构" in json.loads((DATA / name).read_text(encoding="utf-8"))["note"]


def test_city_lies_on_the_mainland_and_has_its_size(hegu: Objects, network: WalkNetwork) -> None:
    lng, lat = np.array(list(hegu.nodes.values())).T
    assert inside_mainland(lng, lat).all()
    x, y = network.plane.transform(lng, lat)
    assert 12_000 < np.ptp(x) < 16_500
    assert 7_000 < np.ptp(y) < 10_500


def test_network_is_as_large_and_as_hard_as_a_real_one(network: WalkNetwork) -> None:
    assert network.n_junctions >= 30_000
    ends = np.concatenate([network.edge_u, network.edge_v])
    degree = np.bincount(ends, minlength=network.n_junctions)
    assert 0.10 <= (degree == 1).mean() <= 0.25  # Porto 0.18, a quarter of Beijing 0.22
    assert (degree == 3).mean() > 0.55  # T-junctions, as in real towns; no toy grid
    assert (degree == 4).mean() < 0.25
    assert 30 <= network.length / network.n_edges <= 60
    assert 3 <= network.islands <= 12
    assert network.island_metres < 0.01 * network.length
    assert network.edge_length[~network.edge_island].sum() >= 0.97 * network.length


def test_streets_run_in_many_directions(network: WalkNetwork) -> None:
    """A toy grid has two directions; here no 10-degree class holds a third of the length."""
    long = network.edge_length > 40
    u, v = network.edge_u[long], network.edge_v[long]
    x, y = network.plane.transform(network.junction_lng, network.junction_lat)
    angle = np.degrees(np.arctan2(y[v] - y[u], x[v] - x[u])) % 90
    share = np.histogram(angle, 9, (0, 90), weights=network.edge_length[long])[0]
    assert (share / share.sum()).max() < 0.34


def test_classes_of_streets(hegu: Objects) -> None:
    metres: dict[str, float] = defaultdict(float)
    for way, (_, tags) in hegu.ways.items():
        metres[tags.get("highway", "")] += hegu.line(way).length * 95_000
    for highway in (*SOLID, "motorway_link", "living_street", "pedestrian", "service", "footway",
                    "path", "steps", "cycleway", "track"):  # fmt: skip
        assert metres[highway] > 1_000, highway
    assert not OSMNX.allows({"highway": "motorway"})
    assert OSMNX.allows({"highway": "trunk"})
    assert metres["trunk"] > 10_000
    assert metres["motorway"] > 20_000


def test_river_is_crossed_by_few_bridges_only(hegu: Objects, water: shapely.Geometry) -> None:
    river = max(shapely.get_parts(water), key=lambda part: part.length)
    crossing = set()
    for way, (_, tags) in hegu.ways.items():
        if "highway" not in tags and tags.get("railway") != "rail":
            continue
        line = hegu.line(way)
        if line.intersects(water):
            assert tags.get("bridge") == "yes", (way, tags)
            assert tags.get("layer") == "1"
        if line.intersects(river):
            crossing.add(tags["name"])
    assert 6 <= len(crossing) <= 8


def test_railway_is_crossed_on_other_levels_only(hegu: Objects) -> None:
    rail = unary_union([hegu.line(w) for w in named(hegu, railway="rail")])
    under, over = set(), set()
    for way, (_, tags) in hegu.ways.items():
        if "highway" in tags and hegu.line(way).intersects(rail):
            assert tags.get("tunnel") == "yes" or tags.get("bridge") == "yes", (way, tags)
            (under if "tunnel" in tags else over).add(tags["name"])
    assert 6 <= len(under) <= 12
    assert len(over) <= 2
    stations = [t for t in hegu.node_tags.values() if t.get("railway") == "station"]
    assert len(stations) == 1


def test_streets_that_cross_on_one_level_share_a_node(hegu: Objects) -> None:
    ends, levels, keys = [], [], []
    for refs, tags in hegu.ways.values():
        if "highway" in tags:
            for a, b in itertools.pairwise(refs):
                ends.append((hegu.nodes[a], hegu.nodes[b]))
                levels.append(int(tags.get("layer", "0")))
                keys.append((min(a, b), max(a, b)))
    assert len(set(keys)) == len(keys)  # no stretch twice
    shapes, level = shapely.linestrings(np.array(ends)), np.array(levels)
    one, other = shapely.STRtree(shapes).query(shapes, "crosses")
    assert not (level[one] == level[other]).any()


def test_walls_are_passed_at_gates_only(hegu: Objects) -> None:
    gates = {n for n, t in hegu.node_tags.items() if t.get("barrier") in ("gate", "lift_gate")}
    assert len(gates) > 1_000
    walls = named(hegu, barrier="wall")
    assert len(walls) > 500
    of_wall = Counter(len(gates.intersection(hegu.ways[w][0])) for w in walls)
    assert set(of_wall) <= {1, 2, 3, 4}
    ways = [w for w, (_, t) in hegu.ways.items() if OSMNX.allows(t)]
    lines = [hegu.line(w) for w in ways]
    rings = [hegu.line(w) for w in walls]
    at, hit = shapely.STRtree(lines).query(rings, "intersects")
    for i, k in zip(at.tolist(), hit.tolist(), strict=True):
        shared = set(hegu.ways[walls[i]][0]) & set(hegu.ways[ways[k]][0]) & gates
        spots = shapely.MultiPoint([hegu.nodes[n] for n in sorted(shared)])
        crossing = rings[i].intersection(lines[k])
        assert crossing.difference(spots.buffer(2e-6)).is_empty, (walls[i], ways[k])


def test_campus_works_hill_and_greenway(hegu: Objects) -> None:
    gates = {n for n, t in hegu.node_tags.items() if "barrier" in t}
    campus = named(hegu, amenity="university")
    assert len(campus) == 1
    assert 3 <= len(gates.intersection(hegu.ways[campus[0]][0])) <= 4
    assert len(named(hegu, landuse="industrial")) > 20
    assert len(named(hegu, highway="steps")) > 30
    assert named(hegu, highway="cycleway", name="滨河绿道")
    assert named(hegu, highway="footway", name="滨河绿道")
    assert len(named(hegu, landuse="construction")) > 15
    separate = named(hegu, sidewalk="separate")
    assert separate
    assert not any(OSMNX.allows(hegu.ways[w][1]) for w in separate)


def test_places_and_hosts(hegu: Objects) -> None:
    kinds = hegu.kinds()
    assert {kind: kinds[kind] for kind in HOSTS} == HOSTS
    assert 300 <= sum(HOSTS.values()) <= 500
    assert kinds["amenity=restaurant"] + kinds["amenity=fast_food"] > 1_500
    assert kinds["highway=traffic_signals"] > 150
    assert kinds["highway=crossing"] > 300
    assert kinds["highway=bus_stop"] > 300
    assert kinds["amenity=taxi"] > 15
    assert sum("name" in t for t in hegu.node_tags.values()) > 4_000
    for tags in hegu.node_tags.values():
        if any(f"{k}={v}" in HOSTS for k, v in tags.items()):
            assert tags["name"]


def test_places_are_dense_where_the_city_is(hegu: Objects) -> None:
    food = [
        hegu.nodes[n] for n, t in hegu.node_tags.items()
        if t.get("amenity") in ("restaurant", "fast_food")
    ]  # fmt: skip
    districts = gpd.read_file(DATA / "hegu_districts.geojson").set_index("district")
    count = {
        name: shapely.contains_xy(shape, np.array(food)).sum()
        for name, shape in districts.geometry.items()
    }
    assert sum(count.values()) == len(food)
    assert count["城中区"] > 0.3 * len(food)
    assert all(count[town] >= 5 for town in TOWNS)


def test_boundaries_are_closed_named_and_a_partition(hegu: Objects) -> None:
    found: dict[str, tuple[str, shapely.Geometry]] = {}
    uses: Counter[int] = Counter()
    for members, tags in hegu.relations.values():
        assert tags["boundary"] == "administrative"
        lines = [hegu.line(ref) for kind, ref, role in members if kind == "w" and role == "outer"]
        areas = list(polygonize(lines))
        assert len(areas) == 1, tags
        assert sum(line.length for line in lines) == pytest.approx(areas[0].exterior.length)
        found[tags["name"]] = (tags["admin_level"], areas[0])
        if tags["admin_level"] != "5":
            uses.update(ref for _, ref, _ in members)
    assert {n for n, (level, _) in found.items() if level == "6"} == QUARTERS
    assert {n for n, (level, _) in found.items() if level == "8"} == TOWNS
    assert max(uses.values()) == 2  # neighbours share their ways
    parts = [area for level, area in found.values() if level != "5"]
    whole = found["河谷市"][1]
    assert sum(part.area for part in parts) == pytest.approx(whole.area, rel=1e-9)
    assert unary_union(parts).symmetric_difference(whole).area < 1e-9 * whole.area
    table = read_districts(DATA / "hegu_districts.geojson")
    assert dict(zip(table["district"], table["minutes"], strict=True)) == (
        dict.fromkeys(QUARTERS, 15.0) | dict.fromkeys(TOWNS, 30.0)
    )
    for row in table.itertuples():
        assert row.geometry.symmetric_difference(found[row.district][1]).area < 1e-12


def test_stations_and_their_twin() -> None:
    book = read_sites(DATA / "hegu_stations.xlsx", role="existing", datum="gcj02")
    twin = read_sites(DATA / "hegu_stations_gb18030.csv", role="existing", datum="gcj02")
    assert len(book) == 24
    same = ["site_id", "name", "lng", "lat", "status", "kind", "address", "services", "hours",
            "phone", "area_m2"]  # fmt: skip
    pd.testing.assert_frame_equal(pd.DataFrame(book[same]), pd.DataFrame(twin[same]))
    assert book["site_id"].is_unique
    assert set(book["kind"]) == {"自建", "共建"}
    assert set(book["status"]) == {"existing"}
    assert book["phone"].str.fullmatch(r"000-0000-\d{4}").all()
    assert (book["hours"] != "").all()
    assert (book["services"].str.count("、") >= 3).all()
    districts = gpd.read_file(DATA / "hegu_districts.geojson").set_index("district").geometry
    at_home = [districts[d].contains(p) for d, p in zip(book["所属区"], book.geometry, strict=True)]
    assert all(at_home)
    assert (book["所属区"] == "城中区").mean() > 0.4  # so there is something to gain


def test_stations_stand_by_streets_in_their_own_datum(network: WalkNetwork) -> None:
    gaps = {}
    for datum in ("gcj02", "wgs84"):
        table = read_sites(DATA / "hegu_stations.xlsx", role="existing", datum=datum)
        lng, lat = table["lng"].to_numpy(), table["lat"].to_numpy()
        gaps[datum] = snap(Streets(network), lng, lat, max_snap_m=5_000).gap
        if datum == "gcj02":
            right = network.plane.transform(lng, lat)
        else:
            wrong = network.plane.transform(lng, lat)
    assert gaps["gcj02"].max() < 60
    assert np.hypot(*np.subtract(right, wrong)).min() > 290
    assert gaps["wgs84"].sum() > 1.3 * gaps["gcj02"].sum()


def test_scenario_names_the_files_that_are_there() -> None:
    scenario = load_scenario(DATA / "hegu.toml")
    assert scenario.question.new_sites == 20
    assert scenario.question.minutes == 15
    assert scenario.sites.existing is not None
    assert scenario.sites.existing.datum == "gcj02"
    for name in (scenario.network.osm, scenario.sites.existing.file, scenario.districts.file):
        assert name is not None
        assert scenario.path(name).is_file()


def test_key_areas() -> None:
    areas = gpd.read_file(DATA / "hegu_key_areas.geojson")
    assert 3 <= len(areas) <= 5
    assert areas["name"].is_unique
    assert (areas["weight_factor"] > 1).all()
    assert areas.geometry.is_valid.all()


def test_generator_makes_the_city_again(tmp_path: Path, hegu: Objects) -> None:
    subprocess.run([sys.executable, str(DATA / "make_hegu.py"), str(tmp_path)], check=True)
    for name in TABLES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name
    if (tmp_path / OSM.name).read_bytes() == OSM.read_bytes():
        return
    again = Objects(tmp_path / OSM.name)  # another libosmium may pack the same objects otherwise
    assert again.nodes == hegu.nodes
    assert again.node_tags == hegu.node_tags
    assert again.ways == hegu.ways
    assert again.relations == hegu.relations
