"""Case 4: 200 isochrones of 15 minutes, against OSMnx's recipe of buffered edges.

Stations stand on junctions: of the city (within 6 km of Porto's centre), where planners put them,
and of the whole extract, most of which is countryside. The recipe (ego graph, buffered nodes and
edges, one union, the outline) runs on a graph of the same junctions and polylines with OSMnx's
node and edge attributes, in UTM. The truth is a grid of points 10 m apart around some stations:
exact time within the standard, and a street within 100 m.
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks.common import (
    METRES_PER_MINUTE,
    SPEED_KMH,
    BenchmarkError,
    CaseResult,
    Row,
    in_turn,
    measure,
    shared_file,
    shares,
    stopwatch,
)

STATIONS, RECIPE_STATIONS, SAMPLED_STATIONS = 200, 20, 20
MINUTES = 15.0
FASTER, EXACT = 100, 0.99
EDGE_BUFFER_M, NODE_BUFFER_M = 25.0, 50.0  # the recipe's own defaults
STREET_M = 100.0
SAMPLE_M = 10.0
CENTRE = (-8.611, 41.150)  # lng, lat
AREAS = {"in the city": 6_000.0, "in the whole extract": 100_000.0}  # metres around the centre


def run() -> CaseResult:
    """Time ours and the recipe in turn, then count both against the truth."""
    path = shared_file("data/porto.osm.pbf")
    rows, lines = [], []
    for where, radius_m in AREAS.items():
        found = measure("circles:compare", path, radius_m)
        rows += [_time_row(where, found["timed"]), _exact_row(where, found)]
        lines += _lines(where, found)
    return CaseResult("circles", rows, lines)


def _time_row(where: str, timed: dict[str, Any]) -> Row:
    ours, peer = timed["ours"]["each"], timed["recipe"]["each"]
    return Row(
        f"{STATIONS} isochrones of {MINUTES:g} min, {where}: time, against buffered edges "
        "(OSMnx's recipe)",
        f"≥ {FASTER}×",
        f"{peer / ours:.1f}×",
        peer / ours >= FASTER,
        f"{ours * 1000:.1f} ms each",
        f"{peer * 1000:,.0f} ms each",
        f"Porto, {STATIONS} stations (recipe: {RECIPE_STATIONS} of them)",
    )


def _exact_row(where: str, found: dict[str, Any]) -> Row:
    exact = found["ours"]
    return Row(
        f"the same, {where}: precision / recall against 10 m samples of exact time",
        f"≥ {EXACT}",
        _exactness(exact),
        min(exact["precision"], exact["recall"]) >= EXACT,
        _exactness(exact),
        _exactness(found["recipe"]),
        f"{found['samples']:,} samples around {SAMPLED_STATIONS} stations",
    )


def _lines(where: str, found: dict[str, Any]) -> list[str]:
    return [
        f"isochrones, {where}: {found['timed']['ours']['seconds']:.2f} s for {STATIONS}, after "
        f"{found['index']:.2f} s once for the index of streets; own time of "
        f"{shares(found['profile'])}.",
        f"recipe, {where}, with buffers of {EDGE_BUFFER_M:g} m (edges) and {NODE_BUFFER_M:g} m "
        f"(nodes): {_exactness(found['recipe'])}; with {STREET_M:g} m for both: "
        f"{_exactness(found['wide recipe'])}; {found['checked']}.",
    ]


def _exactness(shares_of: dict[str, float]) -> str:
    return f"{shares_of['precision']:.4f} / {shares_of['recall']:.4f}"


# --- in a worker ----------------------------------------------------------------------------------


class _Stations:
    """Stations on junctions of one network, and what both contenders need."""

    def __init__(self, path: str, radius_m: float) -> None:
        import numpy as np  # noqa: PLC0415

        from benchmarks.graphs import feet_at, load_network, mainland  # noqa: PLC0415
        from servicecircle import Streets  # noqa: PLC0415

        self.network = load_network(path)
        start = time.perf_counter()
        self.streets = Streets(self.network)
        self.index_seconds = time.perf_counter() - start
        rng = np.random.default_rng(4)
        near = _within(self.network, mainland(self.network), radius_m)
        self.junctions = rng.choice(near, STATIONS, replace=False)
        self.feet = feet_at(self.network, self.junctions)

    def circles(self) -> Any:
        """Ours: one polygon per station, WGS-84."""
        from servicecircle.circles.isochrones import station_circles  # noqa: PLC0415

        return station_circles(
            self.network, self.streets, self.feet, [MINUTES], speed_kmh=SPEED_KMH
        )


def _within(network: Any, junctions: Any, radius_m: float) -> Any:
    """Those of the junctions that lie within a radius around the centre."""
    import numpy as np  # noqa: PLC0415
    from pyproj import Geod  # noqa: PLC0415

    lng, lat = network.junction_lng[junctions], network.junction_lat[junctions]
    centre = np.broadcast_to(np.array(CENTRE), (len(junctions), 2)).T
    return junctions[Geod(ellps="WGS84").inv(*centre, lng, lat)[2] <= radius_m]


def compare(path: str, radius_m: float) -> dict[str, Any]:
    """Seconds of both, and how exact both are."""
    from benchmarks.profiles import own_seconds  # noqa: PLC0415

    stations = _Stations(path, radius_m)
    graph, crs = osmnx_like(stations.network)
    checked = _check(stations, graph)
    stations.circles()  # loads the compiled code
    some = stations.junctions[:RECIPE_STATIONS].tolist()
    timed = in_turn(
        {
            "ours": lambda: _timed(stations.circles, STATIONS),
            "recipe": lambda: _timed(lambda: [recipe(graph, s, crs) for s in some], len(some)),
        }
    )
    return {
        "timed": timed,
        "checked": checked,
        "index": stations.index_seconds,
        "profile": own_seconds(stations.circles),
        **_against_truth(stations, graph, crs),
    }


def _timed(call: Any, n: int) -> dict[str, float]:
    seconds: dict[str, float] = {}
    with stopwatch(seconds, "seconds"):
        call()
    return {**seconds, "each": seconds["seconds"] / n}


def osmnx_like(network: Any) -> tuple[Any, Any]:
    """A projected graph as OSMnx makes them: x, y, length, geometry, and minutes per edge."""
    import geopandas as gpd  # noqa: PLC0415
    import networkx as nx  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    import shapely  # noqa: PLC0415
    from pyproj import Transformer  # noqa: PLC0415

    points = gpd.GeoSeries.from_xy(network.junction_lng, network.junction_lat, crs="EPSG:4326")
    crs = points.estimate_utm_crs()
    plane = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    xy = np.column_stack(plane.transform(network.vertex_lng, network.vertex_lat))
    graph = nx.MultiDiGraph(crs=crs)
    jx, jy = plane.transform(network.junction_lng, network.junction_lat)
    for node, (x, y) in enumerate(zip(jx.tolist(), jy.tolist(), strict=True)):
        graph.add_node(node, x=x, y=y)
    start = network.vertex_start
    for e in range(network.n_edges):
        line = shapely.LineString(xy[start[e] : start[e + 1]])
        u, v, metres = int(network.edge_u[e]), int(network.edge_v[e]), float(network.edge_length[e])
        minutes = metres / METRES_PER_MINUTE
        if network.edge_forward[e]:
            graph.add_edge(u, v, length=metres, minutes=minutes, geometry=line)
        if network.edge_backward[e]:
            graph.add_edge(v, u, length=metres, minutes=minutes, geometry=line.reverse())
    return graph, crs


def recipe(
    graph: Any, station: int, crs: Any, edge_m: float = EDGE_BUFFER_M, node_m: float = NODE_BUFFER_M
) -> Any:
    """The outline of the buffered nodes and edges within reach; holes are filled, as published."""
    import geopandas as gpd  # noqa: PLC0415
    import networkx as nx  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    reached = nx.ego_graph(graph, station, radius=MINUTES, distance="minutes")
    nodes = gpd.GeoSeries([shapely.Point(d["x"], d["y"]) for _, d in reached.nodes(data=True)])
    edges = gpd.GeoSeries([line for _, _, line in reached.edges(data="geometry")])
    buffers = [nodes.buffer(node_m)] + ([edges.buffer(edge_m)] if len(edges) else [])
    union = shapely.union_all([shape for layer in buffers for shape in layer])
    parts = shapely.get_parts(union)
    return shapely.union_all([shapely.Polygon(part.exterior) for part in parts])


def _check(stations: _Stations, graph: Any) -> str:
    """Both walk the same minutes: ours to the junctions against Dijkstra on the recipe's graph."""
    import networkx as nx  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    from benchmarks.graphs import feet_at  # noqa: PLC0415
    from benchmarks.searching import require_same  # noqa: PLC0415
    from servicecircle import travel_times  # noqa: PLC0415

    network = stations.network
    everywhere = feet_at(network, np.arange(network.n_junctions))
    few = stations.feet.take(np.arange(5))
    times = travel_times(network, everywhere, few, speed_kmh=SPEED_KMH, cutoff=MINUTES)
    keys = zip(times.indices.tolist(), times.rows.tolist(), strict=True)
    mine = dict(zip(keys, times.minutes.tolist(), strict=True))
    theirs = {}
    for i, station in enumerate(stations.junctions[:5].tolist()):
        found = nx.single_source_dijkstra_path_length(graph, station, MINUTES, weight="minutes")
        theirs |= {(i, node): minutes for node, minutes in found.items()}
    worst = require_same(mine, theirs, MINUTES, 1e-6)
    return f"{len(theirs):,} walks to junctions agree within {worst:.0e} min"


# --- the truth ------------------------------------------------------------------------------------


def _against_truth(stations: _Stations, graph: Any, crs: Any) -> dict[str, Any]:
    """Precision and recall of ours and of the recipe, over all sampled stations together."""
    import geopandas as gpd  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415

    circles = stations.circles()
    counts = {name: np.zeros(3) for name in ("ours", "recipe", "wide recipe")}
    samples = 0
    for site in range(SAMPLED_STATIONS):
        lng, lat, true = _truth(stations, site)
        samples += len(true)
        junction = int(stations.junctions[site])
        shapes = {
            "ours": circles.geometry[circles["site"] == site],
            "recipe": gpd.GeoSeries([recipe(graph, junction, crs)], crs=crs).to_crs(4326),
            "wide recipe": gpd.GeoSeries(
                [recipe(graph, junction, crs, STREET_M, STREET_M)], crs=crs
            ).to_crs(4326),
        }
        for name, shape in shapes.items():
            counts[name] += _agreement(shape, lng, lat, true)
    found: dict[str, Any] = {name: _precision_recall(*c) for name, c in counts.items()}
    return {**found, "samples": samples}


def _truth(stations: _Stations, site: int) -> tuple[Any, Any, Any]:
    """Sample points (lng, lat) around a station, and which of them belong to its circle."""
    import numpy as np  # noqa: PLC0415

    from servicecircle import snap, travel_times  # noqa: PLC0415

    network = stations.network
    junction = stations.junctions[site]
    x, y = network.plane.transform(network.junction_lng[junction], network.junction_lat[junction])
    reach = MINUTES * METRES_PER_MINUTE + 2 * STREET_M
    steps = np.arange(-reach, reach, SAMPLE_M)
    grid = np.stack(np.meshgrid(x + steps, y + steps), axis=-1).reshape(-1, 2)
    lng, lat = network.plane.transform(*grid.T, direction="INVERSE")
    feet = snap(stations.streets, lng, lat, max_snap_m=STREET_M)
    station = stations.feet.take(np.array([site]))
    times = travel_times(network, feet, station, speed_kmh=SPEED_KMH, cutoff=MINUTES)
    true = np.diff(times.indptr) > 0
    if not true.any():
        raise BenchmarkError(f"no sample is within reach of station {site}")
    return lng, lat, true


def _agreement(shape: Any, lng: Any, lat: Any, true: Any) -> Any:
    """How many samples are inside and true, inside, true."""
    import numpy as np  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    area = shape.union_all()
    shapely.prepare(area)
    inside = shapely.contains_xy(area, lng, lat)
    return np.array([(inside & true).sum(), inside.sum(), true.sum()])


def _precision_recall(both: float, inside: float, true: float) -> dict[str, float]:
    return {"precision": both / max(inside, 1), "recall": both / max(true, 1)}
