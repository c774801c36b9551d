"""Reach: walking times from demand points to sites, exact, sparse, within a cutoff.

A walk is the off-network leg to the nearest street, the way along the network, and the
off-network leg at the other end, all at walking speed. Demand walks *to* the site: one search per
site runs backwards from it until the cutoff, and every demand point on a street it met gets its
minutes from the better of the street's two ends, or directly along the street when both points
lie on the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csc_array, csr_array

from servicecircle.contraction import Floats, Ints, indptr_of
from servicecircle.network import WalkNetwork
from servicecircle.snapping import Snapped

WALK_SPEED_KMH = 4.0  # the standard equates 1 km with 15 minutes
CUTOFF_MINUTES = 30.0
MINUTES_TOLERANCE = 1e-7  # covered means minutes <= standard + this: the one test everywhere
_THREADS = 2
_CHUNK = 64  # sites per task


@dataclass(frozen=True)
class TravelTimes:
    """Minutes on foot, demand × site, of all pairs within the cutoff (CSR, rows = demand).

    ``indptr`` (n_demand + 1), ``indices`` (site of each pair, ascending in a row), ``minutes``
    (float64). A pair that is absent is farther than ``cutoff`` minutes. A walk of 0 minutes is a
    pair like any other, so these are plain arrays and no scipy matrix.
    """

    indptr: Ints
    indices: Ints
    minutes: Floats
    n_sites: int
    cutoff: float

    @property
    def n_demand(self) -> int:
        """Number of demand points (rows)."""
        return len(self.indptr) - 1

    @property
    def rows(self) -> Ints:
        """Demand row of each pair."""
        return np.repeat(np.arange(self.n_demand), np.diff(self.indptr))

    def within(self, standard: ArrayLike) -> csr_array:
        """Coverage matrix (demand × site, bool): which walks take at most ``standard`` minutes.

        ``standard`` is one number, or one per demand point. Raises ValueError above the cutoff.
        """
        per_point = np.broadcast_to(np.asarray(standard, float), (self.n_demand,))
        if self.n_demand and per_point.max() > self.cutoff + MINUTES_TOLERANCE:
            raise ValueError(
                f"a standard of {per_point.max():g} minutes lies beyond the cutoff of "
                f"{self.cutoff:g} minutes"
            )
        rows = self.rows
        keep = self.minutes <= per_point[rows] + MINUTES_TOLERANCE
        indptr = indptr_of(rows[keep], self.n_demand)
        data = np.ones(int(keep.sum()), bool)
        return csr_array((data, self.indices[keep], indptr), shape=(self.n_demand, self.n_sites))

    def nearest(self, sites: ArrayLike) -> tuple[Ints, Floats]:
        """Per demand point, the nearest of ``sites`` (column indices) and its minutes.

        (-1, inf) where none is within the cutoff; of equally near ones the smallest index.
        """
        is_open = np.zeros(self.n_sites, bool)
        is_open[np.asarray(sites, np.int64)] = True
        keep = is_open[self.indices]
        rows, site, minutes = self.rows[keep], self.indices[keep], self.minutes[keep]
        order = np.lexsort([site, minutes, rows])
        row, first = np.unique(rows[order], return_index=True)
        nearest, best = np.full(self.n_demand, -1), np.full(self.n_demand, np.inf)
        nearest[row], best[row] = site[order][first], minutes[order][first]
        return nearest, best


def travel_times(
    network: WalkNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    cutoff: float = CUTOFF_MINUTES,
    progress: Callable[[int, int], None] | None = None,
) -> TravelTimes:
    """Minutes of all walks from demand points to sites that take at most ``cutoff`` minutes.

    ``demand`` and ``sites`` come from `snap`; unsnapped points have no pairs. ``progress`` is
    called with (sites done, sites in all).
    """
    metres_per_minute = speed_kmh * 1000.0 / 60.0
    reach_m = (cutoff + MINUTES_TOLERANCE) * metres_per_minute
    graph, points = _graph(network), _by_edge(demand, network.n_edges)
    on_network = np.flatnonzero(sites.found)
    chunks = [on_network[i : i + _CHUNK] for i in range(0, len(on_network), _CHUNK)]
    counts = np.zeros(len(sites), np.int64)
    found: list[tuple[Ints, Floats]] = []
    pool = ThreadPoolExecutor(_THREADS)
    try:
        tasks = [pool.submit(_reach_chunk, graph, points, sites, c, reach_m) for c in chunks]
        for chunk, task in zip(chunks, tasks, strict=True):
            counts[chunk], point, metres = task.result()
            found.append((point, metres))
            if progress:
                progress(int(chunk[-1]) + 1, len(sites))
    finally:  # on Ctrl-C, what has not begun is not begun
        pool.shutdown(cancel_futures=True)
    by_site = np.concatenate([[0], np.cumsum(counts)])
    point = np.concatenate([np.empty(0, np.int64), *(f[0] for f in found)])
    minutes = np.concatenate([np.empty(0), *(f[1] for f in found)]) / metres_per_minute
    # scipy only sorts here: a change of format keeps explicit zeros
    table = csc_array((minutes, point, by_site), shape=(len(demand), len(sites))).tocsr()
    table.sort_indices()
    indptr, indices = table.indptr.astype(np.int64), table.indices.astype(np.int64)
    return TravelTimes(indptr, indices, table.data, n_sites=len(sites), cutoff=cutoff)


# --- the compiled search --------------------------------------------------------------------------


class _Graph(NamedTuple):
    """The network as the search wants it; names as in `WalkNetwork`."""

    arc_start: Ints  # arcs towards a junction: CSR, the junction they come from, metres
    arc_tail: Ints
    arc_m: Floats
    incidence_start: Ints
    incidence: Ints
    edge_u: Ints
    edge_v: Ints
    edge_m: Floats
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]


class _Points(NamedTuple):
    """Demand points sorted by edge: those on edge e are ``start[e]:start[e + 1]``."""

    start: Ints
    point: Ints
    offset: Floats
    gap: Floats


class _Work(NamedTuple):
    """Arrays that a search writes to, reused from site to site."""

    dist: Floats  # inf where not met
    met: Ints
    heap_m: Floats
    heap_node: Ints


def _graph(net: WalkNetwork) -> _Graph:
    return _Graph(
        *net.arcs_towards,
        *net.incidence,
        net.edge_u,
        net.edge_v,
        net.edge_length,
        net.edge_forward,
        net.edge_backward,
    )


def _by_edge(demand: Snapped, n_edges: int) -> _Points:
    found = np.flatnonzero(demand.found)
    point = found[np.argsort(demand.edge[found], kind="stable")]
    start = indptr_of(demand.edge[point], n_edges)
    return _Points(start, point, demand.offset[point], demand.gap[point])


def _reach_chunk(
    graph: _Graph, points: _Points, sites: Snapped, chunk: Ints, reach_m: float
) -> tuple[Ints, Ints, Floats]:
    result: tuple[Ints, Ints, Floats] = _reach(
        graph, points, sites.edge[chunk], sites.offset[chunk], sites.gap[chunk], reach_m
    )
    return result


@numba.njit(cache=True, nogil=True)
def _push(heap_m, heap_node, size, metres, node):  # type: ignore[no-untyped-def]
    """Put an entry into the binary heap; return the new size."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if heap_m[parent] <= metres:
            break
        heap_m[i], heap_node[i] = heap_m[parent], heap_node[parent]
        i = parent
    heap_m[i], heap_node[i] = metres, node
    return size + 1


@numba.njit(cache=True, nogil=True)
def _pop(heap_m, heap_node, size):  # type: ignore[no-untyped-def]
    """Take the smallest entry (at 0) off the heap; return the new size."""
    size -= 1
    metres, node = heap_m[size], heap_node[size]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        if child + 1 < size and heap_m[child + 1] < heap_m[child]:
            child += 1
        if heap_m[child] >= metres:
            break
        heap_m[i], heap_node[i] = heap_m[child], heap_node[child]
        i = child
    heap_m[i], heap_node[i] = metres, node
    return size


@numba.njit(cache=True, nogil=True)
def _relax(work, n_met, size, node, metres):  # type: ignore[no-untyped-def]
    """Note a shorter walk to ``node``; return (junctions met, heap size)."""
    if work.dist[node] == np.inf:
        work.met[n_met] = node
        n_met += 1
    work.dist[node] = metres
    return n_met, _push(work.heap_m, work.heap_node, size, metres, node)


@numba.njit(cache=True, nogil=True)
def _search(graph, edge, offset, limit, work):  # type: ignore[no-untyped-def]
    """Dijkstra backwards from a place on an edge, up to ``limit`` metres; how many were met.

    Every arc is relaxed at most once, so the heap never holds more than arcs + 2 entries.
    """
    n_met, size = 0, 0
    rest = graph.edge_m[edge] - offset
    if (graph.forward[edge] or offset == 0.0) and offset <= limit:
        n_met, size = _relax(work, n_met, size, graph.edge_u[edge], offset)
    closer = rest < work.dist[graph.edge_v[edge]]
    if (graph.backward[edge] or rest == 0.0) and rest <= limit and closer:
        n_met, size = _relax(work, n_met, size, graph.edge_v[edge], rest)
    while size > 0:
        metres, node = work.heap_m[0], work.heap_node[0]
        size = _pop(work.heap_m, work.heap_node, size)
        if metres > work.dist[node]:
            continue
        for k in range(graph.arc_start[node], graph.arc_start[node + 1]):
            total = metres + graph.arc_m[k]
            if total <= limit and total < work.dist[graph.arc_tail[k]]:
                n_met, size = _relax(work, n_met, size, graph.arc_tail[k], total)
    return n_met


@numba.njit(cache=True, nogil=True)
def _metres(graph, dist, edge, offset, own, own_offset):  # type: ignore[no-untyped-def]
    """Metres along the network from a place on ``edge`` to the site's place on ``own``."""
    rest = graph.edge_m[edge] - offset
    forward, backward = graph.forward[edge], graph.backward[edge]
    metres = np.inf
    if forward or rest == 0.0:  # on a junction one may leave by any street
        metres = dist[graph.edge_v[edge]] + rest
    if backward or offset == 0.0:
        metres = min(metres, dist[graph.edge_u[edge]] + offset)
    if edge == own and ((forward and offset <= own_offset) or (backward and offset >= own_offset)):
        metres = min(metres, abs(own_offset - offset))
    return metres


@numba.njit(cache=True, nogil=True)
def _edges_met(graph, work, n_met, own, seen, site, edges):  # type: ignore[no-untyped-def]
    """List the edges that end at a met junction, and the site's own; return their number."""
    edges[0] = own  # even when no end of it is in reach
    seen[own] = site
    n = 1
    for i in range(n_met):
        node = work.met[i]
        for k in range(graph.incidence_start[node], graph.incidence_start[node + 1]):
            edge = graph.incidence[k]
            if seen[edge] != site:
                seen[edge] = site
                edges[n] = edge
                n += 1
    return n


@numba.njit(cache=True, nogil=True)
def _twice(values):  # type: ignore[no-untyped-def]
    """The same values in an array of twice the length."""
    more = np.empty(2 * len(values), values.dtype)
    more[: len(values)] = values
    return more


@numba.njit(cache=True, nogil=True)
def _reach(graph, points, site_edge, site_offset, site_gap, reach_m):  # type: ignore[no-untyped-def]
    """For each site: how many demand points reach it; which ones; metres, both legs included."""
    n_nodes, n_arcs = len(graph.arc_start) - 1, len(graph.arc_tail)
    work = _Work(
        np.full(n_nodes, np.inf),
        np.empty(n_nodes, np.int64),
        np.empty(n_arcs + 2),
        np.empty(n_arcs + 2, np.int64),
    )
    seen = np.full(len(graph.edge_u), -1, np.int64)
    edges = np.empty(len(graph.edge_u), np.int64)
    counts = np.zeros(len(site_edge), np.int64)
    point, metres, filled = np.empty(4096, np.int64), np.empty(4096), 0
    for site in range(len(site_edge)):
        own, own_offset = site_edge[site], site_offset[site]
        n_met = _search(graph, own, own_offset, reach_m - site_gap[site], work)
        n_edges = _edges_met(graph, work, n_met, own, seen, site, edges)
        for edge in edges[:n_edges]:
            for j in range(points.start[edge], points.start[edge + 1]):
                total = _metres(graph, work.dist, edge, points.offset[j], own, own_offset)
                total += points.gap[j] + site_gap[site]
                if total <= reach_m:
                    if filled == len(point):
                        point, metres = _twice(point), _twice(metres)
                    point[filled], metres[filled] = points.point[j], total
                    filled += 1
                    counts[site] += 1
        work.dist[work.met[:n_met]] = np.inf
    return counts, point[:filled].copy(), metres[:filled].copy()
