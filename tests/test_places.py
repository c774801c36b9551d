"""What maps show out of OSM."""

from __future__ import annotations

from pathlib import Path

import pytest
from osmium import SimpleWriter
from osmium.osm.mutable import Node, Relation, Way

from conftest import shared_file
from servicecircle.errors import NetworkError
from servicecircle.places import read_water


def square(first: int, low: float, high: float) -> list[Node]:
    corners = [(low, low), (high, low), (high, high), (low, high)]
    return [Node(id=first + i, location=at, version=1) for i, at in enumerate(corners)]


def ring(way: int, first: int, **tags: str) -> Way:
    refs = [first, first + 1, first + 2, first + 3, first]
    return Way(id=way, nodes=refs, tags=tags, version=1)


def write_waters(path: Path) -> Path:
    """A lake with an island (a relation), a reservoir, a riverbank, a wood, an open water line."""
    with SimpleWriter(str(path), overwrite=True) as writer:
        for k, (low, high) in enumerate([(0, 0.01), (0.004, 0.006), (0.02, 0.03), (0.04, 0.05),
                                         (0.06, 0.07)]):  # fmt: skip
            for node in square(10 * k + 1, low, high):
                writer.add_node(node)
        writer.add_way(ring(1, 1))
        writer.add_way(ring(2, 11))
        writer.add_way(ring(3, 21, landuse="reservoir"))
        writer.add_way(ring(4, 31, waterway="riverbank", name="江"))
        writer.add_way(ring(5, 41, natural="wood"))
        writer.add_way(Way(id=6, nodes=[41, 42, 43], tags={"natural": "water"}, version=1))
        members = [("w", 1, "outer"), ("w", 2, "inner")]
        tags = {"type": "multipolygon", "natural": "water", "name": "湖"}
        writer.add_relation(Relation(id=7, members=members, tags=tags, version=1))
    return path


@pytest.mark.parametrize("suffix", [".osm", ".osm.pbf"])
def test_water_with_islands(tmp_path: Path, suffix: str) -> None:
    water = read_water(write_waters(tmp_path / f"waters{suffix}"))
    assert sorted(water["name"]) == ["", "江", "湖"]
    assert water.crs == "EPSG:4326" and water.geometry.is_valid.all()
    lake = water.set_index("name").geometry["湖"]
    assert lake.area == pytest.approx(0.01**2 - 0.002**2)
    assert water.set_index("name").geometry[""].bounds == pytest.approx((0.02, 0.02, 0.03, 0.03))


def test_no_water(tmp_path: Path) -> None:
    path = tmp_path / "dry.osm"
    with SimpleWriter(str(path)) as writer:
        writer.add_node(Node(id=1, location=(0, 0), version=1))
    water = read_water(path)
    assert len(water) == 0 and "name" in water and water.crs == "EPSG:4326"


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such OSM file"):
        read_water(tmp_path / "absent.osm.pbf")


def test_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "cut.osm.pbf"
    path.write_bytes(write_waters(tmp_path / "whole.osm.pbf").read_bytes()[:-40])
    with pytest.raises(NetworkError, match="cannot be read"):
        read_water(path)


def test_beijing_campus_has_its_lakes() -> None:
    water = read_water(shared_file("data/beijing_campus.osm"))
    assert len(water) == 6 and "方河" in set(water["name"])
    assert water.total_bounds[0] == pytest.approx(116.30, abs=0.02)
