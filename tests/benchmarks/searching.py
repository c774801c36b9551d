"""Cases 2 and 3: 1,000 bounded searches on the contracted graph, against networkx and pandana.

Sources and demand stand on junctions, so that our pairs are the junctions settled within the
cutoff, and everybody's time is divided by the pairs found. networkx searches from the first 200
of the sources, one after the other; pandana from all of them, with its own threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.common import (
    METRES_PER_MINUTE,
    SPEED_KMH,
    BenchmarkError,
    CaseResult,
    Row,
    in_turn,
    made_file,
    measure,
    shared_file,
)

SOURCES = 1000
NETWORKX_SOURCES, CHECKED_SOURCES = 200, 20
ROUNDS = 7  # a search is short
NETWORKX_GOAL = {30: 20, 15: 15}  # minutes: times faster per settled pair
PANDANA_GOAL = 12
OURS_TOLERANCE_M = 1e-4
PANDANA_TOLERANCE_M = 0.5  # it counts whole millimetres, arc by arc
GRID_NODES = 1_000_000
SMALL_GRID_NODES = 40_000
PANDANA_LIMIT = 200_000  # junctions; it was still preparing the large grid after nine minutes


def run() -> CaseResult:
    """Both cutoffs on Porto, Wuhan and a made grid."""
    streets = {
        "Porto": shared_file("data/porto.osm.pbf"),
        "Wuhan": shared_file("data/wuhan_streets.parquet"),
        "small grid": _grid(SMALL_GRID_NODES),
        "grid": _grid(GRID_NODES),
    }
    rows, lines = [], []
    for name, path in streets.items():
        found = measure("searching:compare", path)
        alone = measure("searching:ours_alone", path, cores=1)
        for minutes, by_contender in found["minutes"].items():
            one_core = alone["minutes"][minutes]
            rows += _rows(name, int(minutes), by_contender, found["sizes"])
            lines.append(_line(name, minutes, by_contender, one_core, found["checked"]))
    return CaseResult("searching", rows, lines)


def _grid(n_nodes: int) -> Path:
    path = made_file(f"grid-{n_nodes}.osm.pbf")
    measure("cities:make_grid", path, n_nodes, 0.0)
    return path


def _rows(city: str, minutes: int, found: dict[str, Any], sizes: str) -> list[Row]:
    ours = found["servicecircle"]
    goals = {"networkx": NETWORKX_GOAL[minutes], "pandana": PANDANA_GOAL}
    rows = []
    for name, goal in goals.items():
        if name not in found:
            continue
        faster = found[name]["ns"] / ours["ns"]
        rows.append(
            Row(
                f"{city}, {minutes} min, {SOURCES:,} sources: time per settled pair, "
                f"against {name}",
                f"≥ {goal}×",
                f"{faster:.1f}×",
                faster >= goal,
                f"{ours['ns']:.0f} ns",
                f"{found[name]['ns']:,.0f} ns",
                f"{sizes}, {ours['pairs']:,} pairs",
            )
        )
    return rows


def _line(
    city: str, minutes: str, found: dict[str, Any], one_core: dict[str, Any], checked: str
) -> str:
    ours = found["servicecircle"]
    line = (
        f"{city}, {minutes} min: {ours['seconds']:.2f} s in all; on one core "
        f"{one_core['ns']:.0f} ns a pair (networkx {found['networkx']['ns'] / one_core['ns']:.1f}× "
        "that); "
    )
    if inner := found.get("pandana without its tables"):
        line += (
            f"pandana's search without making its table {inner['ns']:.0f} ns "
            f"({inner['ns'] / ours['ns']:.1f}× ours); "
        )
    else:
        line += "too large for pandana to prepare in a few minutes; "
    return f"{line}{checked}."


# --- in workers -----------------------------------------------------------------------------------


class Contest:
    """One network, its sources, and what everybody needs for them."""

    def __init__(self, path: str) -> None:
        import numpy as np  # noqa: PLC0415

        from benchmarks.graphs import feet_at, load_network, mainland  # noqa: PLC0415

        self.network = load_network(path)
        self.demand = feet_at(self.network, np.arange(self.network.n_junctions))
        rng = np.random.default_rng(2)
        self.sources = rng.choice(mainland(self.network), SOURCES, replace=False)
        self.feet = feet_at(self.network, self.sources)

    def ours(self, minutes: float, n: int = SOURCES) -> Any:
        """Travel times from every junction to the first ``n`` sources."""
        import numpy as np  # noqa: PLC0415

        from servicecircle import travel_times  # noqa: PLC0415

        sites = self.feet.take(np.arange(n))
        return travel_times(
            self.network, self.demand, sites, speed_kmh=SPEED_KMH, cutoff=float(minutes)
        )


def ours_alone(path: str) -> dict[str, Any]:
    """Our searches, with no peer in the process."""
    contest = Contest(path)
    contest.ours(1.0)  # loads the compiled code
    found = {}
    for minutes in NETWORKX_GOAL:
        timed = _timed(lambda m=minutes: contest.ours(m), _pairs_of_ours)
        found[str(minutes)] = in_turn({"ours": timed}, ROUNDS)["ours"]
    return {"minutes": found}


def compare(path: str) -> dict[str, Any]:
    """Everybody's seconds and nanoseconds per pair, in turn; same distances checked before."""
    from benchmarks.graphs import digraph, pandana_network  # noqa: PLC0415

    contest = Contest(path)
    small = contest.network.n_junctions <= PANDANA_LIMIT
    graph = digraph(contest.network)
    other = pandana_network(contest.network) if small else None
    checked = check_distances(contest, graph, other)
    found = {}
    for minutes in NETWORKX_GOAL:
        found[str(minutes)] = in_turn(_contenders(contest, graph, other, minutes), ROUNDS)
    n = contest.network
    sizes = f"{n.n_junctions:,} junctions, {n.n_edges:,} edges"
    return {"sizes": sizes, "minutes": found, "checked": checked}


def _contenders(
    contest: Contest, graph: Any, other: Any, minutes: int
) -> dict[str, Callable[[], dict[str, Any]]]:
    metres = minutes * METRES_PER_MINUTE
    few = contest.sources[:NETWORKX_SOURCES].tolist()
    found = {
        "servicecircle": _timed(lambda: contest.ours(minutes), _pairs_of_ours),
        "networkx": _timed(lambda: _networkx(graph, few, metres), lambda f: sum(map(len, f))),
    }
    if other is not None:
        found["pandana"] = _timed(lambda: other.nodes_in_range(contest.sources, metres), len)
        found["pandana without its tables"] = _timed(
            lambda: other.net.nodes_in_range(
                contest.sources, metres, 0, other.node_idx.index.to_numpy()
            ),
            lambda f: sum(map(len, f)),
        )
    return found


def _networkx(graph: Any, sources: list[int], metres: float) -> list[dict[int, float]]:
    import networkx as nx  # noqa: PLC0415

    return [
        nx.single_source_dijkstra_path_length(graph, s, cutoff=metres, weight="m") for s in sources
    ]


def _pairs_of_ours(times: Any) -> int:
    return len(times.minutes)


def _timed(call: Callable[[], Any], pairs: Callable[[Any], int]) -> Callable[[], dict[str, Any]]:
    """The call, wrapped to give its seconds, its pairs, and nanoseconds per pair."""

    def run_once() -> dict[str, Any]:
        start = time.perf_counter()
        found = call()
        seconds = time.perf_counter() - start
        count = pairs(found)
        return {"seconds": seconds, "pairs": count, "ns": seconds / count * 1e9}

    return run_once


def check_distances(contest: Contest, graph: Any, other: Any) -> str:
    """Raise `BenchmarkError` unless the first sources get the same distances from everybody."""
    minutes = max(NETWORKX_GOAL)
    metres = minutes * METRES_PER_MINUTE
    times = contest.ours(minutes, CHECKED_SOURCES)
    mine = _by_pair(times.indices, times.rows, times.minutes * METRES_PER_MINUTE)
    sources = contest.sources[:CHECKED_SOURCES]
    theirs = {
        (i, node): d
        for i, found in enumerate(_networkx(graph, sources.tolist(), metres))
        for node, d in found.items()
    }
    worst = require_same(mine, theirs, metres, OURS_TOLERANCE_M)
    said = f"{len(theirs):,} distances compared: ours and networkx's within {worst:.0e} m"
    if other is None:
        return said
    table = other.nodes_in_range(sources, metres)
    position = {source: i for i, source in enumerate(sources.tolist())}
    column = [position[source] for source in table["source"]]
    pandanas = _by_pair(column, table["destination"], table["m"])
    worst = require_same(theirs, pandanas, metres, PANDANA_TOLERANCE_M)
    return f"{said}, pandana's within {worst:.2f} m"


def _by_pair(column: Any, row: Any, metres: Any) -> dict[tuple[int, int], float]:
    return {(int(c), int(r)): float(m) for c, r, m in zip(column, row, metres, strict=True)}


Pairs = dict[tuple[int, int], float]


def require_same(one: Pairs, other: Pairs, limit: float, tolerance: float) -> float:
    """The largest difference of two sets of distances; pairs at the limit may be in one only.

    Raises `BenchmarkError` where a pair is missing or differs by more than the tolerance.
    """
    worst = 0.0
    for pair in one.keys() | other.keys():
        a, b = one.get(pair), other.get(pair)
        if a is None or b is None:
            if (a if b is None else b) < limit - tolerance:
                raise BenchmarkError(f"pair {pair}: {a} and {b} m within {limit:g} m")
            continue
        worst = max(worst, abs(a - b))
    if worst > tolerance:
        raise BenchmarkError(f"distances differ by up to {worst:g} m")
    return worst
