"""Demand, candidates and districts derived from an OSM file, where no table brings them."""

from __future__ import annotations

from typing import get_args

import numpy as np
import osmium
import pytest
from osmium.osm.mutable import Node, Relation, Way

from servicecircle import proxies
from servicecircle.errors import QuestionError
from servicecircle.places import candidates_from, demand_from, read_districts_of, read_places
from servicecircle.scenario import Host, make_scenario, scenario_toml
from servicecircle.streets.osm_file import read_osm
from towns import WALK, metres_east

STEP = metres_east(100)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A 1 km residential street along the equator with places beside it.

    A restaurant (2.0), two shops, one of them a supermarket (1.0 each), a bank and a post office
    (courier: 4.0), a building site of 100 × 100 m (1 ha: 6.0), and a district around the west half.
    """
    path = tmp_path_factory.mktemp("town") / "t.osm.pbf"
    y = 20 / 110_574.3
    tags = {
        11: {"amenity": "restaurant", "name": "面馆"},
        12: {
            "shop": "supermarket",
            "name": "惠民超市",
            "addr:street": "一路",
            "addr:housenumber": "8号",
        },
        13: {"shop": "books"},
        14: {"amenity": "bank"},
        15: {"amenity": "post_office", "name": "邮政所"},
        16: {"amenity": "bench"},
    }
    corners = {21: (3, 1), 22: (4, 1), 23: (4, 2), 24: (3, 2)}
    frame = {31: (-1, -5), 32: (5, -5), 33: (5, 5), 34: (-1, 5)}
    where = {i: (i * STEP, 0.0) for i in range(1, 12)}
    nodes = {i: (STEP * (i - 1), 0.0) for i in range(1, 12)}
    del where
    with osmium.SimpleWriter(str(path)) as out:
        for i, place in nodes.items():
            out.add_node(Node(id=i + 100, location=place, version=1))
        for k, (i, t) in enumerate(tags.items()):
            out.add_node(Node(id=i + 200, location=(STEP * (k + 0.5), y), tags=t, version=1))
        for i, (cx, cy) in (corners | frame).items():
            place = (STEP * cx, cy * 100 / 110_574.3)
            out.add_node(Node(id=i + 300, location=place, version=1))
        out.add_way(Way(id=1, nodes=[i + 100 for i in nodes], tags=WALK, version=1))
        ring = [321, 322, 323, 324, 321]
        out.add_way(Way(id=2, nodes=ring, tags={"landuse": "construction"}, version=1))
        out.add_way(Way(id=3, nodes=[331, 332, 333, 334, 331], version=1))
        members = [("w", 3, "outer")]
        border = {"type": "boundary", "boundary": "administrative", "name": "城西区"}
        out.add_relation(
            Relation(id=4, members=members, tags={**border, "admin_level": "6"}, version=1)
        )
    return path


def test_candidates_are_named_hosts_with_their_osm_id(town):
    table = candidates_from(read_places(town))
    assert table["site_id"].tolist() == ["node/212", "node/214", "node/215"]
    assert table["name"].tolist() == [
        "惠民超市",
        "银行网点",
        "邮政所",
    ]  # a nameless one by its kind
    assert table["kind"].tolist() == ["超市", "银行网点", "邮政网点"]
    assert table["address"].tolist() == ["一路8号", "", ""]
    assert candidates_from(read_places(town), ["bank"])["site_id"].tolist() == ["node/214"]
    with pytest.raises(QuestionError, match="--candidates"):
        candidates_from(read_places(town), ["library"])


def test_demand_conserves_its_totals(town):
    """2 + 1 + 1 + 4 for the places, 6 for the hectare, 1 km of street at 0.8: 14.8 units."""
    places, network = read_places(town), read_osm(town)
    for cell_m in (50, 100, 333, 5000):
        demand = demand_from(places, network, cell_m=cell_m)
        assert demand["weight"].sum() == pytest.approx(14.8, abs=0.01), cell_m
        assert demand["riders"].sum() == pytest.approx(8, abs=1e-9)
        assert demand["builders"].sum() == pytest.approx(6, abs=0.01)
        assert demand["sanitation"].sum() == pytest.approx(0.8, abs=1e-4)
        groups = demand[list(proxies.GROUPS)].sum(axis=1)
        assert np.allclose(groups, demand["weight"])
        assert demand["demand_id"].is_unique
    assert (
        len(demand_from(places, network, cell_m=5000)) <= 4
    )  # one corner may fall into four cells


def test_total_people_and_weights(town):
    places, network = read_places(town), read_osm(town)
    people = demand_from(places, network, total_people=1480)
    assert people["weight"].sum() == pytest.approx(1480)
    only_food = dict.fromkeys(proxies.PROXIES, 0.0) | {"food": 3.0}
    demand = demand_from(places, network, weights=only_food)
    assert demand["weight"].tolist() == [3.0]
    assert demand["lng"].iloc[0] == pytest.approx(STEP / 2, abs=1e-6)
    with pytest.raises(QuestionError, match="--demand"):
        demand_from(places, network, weights=dict.fromkeys(proxies.PROXIES, 0.0))


def test_districts_are_boundaries_with_names(town):
    districts = read_districts_of(town)
    assert districts is not None and districts["district"].tolist() == ["城西区"]
    assert districts["minutes"].isna().all()
    assert read_districts_of(town, [4]) is None


def test_every_proxy_and_host_can_be_reached():
    """No proxy is hidden behind an earlier one; the scenario knows every name."""
    for name, proxy in proxies.PROXIES.items():
        key, values = proxy.tags[0]
        tags = {key: values[0] if values else "anything"}
        found = proxies.street_proxy_of(tags[key]) if proxy.per == "km" else proxies.proxy_of(tags)
        assert found == name
        assert proxy.group in proxies.GROUPS
    for name, kind in proxies.HOST_KINDS.items():
        key, values = kind.tags[0]
        assert proxies.host_kind_of({key: values[0]}) == name
    assert set(get_args(Host)) == set(proxies.HOST_KINDS)
    written = scenario_toml(make_scenario({"network": {"osm": "x.osm"}}))
    for name, proxy in proxies.PROXIES.items():
        assert f"{name} = {proxy.weight}" in written  # each weight is a line


def test_a_place_counts_once():
    """A post office that is also a shop is one thing: the first proxy that fits."""
    assert proxies.proxy_of({"amenity": "post_office", "shop": "stationery"}) == "courier"
