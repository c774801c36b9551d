"""Case 1: an OSM file to a routable, contracted network; time and peak memory.

OSMnx reads XML only and takes every way for a street, so Porto's extract is once rewritten as XML
with nothing but the ways of OSMnx's own walk filter (by its text, not by ours) and their nodes.
That favours it: it has nothing to filter. We read the same XML, and the whole PBF as it comes.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from benchmarks.common import (
    BenchmarkError,
    CaseResult,
    Row,
    in_turn,
    measure,
    memory_words,
    own_mb,
    shared_file,
    shares,
    work_folder,
)

FASTER, LEANER = 40, 12
LENGTH_TOLERANCE = 0.005  # OSMnx's lengths are great circles
OSMNX = ("osmnx", "networkx")
PYROSM = ("pyrosm", "geopandas", "networkx")
OURS = ("servicecircle.streets.network", "osmium", "pyproj", "scipy.sparse.csgraph")


def run() -> CaseResult:
    """Check that both read the same streets, then time them in turn."""
    pbf = shared_file("data/porto.osm.pbf")
    xml = work_folder() / "porto-walk.osm"
    measure("reading:write_walk_xml", pbf, xml)
    said = measure("reading:check", pbf, xml)
    found = in_turn(
        {
            "pbf": lambda: measure("reading:ours", pbf, imports=OURS),
            "started": lambda: measure("reading:ours_started", pbf, imports=OURS),
            "xml": lambda: measure("reading:ours", xml, imports=OURS),
            "osmnx": lambda: measure("reading:osmnx_graph", xml, imports=OSMNX),
            "pyrosm": lambda: measure("reading:pyrosm_graph", pbf, imports=PYROSM),
        }
    )
    profile = measure("reading:profile", pbf, imports=OURS)
    sizes, other = said["sizes"], found["osmnx"]
    rows = [
        *_rows(found["pbf"], other, sizes, "Porto PBF → network, against osmnx"),
        _rows(found["started"], other, sizes, "the same, numba started before")[0],
        *_rows(found["xml"], other, sizes, "the same from OSMnx's own XML"),
        *_rows(found["pbf"], found["pyrosm"], sizes, "PBF against pyrosm", goals=False),
    ]
    lines = [
        f"reading Porto's PBF: {found['pbf']['seconds']:.2f} s in a fresh process, "
        f"{profile['again']:.2f} s the second time in one; own time of "
        f"{shares(profile['steps'])}.",
        f"streets read alike: {said['ours_km']:,.0f} km, osmnx {said['osmnx_km']:,.0f} km "
        f"({said['difference']:+.2%}), {said['distances']:,} distances between junctions within "
        f"{said['worst']:.2%}; pyrosm has a walk filter of its own "
        f"({found['pyrosm']['km']:,.0f} km).",
    ]
    return CaseResult("reading", rows, lines)


def _rows(
    ours: dict[str, Any], peer: dict[str, Any], sizes: str, words: str, *, goals: bool = True
) -> list[Row]:
    """One row for the time, one for the memory; ``words`` say what was read, and by which peer."""
    faster = peer["seconds"] / ours["seconds"]
    leaner = own_mb(peer) / own_mb(ours)
    return [
        Row(
            f"{words}: time",
            f"≥ {FASTER}×" if goals else "",
            f"{faster:.1f}×",
            faster >= FASTER if goals else None,
            f"{ours['seconds']:.2f} s",
            f"{peer['seconds']:.1f} s",
            sizes,
        ),
        Row(
            f"{words}: peak memory",
            f"≤ 1/{LEANER}" if goals else "",
            f"1/{leaner:.1f}",
            leaner >= LEANER if goals else None,
            memory_words(ours),
            memory_words(peer),
            sizes,
        ),
    ]


# --- in workers -----------------------------------------------------------------------------------


def write_walk_xml(pbf: str, xml: str) -> None:
    """The walkable ways of an OSM file and their nodes, as XML; once."""
    import osmium  # noqa: PLC0415

    from judge import osmnx_walk_rules  # noqa: PLC0415

    if Path(xml).exists():
        return
    part = Path(xml).with_name(f"part-{Path(xml).name}")
    rules = osmnx_walk_rules()
    with osmium.BackReferenceWriter(str(part), ref_src=pbf, overwrite=True) as writer:
        for way in osmium.FileProcessor(pbf, osmium.osm.WAY):
            tags = dict(way.tags)
            if all(
                (k in tags) if no is None else not no.search(tags.get(k, "")) for k, no in rules
            ):
                writer.add(way)
    part.replace(xml)


def ours(path: str) -> dict[str, Any]:
    """The network, without any cache."""
    from servicecircle import read_osm  # noqa: PLC0415

    start = time.perf_counter()
    read_osm(path)
    return {"seconds": time.perf_counter() - start}


def ours_started(path: str) -> dict[str, Any]:
    """The network, in a process in which compiled code has been called before."""
    import numpy as np  # noqa: PLC0415

    from servicecircle.streets.contraction import _cumulate  # noqa: PLC0415

    _cumulate(np.ones(1), np.array([0, 1]))
    return ours(path)


def osmnx_graph(xml: str) -> dict[str, Any]:
    """OSMnx's simplified graph."""
    start = time.perf_counter()
    graph = _osmnx(xml)
    return {"seconds": time.perf_counter() - start, "junctions": len(graph)}


def _osmnx(xml: str) -> Any:
    import osmnx  # noqa: PLC0415

    return osmnx.graph_from_xml(xml, bidirectional=True, simplify=True, retain_all=True)


def pyrosm_graph(pbf: str) -> dict[str, Any]:
    """Pyrosm's walking network as a networkx graph."""
    import pyrosm  # noqa: PLC0415

    start = time.perf_counter()
    osm = pyrosm.OSM(pbf)
    nodes, edges = osm.get_network(network_type="walking", nodes=True)
    osm.to_graph(nodes, edges, graph_type="networkx", retain_all=True)
    return {"seconds": time.perf_counter() - start, "km": float(edges["length"].sum()) / 1000}


def check(pbf: str, xml: str) -> dict[str, Any]:
    """Same street length, same walks: raises `BenchmarkError` otherwise."""
    import numpy as np  # noqa: PLC0415

    from servicecircle import read_osm  # noqa: PLC0415

    network, same, graph = read_osm(pbf), read_osm(xml), _osmnx(xml)
    if network.n_edges != same.n_edges or abs(network.length - same.length) > 1:
        raise BenchmarkError("our networks of the PBF and of the XML differ")
    osmnx_m = sum(metres for _, _, metres in graph.edges(data="length")) / 2  # both directions
    difference = osmnx_m / network.length - 1
    if abs(difference) > LENGTH_TOLERANCE:
        raise BenchmarkError(f"street lengths differ by {difference:.2%}")
    count, worst = _compare_walks(network, graph)
    return {
        "ours_km": network.length / 1000,
        "osmnx_km": osmnx_m / 1000,
        "difference": difference,
        "distances": count,
        "sizes": f"{len(np.unique(network.vertex_id)):,} nodes, {network.n_junctions:,} junctions, "
        f"{network.n_edges:,} edges",
        "worst": worst,
    }


def _compare_walks(network: Any, graph: Any, n_sources: int = 5) -> tuple[int, float]:
    """How many distances up to 2 km were compared by OSM node id, the largest relative error."""
    import networkx as nx  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from benchmarks.graphs import digraph  # noqa: PLC0415

    mine = digraph(network)
    ids = network.junction_id.tolist()
    usable = [i for i, node in enumerate(ids) if node in graph]
    count, worst = 0, 0.0
    for source in np.random.default_rng(3).choice(usable, n_sources, replace=False).tolist():
        one = nx.single_source_dijkstra_path_length(mine, source, cutoff=2000, weight="m")
        other = nx.single_source_dijkstra_path_length(graph, ids[source], 2100, weight="length")
        for junction, metres in one.items():
            if ids[junction] not in graph or metres < 100:
                continue
            error = abs(other.get(ids[junction], np.inf) / metres - 1)
            count, worst = count + 1, max(worst, error)
    if not count or worst > LENGTH_TOLERANCE:
        raise BenchmarkError(f"of {count} distances on OSMnx's graph one differs by {worst:.2%}")
    return count, worst


def profile(pbf: str) -> dict[str, Any]:
    """Own seconds of the functions that take most of the reading, code loaded before."""
    from benchmarks.profiles import own_seconds  # noqa: PLC0415
    from servicecircle import read_osm  # noqa: PLC0415

    read_osm(pbf)
    start = time.perf_counter()
    read_osm(pbf)
    again = time.perf_counter() - start
    return {"again": again, "steps": own_seconds(lambda: read_osm(pbf))}
