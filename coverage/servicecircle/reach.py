"""Reach: walking times from demand points to sites, exact, sparse, within a cutoff.

A walk is the off-network leg to the nearest street, the way along the network, and the
off-network leg at the other end, all at walking speed. Demand walks *to* the site: one search per
site runs backwards from it until the cutoff, and every demand point on a street it met gets its
minutes from the better of the street's two ends, or directly along the street when both points
lie on the same one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from queue import SimpleQueue
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

from servicecircle.snapping import THREADS, Snapped
from servicecircle.streets.contraction import Floats, Ints, indptr_of
from servicecircle.streets.network import WalkNetwork

WALK_SPEED_KMH = 4.0  # the standard equates 1 km with 15 minutes
CUTOFF_MINUTES = 30.0
MINUTES_TOLERANCE = 1e-7  # covered means minutes <= standard + this: the one test everywhere
_CHUNK = 64  # sites per task
_BUCKETS = 256  # of the search's queue


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


class Walks(NamedTuple):
    """All walks within the cutoff to some sites, site after site.

    ``site`` (positions, ascending), ``counts`` walks to each of them; then one entry per walk:
    ``point`` (demand row, in no order) and ``minutes``.
    """

    site: Ints
    counts: Ints
    point: Ints
    minutes: Floats


def travel_times(
    network: WalkNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
    cutoff: float = CUTOFF_MINUTES,
    progress: Callable[[int, int], None] | None = None,
) -> TravelTimes:
    """Minutes of all walks from demand points to sites that take at most ``cutoff`` minutes.

    ``demand`` and ``sites`` come from `snap`; unsnapped points have no pairs. ``speed_kmh`` holds
    along the streets (on the flat), ``leg_speed_kmh`` on the legs beside them (by default the
    same). ``progress`` is called with (sites done, sites in all). Memory grows with the pairs
    found: 24 bytes each at the peak.
    """
    found: list[Walks] = []
    for walks in walks_to(
        network, demand, sites, speed_kmh=speed_kmh, leg_speed_kmh=leg_speed_kmh, cutoff=cutoff
    ):
        found.append(walks)
        if progress:
            progress(int(walks.site[-1]) + 1, len(sites))
    indptr = np.zeros(len(demand) + 1, np.int64)
    for walks in found:
        _count_rows(walks.point, indptr[1:])
    np.cumsum(indptr, out=indptr)
    at, indices = indptr[:-1].copy(), np.empty(indptr[-1], np.int32)
    minutes = np.empty(indptr[-1])
    while found:  # each part is let go of once it stands in the rows
        _into_rows(*found.pop(0), at, indices, minutes)
    return TravelTimes(indptr, indices, minutes, n_sites=len(sites), cutoff=cutoff)


def walks_to(
    network: WalkNetwork,
    demand: Snapped,
    sites: Snapped,
    *,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
    cutoff: float = CUTOFF_MINUTES,
) -> Iterator[Walks]:
    """The walks of `travel_times` some sites at a time, so that they need not all be in memory."""
    metres_per_minute = speed_kmh * 1000.0 / 60.0
    reach_m = (cutoff + MINUTES_TOLERANCE) * metres_per_minute
    leg_factor = speed_kmh / (leg_speed_kmh or speed_kmh)
    graph = _graph(network, demand, leg_factor)
    idle: SimpleQueue[_Work] = SimpleQueue()
    for _ in range(THREADS):
        idle.put(_work(network))

    def search(chunk: Ints) -> Walks:
        work, places = idle.get(), sites.take(chunk)
        try:
            table = _sites(network, places, leg_factor)
            count, point, metres = _reach(graph, table, reach_m, work)
        finally:
            idle.put(work)
        metres /= metres_per_minute
        return Walks(chunk, count, point, metres)

    on_network = np.flatnonzero(sites.found)
    chunks = iter(on_network[i : i + _CHUNK] for i in range(0, len(on_network), _CHUNK))
    pool = ThreadPoolExecutor(THREADS)
    try:  # a few chunks ahead of who listens, no more
        running = deque(pool.submit(search, c) for c in islice(chunks, 2 * THREADS))
        while running:
            yield running.popleft().result()
            running.extend(pool.submit(search, c) for c in islice(chunks, 1))
    finally:  # on Ctrl-C, what has not begun is not begun
        pool.shutdown(cancel_futures=True)


# --- the compiled search --------------------------------------------------------------------------


_POINT = np.dtype(
    [("row", "i4"), ("offset", "f8"), ("forward", "f8"), ("backward", "f8"), ("gap", "f8")],
    align=True,
)
_SITE = np.dtype(
    [
        ("edge", "i4"), ("u", "i4"), ("v", "i4"), ("may_forward", "?"), ("may_backward", "?"),
        ("length", "f8"), ("against", "f8"), ("offset", "f8"), ("forward", "f8"),
        ("backward", "f8"), ("gap", "f8"),
    ],
    align=True,
)  # fmt: skip


class _Graph(NamedTuple):
    """The network and the demand on it, as the search wants them.

    ``arc`` by ``arc_start`` and ``at`` by ``at_start``: `WalkNetwork.arcs_towards` and
    ``edges_at``; ``edge``: its ``edge_table``. ``point`` (fields of `_POINT`): the demand on edge
    e, ``point[start[e]:start[e + 1]]``.
    """

    arc_start: Ints
    arc: NDArray[np.void]
    at_start: Ints
    at: Ints
    edge: NDArray[np.void]
    start: NDArray[np.int32]
    point: NDArray[np.void]


class _Work(NamedTuple):
    """Arrays that a search writes to, reused from site to site."""

    dist: Floats  # inf where not met
    met: Ints
    edges: Ints
    head: Ints  # first entry of each bucket of the queue, -1: empty


def _graph(net: WalkNetwork, demand: Snapped, leg_factor: float) -> _Graph:
    point = np.empty(int(demand.found.sum()), _POINT)
    columns = (demand.offset, demand.forward, demand.backward, demand.gap * leg_factor)
    start = _by_edge(demand.edge, *columns, net.n_edges, point)
    return _Graph(*net.arcs_towards, *net.edges_at, net.edge_table, start, point)


def _work(net: WalkNetwork) -> _Work:
    return _Work(
        np.full(net.n_junctions, np.inf),
        np.empty(net.n_junctions, np.int32),
        np.empty(net.n_edges + 1, np.int32),
        np.full(_BUCKETS + 1, -1, np.int32),
    )


def _sites(net: WalkNetwork, sites: Snapped, leg_factor: float) -> NDArray[np.void]:
    """Where sites stand: on which edge, its ends, length and effort v → u; their own leg."""
    e = sites.edge
    columns = (
        e, net.edge_u[e], net.edge_v[e], net.edge_forward[e], net.edge_backward[e],
        net.edge_length[e], net.edge_effort[1][e], sites.offset, sites.forward, sites.backward,
        sites.gap * leg_factor,
    )  # fmt: skip
    table = np.empty(len(sites), _SITE)
    for name, column in zip(_SITE.names or (), columns, strict=True):
        table[name] = column
    return table


@numba.njit(cache=True, nogil=True)
def _by_edge(edge, offset, forward, backward, gap, n_edges, point):  # type: ignore[no-untyped-def]
    """Sort demand by edge into ``point``: count, then fill; return where each edge's begins."""
    start = np.zeros(n_edges + 1, np.int32)
    for e in edge:
        if e >= 0:
            start[e + 1] += 1
    for e in range(n_edges):
        start[e + 1] += start[e]
    at = start[:-1].copy()
    for row in range(len(edge)):
        e = edge[row]
        if e >= 0:
            p = point[at[e]]
            p.row, p.offset, p.gap = row, offset[row], gap[row]
            p.forward, p.backward = forward[row], backward[row]
            at[e] += 1
    return start


@numba.njit(cache=True, nogil=True)
def _count_rows(point, counts):  # type: ignore[no-untyped-def]
    """Add the walks of each row to its count."""
    for row in point:
        counts[row] += 1


@numba.njit(cache=True, nogil=True)
def _into_rows(site, count, point, minutes, at, indices, out):  # type: ignore[no-untyped-def]
    """Put the walks of some sites into their rows, behind those of the sites before."""
    k = 0
    for i in range(len(site)):
        for _ in range(count[i]):
            row = point[k]
            indices[at[row]], out[at[row]] = site[i], minutes[k]
            at[row] += 1
            k += 1


@numba.njit(cache=True, nogil=True)
def _twice(values):  # type: ignore[no-untyped-def]
    """The same values in an array of twice the length."""
    more = np.empty(2 * len(values), values.dtype)
    more[: len(values)] = values
    return more


@numba.njit(cache=True, nogil=True)
def _search(graph, site, limit, work, queue):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """Walk backwards from a site, up to ``limit``: (junctions met, queue).

    Dijkstra with a queue of buckets: within a bucket junctions come in any order and may come
    again when their distance falls, so the distances are exact whatever the width of a bucket.
    """
    node_of, m_of, next_of = queue
    dist, head = work.dist, work.head
    per_m = _BUCKETS / limit if limit > 0 else 0.0
    n_met, n = 0, 0
    for end in range(2):  # the two ways off the edge
        if end == 0:
            node, metres = site.u, site.forward
            is_open = site.may_forward or site.offset == 0.0
        else:
            node, metres = site.v, site.against - site.backward
            is_open = site.may_backward or site.offset == site.length
        if is_open and metres <= limit and metres < dist[node]:
            if dist[node] == np.inf:
                work.met[n_met] = node
                n_met += 1
            dist[node] = metres
            b = int(metres * per_m)
            node_of[n], m_of[n], next_of[n] = node, metres, head[b]
            head[b] = n
            n += 1
    for bucket in range(_BUCKETS + 1):
        while head[bucket] >= 0:
            entry = head[bucket]
            head[bucket] = next_of[entry]
            node, metres = node_of[entry], m_of[entry]
            if metres > dist[node]:
                continue  # a shorter walk was found since
            first, last = graph.arc_start[node], graph.arc_start[node + 1]
            while n + last - first > len(node_of):
                node_of, m_of, next_of = _twice(node_of), _twice(m_of), _twice(next_of)
            for k in range(first, last):
                total = metres + graph.arc[k].metres
                tail = graph.arc[k].tail
                if total <= limit and total < dist[tail]:
                    if dist[tail] == np.inf:
                        work.met[n_met] = tail
                        n_met += 1
                    dist[tail] = total
                    if graph.arc[k].leads_on:
                        b = int(total * per_m)
                        node_of[n], m_of[n], next_of[n] = tail, total, head[b]
                        head[b] = n
                        n += 1
    return n_met, (node_of, m_of, next_of)


@numba.njit(cache=True, nogil=True)
def _metres(edge, p, to_u, to_v, site, own):  # type: ignore[no-untyped-def]
    """Metres from a point on an edge to the site, along the streets."""
    total = np.inf
    # on a junction one may leave by any street
    if edge.forward or p.offset == edge.length:
        total = to_v + (edge.along - p.forward)
    if edge.backward or p.offset == 0.0:
        total = min(total, to_u + p.backward)
    if own:  # the direct way along the street
        if edge.forward and p.offset <= site.offset:
            total = min(total, site.forward - p.forward)
        if edge.backward and p.offset >= site.offset:
            total = min(total, p.backward - site.backward)
    return total


@numba.njit(cache=True, nogil=True)
def _edges_met(graph, work, n_met, own):  # type: ignore[no-untyped-def]
    """List the edges with demand that end at a met junction, and the site's own.

    Return (edges, demand points on them).
    """
    work.edges[0], n = own, 1  # even when no end of it is in reach
    points = graph.start[own + 1] - graph.start[own]
    for node in work.met[:n_met]:
        for k in range(graph.at_start[node], graph.at_start[node + 1]):
            e = graph.at[k]
            here = graph.start[e + 1] - graph.start[e]
            if here == 0 or e == own:
                continue
            u = graph.edge[e].u
            if node == u or work.dist[u] == np.inf:  # else it is listed at its other end
                work.edges[n] = e
                n += 1
                points += here
    return n, points


@numba.njit(cache=True, nogil=True)
def _reach(graph, sites, reach_m, work):  # type: ignore[no-untyped-def]
    """For each site: how many demand points reach it; which ones; metres, both legs included."""
    queue = (np.empty(1024, np.int32), np.empty(1024), np.empty(1024, np.int32))
    count = np.zeros(len(sites), np.int64)
    point, metres, filled = np.empty(4096, np.int32), np.empty(4096), 0
    dist = work.dist
    for i in range(len(sites)):
        site, before = sites[i], filled
        n_met, queue = _search(graph, site, reach_m - site.gap, work, queue)
        n_edges, most = _edges_met(graph, work, n_met, site.edge)
        while filled + most > len(point):
            point, metres = _twice(point), _twice(metres)
        for e in work.edges[:n_edges]:
            edge = graph.edge[e]
            to_u, to_v = dist[edge.u], dist[edge.v]
            for j in range(graph.start[e], graph.start[e + 1]):
                p = graph.point[j]
                total = _metres(edge, p, to_u, to_v, site, e == site.edge) + (p.gap + site.gap)
                if total <= reach_m:
                    point[filled], metres[filled] = p.row, total
                    filled += 1
        count[i] = filled - before
        for node in work.met[:n_met]:
            dist[node] = np.inf
    return count, point[:filled].copy(), metres[:filled].copy()
