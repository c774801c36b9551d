"""The compiled search of `reach`: from sites backwards along the streets, up to a cutoff.

Arrays are made outside of it, and grow there: in compiled functions they take long to compile.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from servicecircle.snapping import Snapped
from servicecircle.streets.contraction import Floats, Ints
from servicecircle.streets.network import WalkNetwork

_BUCKETS = 256  # of the search's queue
_WALKS, _ENTRIES = 4096, 1024  # room to begin with: for a chunk's walks, in the queue
_QUEUE = ("node_of", "m_of", "next_of")  # its fields in `Work`
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


class Graph(NamedTuple):
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


class Work(NamedTuple):
    """Arrays that a search writes to, reused from site to site."""

    dist: Floats  # inf where not met
    met: Ints
    edges: Ints
    head: Ints  # first entry of each bucket of the queue, -1: empty
    # of each entry: junction, metres to the site, the next entry of its bucket
    node_of: Ints
    m_of: Floats
    next_of: Ints


def graph_of(net: WalkNetwork, demand: Snapped, leg_factor: float) -> Graph:
    """The network with demand on it; ``leg_factor``: metres of street to a metre of leg."""
    point = np.empty(int(demand.found.sum()), _POINT)
    columns = (demand.offset, demand.forward, demand.backward, demand.gap * leg_factor)
    start, at = np.zeros(net.n_edges + 1, np.int32), np.empty(net.n_edges, np.int32)
    _by_edge(demand.edge, *columns, start, at, point)
    return Graph(*net.arcs_towards, *net.edges_at, net.edge_table, start, point)


def work_of(net: WalkNetwork) -> Work:
    """What one search at a time writes to."""
    return Work(
        np.full(net.n_junctions, np.inf),
        np.empty(net.n_junctions, np.int32),
        np.empty(net.n_edges + 1, np.int32),
        np.full(_BUCKETS + 1, -1, np.int32),
        *_queue(_ENTRIES),
    )


def _queue(room: int) -> Any:
    return np.empty(room, np.int32), np.empty(room), np.empty(room, np.int32)


def search_sites(
    graph: Graph, sites: NDArray[np.void], reach_m: float, work: Work
) -> tuple[Ints, Ints, Floats, Work]:
    """Per site, how many demand points reach it; which ones; metres, both legs included.

    The compiled search stops at a site for which an array is too short, and goes on there with
    a longer one; ``work`` with its queue as long as it was needed comes back.
    """
    count = np.zeros(len(sites), np.int64)
    point: Any = np.empty(_WALKS, np.int32)
    metres: Any = np.empty(_WALKS)
    done, filled = 0, 0
    while True:
        done, filled, room = _reach(graph, sites, reach_m, work, done, count, point, metres, filled)
        if done == len(sites):
            return count, point[:filled].copy(), metres[:filled].copy(), work
        if room < 0:
            longer: Any = zip(_QUEUE, _queue(2 * len(work.m_of)), strict=True)
            work = work._replace(**dict(longer))
        else:
            more = 2 * max(len(point), room) - len(point)
            point = np.concatenate([point, np.empty(more, np.int32)])
            metres = np.concatenate([metres, np.empty(more)])


def site_table(net: WalkNetwork, sites: Snapped, leg_factor: float) -> NDArray[np.void]:
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
def _by_edge(edge, offset, forward, backward, gap, start, at, point):  # type: ignore[no-untyped-def]
    """Sort demand by edge into ``point``: count, then fill; ``start``: where each edge's begins."""
    for row in range(len(edge)):
        if edge[row] >= 0:
            start[edge[row] + 1] += 1
    for e in range(len(at)):
        start[e + 1] += start[e]
        at[e] = start[e]
    for row in range(len(edge)):
        e = edge[row]
        if e >= 0:
            p = point[at[e]]
            p.row, p.offset, p.gap = row, offset[row], gap[row]
            p.forward, p.backward = forward[row], backward[row]
            at[e] += 1


@numba.njit(inline="always")
def _search(graph, site, limit, work):  # type: ignore[no-untyped-def]  # noqa: PLR0912
    """Walk backwards from a site, up to ``limit``: (junctions met, whether the queue sufficed).

    Dijkstra with a queue of buckets: within a bucket junctions come in any order and may come
    again when their distance falls, so the distances are exact whatever the width of a bucket.
    """
    dist, head, node_of, m_of, next_of = work.dist, work.head, work.node_of, work.m_of, work.next_of
    per_m = _BUCKETS / limit if limit > 0 else 0.0
    n_met, n, fits = 0, 0, True
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
            b = np.int64(metres * per_m)
            node_of[n], m_of[n], next_of[n] = node, metres, head[b]
            head[b] = n
            n += 1
    for bucket in range(_BUCKETS + 1):
        while head[bucket] >= 0:
            entry = head[bucket]
            head[bucket] = next_of[entry]
            node, metres = node_of[entry], m_of[entry]
            if metres > dist[node] or not fits:
                continue  # a shorter walk was found since; or the queue is only emptied
            first, last = graph.arc_start[node], graph.arc_start[node + 1]
            if n + last - first > len(node_of):
                fits = False
                continue
            for k in range(first, last):
                total = metres + graph.arc[k].metres
                tail = graph.arc[k].tail
                if total <= limit and total < dist[tail]:
                    if dist[tail] == np.inf:
                        work.met[n_met] = tail
                        n_met += 1
                    dist[tail] = total
                    if graph.arc[k].leads_on:
                        b = np.int64(total * per_m)
                        node_of[n], m_of[n], next_of[n] = tail, total, head[b]
                        head[b] = n
                        n += 1
    return n_met, fits


@numba.njit(inline="always")
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


@numba.njit(inline="always")
def _edges_met(graph, work, n_met, own):  # type: ignore[no-untyped-def]
    """List the edges with demand that end at a met junction, and the site's own.

    Return (edges, demand points on them).
    """
    work.edges[0], n = own, 1  # even when no end of it is in reach
    points = graph.start[own + 1] - graph.start[own]
    for m in range(n_met):
        node = work.met[m]
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
def _reach(graph, sites, reach_m, work, done, count, point, metres, filled):  # type: ignore[no-untyped-def]
    """Go on at site ``done``: (sites done, walks filled in, room needed).

    Where not all are done, ``room`` is what ``point`` and ``metres`` must hold for the next site,
    or -1: the queue must be longer.
    """
    dist, room = work.dist, 0
    while done < len(sites) and room == 0:
        site = sites[done]
        n_met, fits = _search(graph, site, reach_m - site.gap, work)
        n_edges, most = _edges_met(graph, work, n_met, site.edge)
        if not fits:
            room = -1
        elif filled + most > len(point):
            room = filled + most
        else:
            before = filled
            for m in range(n_edges):
                e = work.edges[m]
                edge = graph.edge[e]
                to_u, to_v = dist[edge.u], dist[edge.v]
                for j in range(graph.start[e], graph.start[e + 1]):
                    p = graph.point[j]
                    total = _metres(edge, p, to_u, to_v, site, e == site.edge) + (p.gap + site.gap)
                    if total <= reach_m:
                        point[filled], metres[filled] = p.row, total
                        filled += 1
            count[done] = filled - before
            done += 1
        for m in range(n_met):
            dist[work.met[m]] = np.inf
    return done, filled, room
