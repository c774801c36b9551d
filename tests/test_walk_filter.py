"""Walk filters as data: who may walk or ride where, and what a filter gains and loses."""

from __future__ import annotations

import pytest

from servicecircle.streets.osm_file import read_osm
from servicecircle.streets.walk_filter import CHINA, EBIKE, FILTERS, OSMNX
from towns import metres_east, write_osm


@pytest.mark.parametrize(
    ("tags", "osmnx", "china"),
    [
        ({"highway": "residential"}, True, True),
        ({"highway": "cycleway"}, False, False),
        ({"highway": "cycleway", "foot": "yes"}, False, True),
        ({"highway": "cycleway", "foot": "designated"}, False, True),
        ({"highway": "cycleway", "foot": "no"}, False, False),
        ({"highway": "cycleway", "name": "东湖绿道"}, False, True),
        ({"highway": "cycleway", "name": "绿道", "foot": "no"}, False, False),
        ({"highway": "residential", "access": "no"}, True, False),
        ({"highway": "residential", "access": "no", "foot": "yes"}, True, True),
        ({"highway": "footway", "access": "private", "foot": "yes"}, False, False),
        ({"highway": "trunk"}, True, False),
        ({"highway": "trunk_link"}, True, False),
        ({"highway": "trunk", "sidewalk": "both"}, True, True),
        ({"highway": "trunk", "sidewalk:right": "yes"}, True, True),
        ({"highway": "trunk", "foot": "yes"}, True, True),
        ({"highway": "trunk", "sidewalk": "no"}, True, False),
        ({"highway": "trunk", "sidewalk": "separate"}, False, False),
        ({"highway": "motorway"}, False, False),
        ({"highway": "construction"}, False, False),
        ({"highway": "steps"}, True, True),
        ({"highway": "pedestrian", "area": "yes"}, False, False),
        ({"name": "绿道"}, False, False),
    ],
)
def test_who_may_walk(tags, osmnx, china):
    assert (OSMNX.allows(tags), CHINA.allows(tags)) == (osmnx, china)


@pytest.mark.parametrize(
    ("tags", "may"),
    [
        ({"highway": "residential"}, True),
        ({"highway": "cycleway"}, True),
        ({"highway": "steps"}, False),
        ({"highway": "footway"}, False),
        ({"highway": "footway", "bicycle": "yes"}, True),
        ({"highway": "pedestrian"}, False),
        ({"highway": "primary", "bicycle": "no"}, False),
        ({"highway": "primary", "bicycle": "use_sidepath"}, False),
        ({"highway": "motorway"}, False),
        ({"highway": "trunk"}, False),
        ({"highway": "trunk", "cycleway": "lane"}, True),
        ({"highway": "service", "access": "private"}, False),
        ({"highway": "service", "access": "no", "bicycle": "yes"}, True),
        ({"highway": "primary", "motorroad": "yes"}, False),
    ],
)
def test_who_may_ride(tags, may):
    assert EBIKE.allows(tags) is may


@pytest.mark.parametrize(
    ("tags", "directions"),
    [
        ({}, (True, True)),
        ({"oneway": "yes"}, (True, False)),
        ({"oneway": "-1"}, (False, True)),
        ({"oneway": "no"}, (True, True)),
        ({"junction": "roundabout"}, (True, False)),
        ({"oneway": "yes", "oneway:bicycle": "no"}, (True, True)),
        ({"oneway": "yes", "cycleway": "opposite_lane"}, (True, True)),
    ],
)
def test_one_way_streets_bind_riders(tags, directions):
    assert EBIKE.directions(tags) == directions
    assert CHINA.directions(tags) == OSMNX.directions(tags) == (True, True)


def test_both_directions_forbidden_is_neither():
    tags = {"oneway:foot": "-1", "foot:backward": "no"}
    assert OSMNX.directions(tags) == (False, False)


def test_gained_and_lost_street_is_counted(tmp_path):
    """1,000 m of greenway come in, 500 m of expressway go out."""
    nodes = {i: (metres_east(x), 0.0) for i, x in ((1, 0), (2, 2000), (3, 3000), (4, 3500))}
    ways = {
        1: ([1, 2], {"highway": "residential"}),
        2: ([2, 3], {"highway": "cycleway", "foot": "yes"}),
        3: ([3, 4], {"highway": "trunk"}),
    }
    path = write_osm(tmp_path / "t.osm", nodes, ways)
    plain, china = read_osm(path), read_osm(path, walk_filter="china")
    assert (plain.gained_m, plain.lost_m) == (0, 0)
    assert plain.length == pytest.approx(2500, abs=0.1)  # two parts, both kept or islands
    assert (china.gained_m, china.lost_m) == pytest.approx((1000, 500), abs=0.1)
    assert china.length == pytest.approx(3000, abs=0.1)


@pytest.mark.parametrize("name", FILTERS)
def test_every_filter_on_a_real_city(helsinki, name):
    network = read_osm(helsinki, walk_filter=name)
    plain = read_osm(helsinki)
    assert network.length == pytest.approx(plain.length + network.gained_m - network.lost_m, abs=1)
    assert (network.gained_m == 0) == (name == "osmnx")
