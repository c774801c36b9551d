"""Street graphs of OSMnx: a networkx graph or a ``.graphml`` file in, a `WalkNetwork` out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from servicecircle.contraction import Pieces
from servicecircle.errors import NetworkError
from servicecircle.network import ISLAND_SHARE, KEPT_TAGS, WalkNetwork, build_network, way_table


def network_from_graph(graph: Any, *, island_share: float = ISLAND_SHARE) -> WalkNetwork:
    """Walking network of an OSMnx street graph (unprojected, simplified or not).

    The graph's own lengths are not used: they are great-circle lengths, up to 0.3 % off. OSMnx
    drops the foot-direction tags, so every edge can be walked both ways. ``graph`` is not changed.

    Raises `NetworkError` when it is projected, has no coordinates, or has no edge.
    """
    crs = str(graph.graph.get("crs", "EPSG:4326")).upper()
    if not crs.endswith("4326"):
        raise NetworkError(
            f"街道图是投影坐标（{crs}）：请传入未投影的图（EPSG:4326）。",
            f"the street graph is projected ({crs}): hand in the unprojected one (EPSG:4326).",
        )
    try:
        pieces, ways = _edges_once(graph)
    except KeyError as error:
        raise NetworkError(
            f"街道图的节点缺少坐标 {error}：每个节点要有 x（经度）和 y（纬度）。",
            f"a node of the street graph has no {error}: every node needs x (lng) and y (lat).",
        ) from error
    return build_network(pieces, ways, island_share=island_share, source="graph")


def _edges_once(graph: Any) -> tuple[Pieces, pd.DataFrame]:
    """Each undirected edge once, tags by way; inner vertices of edges get ids below zero."""
    seen: set[tuple[Any, ...]] = set()
    tags: dict[int, dict[str, str]] = {}
    ref: list[int] = []
    place: list[tuple[float, float]] = []
    count: list[int] = []
    ways: list[int] = []
    next_inner = -1
    for u, v, data in graph.edges(data=True):
        points = _edge_points(graph, u, v, data)
        way = data.get("osmid", 0)
        way = int(min(way)) if isinstance(way, (list, tuple, set)) else int(way)
        key = (way, min(points, points[::-1]))
        if key in seen:
            continue
        seen.add(key)
        inner = range(next_inner, next_inner - (len(points) - 2), -1)
        next_inner -= len(inner)
        ref += [u, *inner, v]
        place += points
        count.append(len(points))
        ways.append(way)
        tags.setdefault(way, {k: str(data[k]) for k in KEPT_TAGS if k in data})
    lng, lat = np.array(place).reshape(-1, 2).T
    columns = {key: [of.get(key) for of in tags.values()] for key in KEPT_TAGS}
    return Pieces.build(ref, lng, lat, count, ways), way_table(list(tags), columns)


def _edge_points(
    graph: Any, u: Any, v: Any, data: Mapping[str, Any]
) -> tuple[tuple[float, float], ...]:
    ends = tuple((float(graph.nodes[n]["x"]), float(graph.nodes[n]["y"])) for n in (u, v))
    if "geometry" not in data:
        return ends
    inner = tuple((float(x), float(y)) for x, y in list(data["geometry"].coords)[1:-1])
    return (ends[0], *inner, ends[1])
