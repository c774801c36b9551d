"""OSM files and tables as they really come: cut, broken, drawn by hand, made by an older plan."""

from __future__ import annotations

import numpy as np
import osmium
import pandas as pd
import pytest
from osmium.osm.mutable import Node, Relation, Way

from servicecircle import plan_folder
from servicecircle.check import check_folder
from servicecircle.errors import NetworkError, OutputError
from servicecircle.export.targets import export
from servicecircle.maps import map_html
from servicecircle.places import read_districts_of, read_places, read_water
from servicecircle.plan import Plan, make_plan
from servicecircle.scenario import make_scenario
from servicecircle.snapping import Streets, snap
from servicecircle.streets.osm_file import read_osm
from towns import WALK, line_town, metres_east, write_osm

KM = [100.0] * 30


def tables(folder, **columns):
    """A street of 3 km; demand every 100 m (weight 1 to 30), sites at 500, 1500, 2500 m."""
    at = [metres_east(50 + 100 * i) for i in range(30)]
    demand = pd.DataFrame({"lng": at, "lat": 0.0, "weight": range(1, 31)})
    sites = pd.DataFrame(
        {"site_id": ["a", "b", "c"], "lng": [metres_east(m) for m in (500, 1500, 2500)], "lat": 0.0}
    )
    demand.to_csv(folder / "d.csv", index=False)
    sites.assign(**columns).to_csv(folder / "s.csv", index=False)


def planned(folder, osm, **question) -> Plan:
    data = {
        "network": {"osm": osm},
        "demand": {"file": "d.csv"},
        "sites": {"candidates": "s.csv"},
        "question": {"minutes": 5, "new_sites": 1, **question},
    }
    return make_plan(make_scenario(data, folder=folder))


def said(plan: Plan) -> str:
    return "\n".join(en for _, en in plan.notes)


def test_broken_areas_do_not_stop_a_plan(tmp_path):
    """A boundary whose ring is open, a lake with a missing member, a lake folded flat."""
    line_town(tmp_path / "street.osm.pbf", KM)
    ring = {"type": "multipolygon", "natural": "water"}
    border = {"type": "boundary", "boundary": "administrative", "name": "甲区", "admin_level": "6"}
    with osmium.SimpleWriter(str(tmp_path / "t.osm.pbf")) as out:
        for thing in osmium.FileProcessor(str(tmp_path / "street.osm.pbf")):
            if thing.is_node():
                out.add_node(thing)
        for i, place in enumerate([(0, 0.001), (0.001, 0.001), (0.001, 0.002)], start=101):
            out.add_node(Node(id=i, location=place, version=1))
        out.add_way(Way(id=10, nodes=range(1, 32), tags=WALK, version=1))
        out.add_way(Way(id=11, nodes=[101, 102, 103], version=1))  # open
        flat = [101, 102, 103, 102, 101]
        out.add_way(Way(id=12, nodes=flat, tags={"natural": "water"}, version=1))
        out.add_relation(Relation(id=1, members=[("w", 11, "outer")], tags=border, version=1))
        out.add_relation(Relation(id=2, members=[("w", 99, "outer")], tags=ring, version=1))
    assert read_water(tmp_path / "t.osm.pbf").empty
    assert read_districts_of(tmp_path / "t.osm.pbf") is None
    tables(tmp_path)
    assert len(map_html(planned(tmp_path, "t.osm.pbf"))) > 100_000


def test_deleted_objects_are_no_places(tmp_path):
    (tmp_path / "t.osm").write_text(
        '<osm version="0.6">'
        '<node id="1" version="1" lat="0" lon="0"/><node id="2" version="1" lat="0" lon="0.01"/>'
        '<node id="3" version="2" visible="false"><tag k="amenity" v="bank"/></node>'
        '<way id="1" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="path"/></way></osm>'
    )
    assert read_places(tmp_path / "t.osm").empty


def test_missing_nodes_are_counted_and_said(tmp_path):
    x = [metres_east(100 * i) for i in range(31)]
    nodes = {i + 1: (x[i], 0.0) for i in range(31) if i != 20}
    path = write_osm(tmp_path / "t.osm", nodes, {1: (range(1, 32), WALK)})
    network = read_osm(path)
    assert (network.missing_nodes, network.cut_ways) == (1, 1)
    tables(tmp_path)
    assert "1 street nodes are missing" in said(planned(tmp_path, "t.osm"))


def test_nodes_after_ways_and_negative_ids_say_what_to_run(tmp_path):
    node = '<node id="{}" version="1" lat="0" lon="{}"/>'
    way = '<way id="1" version="1"><nd ref="{}"/><nd ref="{}"/><tag k="highway" v="path"/></way>'
    first, last = node.format(1, 0), node.format(2, 0.01)
    late = tmp_path / "late.osm"
    late.write_text(f'<osm version="0.6">{first}{way.format(1, 2)}{last}</osm>')
    with pytest.raises(NetworkError, match="osmium sort"):
        read_osm(late)
    drawn = tmp_path / "drawn.osm"
    drawn.write_text(
        f'<osm version="0.6">{node.format(-1, 0)}{node.format(-2, 0.01)}{way.format(-1, -2)}</osm>'
    )
    with pytest.raises(NetworkError, match="osmium renumber"):
        read_osm(drawn)


def test_a_stray_way_far_away_changes_nothing(tmp_path):
    """A footway a quarter of the globe away must not bend the plane in which nearest is sought."""
    x = [metres_east(100 * i) for i in range(31)]
    street = {i + 1: (x[i], 0.0) for i in range(31)}
    stray = {101: (90.0, 10.0), 102: (90.0, 10.0005)}
    ways = {1: (range(1, 32), WALK), 2: ([101, 102], WALK)}
    plain = write_osm(tmp_path / "a.osm", street, {1: ways[1]})
    both = write_osm(tmp_path / "b.osm", street | stray, ways)
    lng, lat = np.full(3, metres_east(1000)), np.array([0.001, 0.0044, 0.00451])
    ours, theirs = (snap(Streets(read_osm(p)), lng, lat) for p in (plain, both))
    assert ours.found.tolist() == theirs.found.tolist() == [True, True, True]
    assert np.allclose(ours.gap, theirs.gap, atol=1e-6)


def test_an_older_plan_feeds_the_next(tmp_path):
    """stations.csv as the existing stations, demand.parquet as the demand: the standard stays."""
    line_town(tmp_path / "t.osm", KM)
    tables(tmp_path, covers_weight=7)
    first = plan_folder.save(planned(tmp_path, "t.osm"), tmp_path / "one", map_html=lambda _: "")
    assert check_folder(first).exit_code == 0
    data = {
        "network": {"osm": "t.osm"},
        "demand": {"file": "one/demand.parquet"},
        "sites": {"existing": "one/stations.csv", "candidates": "rest.csv"},
        "question": {"minutes": 5, "new_sites": 1},
    }
    rest = pd.read_csv(tmp_path / "s.csv").query("site_id != 'c'")
    rest.to_csv(tmp_path / "rest.csv", index=False)
    plan = make_plan(make_scenario(data, folder=tmp_path))
    assert plan.sites["status"].tolist() == ["existing", "candidate", "candidate"]
    assert "count as built" in said(plan) and "standard of their own (5 to 5" in said(plan)
    assert (plan.minutes_required == 5).all()
    second = plan_folder.save(plan, tmp_path / "two", map_html=lambda _: "")
    assert check_folder(second).exit_code == 0
    table = pd.read_csv(second / "stations.csv")
    assert {"covers_weight", "covers_weight_input"} <= set(table.columns)


def test_a_plan_without_stations_has_nothing_to_export(tmp_path):
    line_town(tmp_path / "t.osm", KM)
    tables(tmp_path)
    plan = planned(tmp_path, "t.osm", new_sites=0)
    folder = plan_folder.save(plan, tmp_path / "none", map_html=lambda _: "")
    with pytest.raises(OutputError, match="nothing to export"):
        export(folder, "gaode")


def test_a_linked_osm_file_keeps_its_name(tmp_path):
    line_town(tmp_path / "t.osm", KM)
    tables(tmp_path)
    (tmp_path / "link.osm").symlink_to("t.osm")
    folder = plan_folder.save(planned(tmp_path, "link.osm"), tmp_path / "p", map_html=lambda _: "")
    assert check_folder(folder).exit_code == 0


def test_weights_of_nothing_are_said(tmp_path):
    line_town(tmp_path / "t.osm", KM)
    tables(tmp_path)
    pd.read_csv(tmp_path / "d.csv").assign(weight=0).to_csv(tmp_path / "d.csv", index=False)
    assert "weighs 0" in said(planned(tmp_path, "t.osm"))
