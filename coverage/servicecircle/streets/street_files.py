"""Files of streets: which reader reads which, by the name's ending."""

from __future__ import annotations

from pathlib import Path

from servicecircle.errors import NetworkError
from servicecircle.streets.line_layer import LINE_SUFFIXES, read_lines
from servicecircle.streets.network import ISLAND_SHARE, WalkNetwork
from servicecircle.streets.osm_file import OSM_SUFFIXES, read_osm
from servicecircle.streets.street_graph import read_graphml

GRAPH_SUFFIXES = (".graphml",)


def is_osm(path: str | Path) -> bool:
    """Whether a file is named as OSM files are; only these hold places beside the streets."""
    return str(path).lower().endswith(OSM_SUFFIXES)


def is_graph(path: str | Path) -> bool:
    """Whether a file is named as OSMnx's graphs are; what is walkable was chosen before."""
    return str(path).lower().endswith(GRAPH_SUFFIXES)


def read_streets(
    path: str | Path, *, walk_filter: str = "osmnx", island_share: float = ISLAND_SHARE
) -> WalkNetwork:
    """Walking network of an OSM file, a GraphML file of OSMnx, or a layer of lines.

    Raises `NetworkError` when the file is missing, damaged, or of no known kind.
    """
    name = str(path).lower()
    if is_graph(path):
        return read_graphml(path, island_share=island_share)
    if name.endswith(LINE_SUFFIXES):
        return read_lines(path, walk_filter=walk_filter, island_share=island_share)
    if is_osm(path):
        return read_osm(path, walk_filter=walk_filter, island_share=island_share)
    known = ", ".join((*OSM_SUFFIXES, *GRAPH_SUFFIXES, *LINE_SUFFIXES))
    raise NetworkError(
        f"{path}：不是能读的路网文件，需要 {known.replace(', ', '、')} 之一。",
        f"{path}: no file of streets that can be read; one of {known} is needed.",
    )
