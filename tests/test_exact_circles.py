"""Reached streets, cut where the minutes run out: exact to the millimetre, and widened."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import networkx as nx
import numpy as np
import pytest
import shapely

from judge import GEOD, Judge
from servicecircle.circles.exact_circles import reached_streets, street_circles
from servicecircle.snapping import Snapped, Streets, snap
from servicecircle.streets.network import WalkNetwork
from servicecircle.streets.osm_file import read_osm
from towns import WALK, line_town, metres_east, write_osm

METRES_PER_MINUTE = 4000 / 60


def place_on_edge(network: WalkNetwork, edge: int, metres: float) -> tuple[float, float]:
    """A place on an edge, found by walking along its vertices."""
    first, last = network.vertex_start[edge], network.vertex_start[edge + 1] - 1
    for i in range(first, last):
        a = network.vertex_lng[i], network.vertex_lat[i]
        b = network.vertex_lng[i + 1], network.vertex_lat[i + 1]
        azimuth, _, length = GEOD.inv(*a, *b)
        if metres <= length or i == last - 1:
            return GEOD.fwd(*a, azimuth, min(metres, length))[:2]
        metres -= length
    raise AssertionError("an edge has vertices")


def is_reached(lines: gpd.GeoDataFrame, edge: int, metres: float) -> bool:
    own = lines[lines["edge"] == edge]
    return bool(((own["start_m"] <= metres) & (metres <= own["end_m"])).any())


@pytest.mark.parametrize("minutes", [4, 9])
def test_against_networkx_with_split_edges(helsinki: Path, minutes: float) -> None:
    """Every cut lies at exactly so many minutes; all between is nearer, all beyond farther."""
    network = read_osm(helsinki)
    streets = Streets(network)
    rng = np.random.default_rng(int(minutes))
    lng, lat = float(np.median(network.vertex_lng)), float(np.median(network.vertex_lat))
    feet = snap(streets, [lng], [lat])
    lines = reached_streets(network, feet, [minutes])
    cuts = []
    for edge, start, end in zip(lines["edge"], lines["start_m"], lines["end_m"], strict=True):
        length = network.edge_length[edge]
        cuts += [(edge, m) for m in (start, end) if 0 < m < length]
        assert 0 <= start < end <= length
    near = np.flatnonzero(~network.edge_island & (network.edge_length > 1))
    edges = rng.choice(near, 400)
    samples = [(e, rng.uniform(0, network.edge_length[e])) for e in edges.tolist()]
    places = cuts + samples
    judge = Judge.read(helsinki)
    points = {str(i): place_on_edge(network, *place) for i, place in enumerate(places)}
    judge.place({"site": (lng, lat), **points})
    limit = minutes * METRES_PER_MINUTE
    metres = judge.metres_to("site", limit + 1000)
    assert len(cuts) > 20
    on_its_street = [i for i in range(len(places)) if judge.gaps[str(i)] < 1e-3]
    assert len(on_its_street) > 0.98 * len(places)
    for i in range(len(cuts)):
        assert metres[str(i)] == pytest.approx(limit, abs=0.001), cuts[i]
    reached = [is_reached(lines, *place) for place in samples]
    assert 10 < sum(reached) < 390
    for i, inside in enumerate(reached, start=len(cuts)):
        walk = metres.get(str(i), np.inf)
        assert inside == (walk <= limit) or abs(walk - limit) < 0.002, samples[i - len(cuts)]


def test_lines_are_as_long_as_they_say(helsinki: Path) -> None:
    network = read_osm(helsinki)
    streets = Streets(network)
    feet = snap(streets, network.vertex_lng[::900], network.vertex_lat[::900])
    lines = reached_streets(network, feet, [1, 6], each=True)
    said = (lines["end_m"] - lines["start_m"]).to_numpy()
    drawn = [GEOD.geometry_length(line) for line in lines.geometry]
    assert np.allclose(said, drawn, atol=0.001)
    assert lines.columns.tolist() == ["site", "minutes", "edge", "start_m", "end_m", "geometry"]
    for i in np.random.default_rng(0).choice(len(lines), 100, replace=False):
        row = lines.iloc[i]
        ends = row.geometry.coords[0], row.geometry.coords[-1]
        for (x, y), metres in zip(ends, (row["start_m"], row["end_m"]), strict=True):
            assert GEOD.inv(x, y, *place_on_edge(network, row["edge"], metres))[2] < 0.001


def street(tmp_path: Path, **tags: str) -> tuple[WalkNetwork, Streets]:
    network = read_osm(line_town(tmp_path / "line.osm", [1000, 1000], **tags))
    return network, Streets(network)


def spans(lines: gpd.GeoDataFrame) -> list[tuple[float, float]]:
    """West and east ends, in metres on the equator."""
    bounds = lines.geometry.bounds
    metres = bounds[["minx", "maxx"]].to_numpy() / metres_east(1.0)
    return sorted((round(a, 3), round(b, 3)) for a, b in metres)


def test_the_stations_own_street(tmp_path: Path) -> None:
    """6 minutes are 400 m; 40 m of them are the way from the street to the station."""
    network, streets = street(tmp_path)
    feet = snap(streets, [metres_east(700)], [40 / 110_574.2758])
    assert spans(reached_streets(network, feet, [6])) == [(340.0, 1060.0)]
    slow_leg = reached_streets(network, feet, [6], leg_speed_kmh=2)
    assert spans(slow_leg) == [(380.0, 1020.0)]
    whole = reached_streets(network, feet, [60])
    assert whole["end_m"].tolist() == network.edge_length.tolist() and len(whole) == 1
    for minutes in (0, 0.3):  # not even the street
        assert len(reached_streets(network, feet, [minutes])) == 0
        assert street_circles(network, feet, [minutes]).geometry.iloc[0].is_empty


@pytest.mark.parametrize(("tag", "wanted"), [("yes", (600.0, 1000.0)), ("-1", (1000.0, 1400.0))])
def test_reached_is_where_one_walks_from(
    tmp_path: Path, tag: str, wanted: tuple[float, float]
) -> None:
    network, streets = street(tmp_path, **{"oneway:foot": tag})
    feet = snap(streets, [metres_east(1000)], [0.0])
    assert spans(reached_streets(network, feet, [6])) == [wanted]


def test_uphill_costs_more(tmp_path: Path) -> None:
    """A metre east counts 1.25, a metre west 0.8: 320 m from the west, 500 m from the east."""
    network, _ = street(tmp_path)
    flip = network.vertex_lng[0] > network.vertex_lng[-1]
    east, west = network.vertex_offset * 1.25, network.vertex_offset * 0.8
    network = replace(
        network, vertex_forward=west if flip else east, vertex_backward=east if flip else west
    )
    feet = snap(Streets(network), [metres_east(1000)], [0.0])
    assert spans(reached_streets(network, feet, [6])) == [(680.0, 1500.0)]


def ring(tmp_path: Path) -> tuple[WalkNetwork, Streets]:
    """A long way round from A to B (2,200 m) beside the short one (200 m), and a dead end."""
    at = {
        1: (0, 0), 2: (200, 0), 3: (200, 1000), 4: (0, 1000), 5: (-500, 0), 6: (200, -30),
    }  # fmt: skip
    nodes = {i: (metres_east(x), y / 110_574.2758) for i, (x, y) in at.items()}
    ways = {1: ([1, 2], WALK), 2: ([2, 3, 4, 1], WALK), 3: ([1, 5], WALK), 4: ([2, 6], WALK)}
    network = read_osm(write_osm(tmp_path / "ring.osm", nodes, ways))
    return network, Streets(network)


def test_the_middle_of_a_long_street_stays_out_and_a_dead_end_is_cut(tmp_path: Path) -> None:
    network, streets = ring(tmp_path)
    feet = snap(streets, [metres_east(100)], [0.0])
    lines = reached_streets(network, feet, [6])  # 400 m: 300 m beyond either end
    lengths = sorted((lines["end_m"] - lines["start_m"]).tolist())
    assert lengths == pytest.approx([30, 200, 300, 300, 300], abs=0.01)
    long_way = int(np.argmax(network.edge_length))
    assert (lines["edge"] == long_way).sum() == 2
    all_round = reached_streets(network, feet, [18.1])  # 1,200 m reach the middle from both ends
    assert (all_round["edge"] == long_way).sum() == 1
    north = street_circles(network, feet, [6, 17.5, 18.1]).geometry
    assert shapely.contains_xy(north, metres_east(100), 1000 / 110_574.2758).tolist() == [
        False, False, True,
    ]  # fmt: skip
    assert len(north.iloc[2].geoms[0].interiors) == 1


def test_the_widened_street_has_its_area(tmp_path: Path) -> None:
    """800 m by 60 m and two half discs."""
    network, streets = street(tmp_path)
    feet = snap(streets, [metres_east(1000)], [0.0])
    circles = street_circles(network, feet, [6], width_m=30)
    area = abs(GEOD.geometry_area_perimeter(circles.geometry.iloc[0])[0])
    assert area == pytest.approx(800 * 60 + np.pi * 30**2, rel=0.002)
    with pytest.raises(ValueError, match="width_m"):
        street_circles(network, feet, [6], width_m=0)
    with pytest.raises(ValueError, match="minutes"):
        reached_streets(network, feet, [-1])


def difference(inner: shapely.Geometry, outer: shapely.Geometry) -> float:
    return inner.difference(outer).area * 111_320.0**2


def test_circles_of_streets_are_valid_and_nested(helsinki: Path) -> None:
    network = read_osm(helsinki)
    streets = Streets(network)
    rng = np.random.default_rng(5)
    west, south, east, north = network.bounds
    feet = snap(streets, rng.uniform(west, east, 6), rng.uniform(south, north, 6), max_snap_m=90)
    each = street_circles(network, feet, [8, 3, 3], each=True)
    together = street_circles(network, feet, [3, 8])
    sites = np.flatnonzero(feet.found)
    assert each["site"].tolist() == np.repeat(sites, 2).tolist()
    assert each["minutes"].tolist() == [3, 8] * len(sites)
    for circles in (each, together):
        assert circles.crs == "EPSG:4326" and circles.geometry.is_valid.all()
        assert (circles.geom_type == "MultiPolygon").all()
    for i in range(0, len(each), 2):
        assert difference(each.geometry.iloc[i], each.geometry.iloc[i + 1]) < 0.01
    for level in (0, 1):
        of_each = shapely.union_all(each.geometry.iloc[level::2].to_numpy())
        whole = together.geometry.iloc[level]
        assert of_each.symmetric_difference(whole).area < 1e-3 * whole.area


def test_nobody(tmp_path: Path) -> None:
    network, streets = street(tmp_path)
    far_away: Snapped = snap(streets, [1.0], [1.0])
    for each in (False, True):
        assert len(reached_streets(network, far_away, [6], each=each)) == 0
        circles = street_circles(network, far_away, [6], each=each)
        assert len(circles) == 0 and ("site" in circles) == each


def test_many_stations_together_are_the_nearest_of_each(helsinki: Path) -> None:
    """The judge here is plain networkx on the contracted graph, from all stations at once."""
    network = read_osm(helsinki)
    streets = Streets(network)
    main = np.unique(network.edge_u[~network.edge_island])
    junction = np.random.default_rng(3).choice(main, 5, replace=False)
    feet = snap(streets, network.junction_lng[junction], network.junction_lat[junction])
    graph = nx.MultiDiGraph()
    for e in range(network.n_edges):
        u, v, m = int(network.edge_u[e]), int(network.edge_v[e]), float(network.edge_length[e])
        if network.edge_forward[e]:
            graph.add_edge(v, u, m=m)  # turned round: from the station
        if network.edge_backward[e]:
            graph.add_edge(u, v, m=m)
    to = nx.multi_source_dijkstra_path_length(graph, set(junction.tolist()), weight="m")
    limit = 5 * METRES_PER_MINUTE
    wanted = 0.0
    for e in np.flatnonzero(~network.edge_island):
        u, v, m = int(network.edge_u[e]), int(network.edge_v[e]), float(network.edge_length[e])
        from_u = max(limit - to.get(u, np.inf), 0) if network.edge_backward[e] else 0
        from_v = max(limit - to.get(v, np.inf), 0) if network.edge_forward[e] else 0
        wanted += min(min(from_u, m) + min(from_v, m), m)
    lines = reached_streets(network, feet, [5])
    assert (lines["end_m"] - lines["start_m"]).sum() == pytest.approx(wanted, abs=0.01)
