"""Small OSM files, written on the spot: nodes by (lng, lat), ways by node lists and tags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import osmium
from osmium.osm.mutable import Node, Way

Nodes = Mapping[int, tuple[float, float]]
Ways = Mapping[int, tuple[Sequence[int], Mapping[str, str]]]
WALK = {"highway": "residential"}


def write_osm(path: Path, nodes: Nodes, ways: Ways) -> Path:
    """Write an OSM file (the suffix decides the format); ids must be positive."""
    with osmium.SimpleWriter(str(path), overwrite=True) as writer:
        for i in sorted(nodes):
            writer.add_node(Node(id=i, location=nodes[i], version=1))
        for i in sorted(ways):
            refs, tags = ways[i]
            writer.add_way(Way(id=i, nodes=list(refs), tags=dict(tags), version=1))
    return path


def metres_east(metres: float, lat: float = 0.0) -> float:
    """Degrees of longitude that make so many metres on the equator (WGS-84)."""
    assert lat == 0.0
    return metres / 111_319.490793


def line_town(path: Path, spacings: Sequence[float], **tags: str) -> Path:
    """One street along the equator with nodes 1, 2, … so many metres apart."""
    x = [0.0]
    for metres in spacings:
        x.append(x[-1] + metres_east(metres))
    nodes = {i + 1: (lng, 0.0) for i, lng in enumerate(x)}
    return write_osm(path, nodes, {10: (sorted(nodes), {**WALK, **tags})})
