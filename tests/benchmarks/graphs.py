"""The same contracted network for every contender; runs in workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from servicecircle import Snapped, WalkNetwork, read_osm
from servicecircle.streets.line_layer import read_lines

Ints = NDArray[np.int64]


def load_network(path: str) -> WalkNetwork:
    """An OSM file, or a layer of lines (Wuhan's)."""
    return read_lines(path) if Path(path).suffix == ".parquet" else read_osm(path)


def digraph(network: WalkNetwork) -> Any:
    """A networkx graph of the junctions; ``m`` is metres, of parallel edges the shortest."""
    import networkx as nx  # noqa: PLC0415

    graph = nx.DiGraph()
    graph.add_nodes_from(range(network.n_junctions))
    for a, b, allowed in (
        (network.edge_u, network.edge_v, network.edge_forward),
        (network.edge_v, network.edge_u, network.edge_backward),
    ):
        columns = (values[allowed].tolist() for values in (a, b, network.edge_length))
        for u, v, metres in zip(*columns, strict=True):
            if not graph.has_edge(u, v) or graph.edges[u, v]["m"] > metres:
                graph.add_edge(u, v, m=metres)
    return graph


def pandana_network(network: WalkNetwork) -> Any:
    """The same for pandana; raises ValueError where streets may be walked one way only."""
    import pandana  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    if not (network.edge_forward.all() and network.edge_backward.all()):
        raise ValueError("pandana is given streets that may be walked both ways")
    return pandana.Network(
        pd.Series(network.junction_lng),
        pd.Series(network.junction_lat),
        pd.Series(network.edge_u),
        pd.Series(network.edge_v),
        pd.DataFrame({"m": network.edge_length}),
        twoway=True,
    )


def feet_at(network: WalkNetwork, junctions: Ints) -> Snapped:
    """Points that stand on junctions, with no leg beside the streets."""
    edge, offset = np.full(network.n_junctions, -1), np.zeros(network.n_junctions)
    for ends, at in ((network.edge_u, 0.0), (network.edge_v, network.edge_length)):
        edge[ends] = np.arange(network.n_edges)
        offset[ends] = at
    return Snapped(
        edge=edge[junctions],
        offset=offset[junctions],
        forward=offset[junctions],
        backward=offset[junctions],
        gap=np.zeros(len(junctions)),
        lng=network.junction_lng[junctions],
        lat=network.junction_lat[junctions],
        way=np.zeros(len(junctions), np.int64),
        segment=np.zeros(len(junctions), np.int64),
    )


def mainland(network: WalkNetwork) -> Ints:
    """Junctions that do not lie on islands."""
    stays = ~network.edge_island
    return np.unique(np.concatenate([network.edge_u[stays], network.edge_v[stays]]))
