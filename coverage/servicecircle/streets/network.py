"""The walking network: pieces of ways in, a contracted `WalkNetwork` out.

Who reads files (`osm_file.py`, `street_graph.py`, `line_layer.py`) converts them into *pieces*:
runs of consecutive nodes of walkable ways. `build_network` turns pieces into a network; how nodes
of degree two are contracted: `contraction.py`. Which ways are walkable is data: `walk_filter.py`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pyproj import Transformer
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from servicecircle.errors import NetworkError, Note
from servicecircle.streets.contraction import Floats, Ints, Pieces, contract, indptr_of
from servicecircle.streets.ordering import in_space

ISLAND_SHARE = 0.01  # a component shorter than this share of the longest one is an island
KEPT_TAGS = (
    "highway", "name", "foot", "access", "service", "sidewalk", "surface", "bridge", "tunnel",
    "layer", "incline", "oneway:foot", "foot:backward", "footway", "crossing", "crossing:signals",
)  # fmt: skip

# What a search reads together lies together: one fetch from memory instead of many.
ARC = np.dtype([("tail", "i4"), ("leads_on", "?"), ("metres", "f8")], align=True)
EDGE = np.dtype(
    [
        ("u", "i4"), ("v", "i4"), ("forward", "?"), ("backward", "?"), ("length", "f8"),
        ("along", "f8"), ("against", "f8"),
    ],
    align=True,
)  # fmt: skip


@dataclass(frozen=True)
class WalkNetwork:
    """Streets people may walk on, as a graph of junctions with exact edge lengths.

    Nodes of degree two are contracted: an edge is a whole polyline between two junctions. All
    coordinates are WGS-84 degrees, lng before lat; all lengths are geodesics on the WGS-84
    ellipsoid in metres.

    Junctions (n): ``junction_id`` OSM node ids, ``junction_lng``, ``junction_lat``.
    Edges (m): ``edge_u``, ``edge_v`` junction indices of the ends; ``edge_length``;
    ``edge_forward``, ``edge_backward``: may it be walked u → v, v → u; ``edge_island``: does it
    belong to an island (a component too short to plan on).
    Polylines: edge e has the vertices ``vertex_start[e]:vertex_start[e + 1]``, with ``vertex_id``
    (OSM node), ``vertex_lng``, ``vertex_lat``, ``vertex_offset`` (metres from u), ``vertex_way``
    and ``vertex_segment`` (way id, and number of the segment within that way, of the segment that
    begins at this vertex; -1 at an edge's last vertex).
    ``vertex_forward``, ``vertex_backward``: effort, in metres on the flat, of walking from u to a
    vertex, and from it back to u; None where every metre counts alike (see `effort.py`).
    Ways: ``ways`` is a table by way id with the tags in `KEPT_TAGS` (missing ones are empty).
    ``signal_nodes``: OSM nodes (ascending) where walkers wait for traffic lights.
    ``missing_nodes``, ``cut_ways``: street nodes that the extract lacks, ways that break there.
    ``gained_m``, ``lost_m``: street length that the walk filter adds to OSMnx's, and drops.
    ``notes``: what a planner should know of the streets as they were read, (Chinese, English).
    """

    junction_id: Ints
    junction_lng: Floats
    junction_lat: Floats
    edge_u: Ints
    edge_v: Ints
    edge_length: Floats
    edge_forward: NDArray[np.bool_]
    edge_backward: NDArray[np.bool_]
    edge_island: NDArray[np.bool_]
    vertex_start: Ints
    vertex_id: Ints
    vertex_lng: Floats
    vertex_lat: Floats
    vertex_offset: Floats
    vertex_way: Ints
    vertex_segment: Ints
    ways: pd.DataFrame
    islands: int
    island_metres: float
    vertex_forward: Floats | None = None
    vertex_backward: Floats | None = None
    signal_nodes: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    missing_nodes: int = 0
    cut_ways: int = 0
    gained_m: float = 0.0
    lost_m: float = 0.0
    source: str = ""
    date: str | None = None
    crs: str = field(default="EPSG:4326")
    notes: tuple[Note, ...] = ()

    @property
    def n_junctions(self) -> int:
        """Number of junctions and dead ends."""
        return len(self.junction_id)

    @property
    def n_edges(self) -> int:
        """Number of edges (contracted polylines)."""
        return len(self.edge_u)

    @property
    def length(self) -> float:
        """Total street length in metres, islands included."""
        return float(self.edge_length.sum())

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """(west, south, east, north) in degrees."""
        lng, lat = self.vertex_lng, self.vertex_lat
        return float(lng.min()), float(lat.min()), float(lng.max()), float(lat.max())

    @cached_property
    def plane(self) -> Transformer:
        """Degrees → a local metric plane (transverse Mercator, scale 1 at the city's centre).

        Conformal, so that *nearest* is decided rightly; lengths are never taken from it.
        """
        stays = np.repeat(~self.edge_island, np.diff(self.vertex_start))  # no stray way far away
        lng, lat = np.median(self.vertex_lng[stays]), np.median(self.vertex_lat[stays])
        return Transformer.from_crs(
            "EPSG:4326",
            f"+proj=tmerc +lat_0={lat} +lon_0={lng} +k=1 +ellps=WGS84 +units=m",
            always_xy=True,
        )

    @cached_property
    def segments(self) -> tuple[Ints, Ints]:
        """Straight segments: the vertex at which each begins (it ends at the next); its edge."""
        edge = np.repeat(np.arange(self.n_edges), np.diff(self.vertex_start) - 1)
        return np.flatnonzero(self.vertex_segment >= 0), edge

    @property
    def effort(self) -> tuple[Floats, Floats]:
        """Per vertex, metres on the flat from u to it, and from it back to u."""
        forward, backward = self.vertex_forward, self.vertex_backward
        if forward is None or backward is None:
            return self.vertex_offset, self.vertex_offset
        return forward, backward

    @cached_property
    def edge_effort(self) -> tuple[Floats, Floats]:
        """Per edge, metres on the flat walked u → v, and v → u."""
        forward, backward = self.effort
        last = self.vertex_start[1:] - 1
        return forward[last], backward[last]

    @cached_property
    def arcs_towards(self) -> tuple[Ints, NDArray[np.void]]:
        """CSR (indptr, arcs): for a junction, from where one walks to it along one edge.

        A search from a station follows these arcs and so finds the walks *to* the station. An arc
        has the fields ``tail`` (junction), ``metres`` (effort), and ``leads_on``: whether the tail
        is anything but a dead end, from which one could only turn back.
        """
        f, b = self.edge_forward, self.edge_backward
        along, against = self.edge_effort
        into = np.concatenate([self.edge_v[f], self.edge_u[b]])
        order = np.argsort(into.astype(np.int32), kind="stable")
        indptr = indptr_of(into, self.n_junctions)
        arcs = np.empty(len(into), ARC)
        arcs["tail"] = np.concatenate([self.edge_u[f], self.edge_v[b]])[order]
        arcs["metres"] = np.concatenate([along[f], against[b]])[order]
        only = np.flatnonzero(np.diff(indptr) == 1)
        back_to = np.full(self.n_junctions, -1)
        back_to[only] = arcs["tail"][indptr[only]]
        none = np.diff(indptr)[arcs["tail"]] == 0
        arcs["leads_on"] = ~none & (back_to[arcs["tail"]] != into[order])
        return indptr, arcs

    @cached_property
    def edge_table(self) -> NDArray[np.void]:
        """The edges as records: ends, directions, ``length`` in metres, effort both ways."""
        table = np.empty(self.n_edges, EDGE)
        table["u"], table["v"], table["length"] = self.edge_u, self.edge_v, self.edge_length
        table["forward"], table["backward"] = self.edge_forward, self.edge_backward
        table["along"], table["against"] = self.edge_effort
        return table

    @cached_property
    def edges_at(self) -> tuple[Ints, Ints]:
        """CSR (indptr, edge): the edges that end at a junction, each of them once."""
        loop = self.edge_u == self.edge_v
        ends = np.concatenate([self.edge_u, self.edge_v[~loop]]).astype(np.int32)
        every = np.arange(self.n_edges, dtype=np.int32)
        edges = np.concatenate([every, every[~loop]])
        return indptr_of(ends, self.n_junctions), edges[np.argsort(ends, kind="stable")]


def build_network(
    pieces: Pieces,
    ways: pd.DataFrame,
    *,
    island_share: float = ISLAND_SHARE,
    source: str = "",
    **known: Any,
) -> WalkNetwork:
    """A network of pieces; ``ways`` from `way_table`; ``known`` are other fields of the network.

    Components shorter than ``island_share`` of the longest one are marked as islands. Raises
    `NetworkError` when there is no piece.
    """
    if not len(pieces):
        raise NetworkError(
            f"{source}：没有任何可步行的道路。请检查文件是否含 highway 道路及其节点"
            "（节点须排在道路之前：osmium sort）。",
            f"{source}: no walkable way. Check that the file holds highway ways with their nodes "
            "(nodes must come before ways: `osmium sort`).",
        )
    arrays = in_space(contract(pieces))
    u, v, metres = arrays["edge_u"], arrays["edge_v"], arrays["edge_length"]
    island, count, island_metres = _islands(u, v, metres, len(arrays["junction_id"]), island_share)
    return WalkNetwork(
        **arrays,  # type: ignore[arg-type]
        edge_island=island,
        ways=ways,
        islands=count,
        island_metres=island_metres,
        source=source,
        **known,
    )


def _islands(
    u: Ints, v: Ints, length: Floats, n: int, share: float
) -> tuple[NDArray[np.bool_], int, float]:
    """Which edges lie in components shorter than ``share`` of the longest; their count, metres."""
    links = coo_matrix((np.ones(len(u), np.int8), (u, v)), shape=(n, n))
    count, component = connected_components(links, directed=False)
    metres = np.bincount(component[u], weights=length, minlength=count)
    small = metres < share * metres.max()
    return small[component[u]], int(small.sum()), float(metres[small].sum())


def way_table(
    ids: Sequence[int] | array, columns: Mapping[str, Sequence[str | None] | NDArray[np.object_]]
) -> pd.DataFrame:
    """The table `WalkNetwork.ways`: tags of ways, empty where None or not given."""
    blank = [""] * len(ids)
    text = {
        key: pd.array([value or "" for value in columns.get(key, blank)], dtype="str")
        for key in KEPT_TAGS
    }
    table = pd.DataFrame(text, index=pd.Index(np.asarray(ids, np.int64), name="way"))
    return table if table.index.is_monotonic_increasing else table.sort_index()
