"""Contraction: runs of OSM nodes in, polylines between junctions out, exact to the last metre.

A node of degree two is no junction: the two segments that meet there become one edge, unless they
may be walked in different directions. Every vertex keeps its OSM node, every segment its way.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from pyproj import Geod

GEOD = Geod(ellps="WGS84")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Pieces:
    """Runs of consecutive nodes of ways, in flat arrays: one entry per vertex, one per piece."""

    def __init__(self) -> None:
        self.ref = array("q")
        self.lng = array("d")
        self.lat = array("d")
        self.segment = array("q")
        self.start = array("q", [0])
        self.way = array("q")
        self.forward = array("b")
        self.backward = array("b")
        self.tags: dict[int, dict[str, str]] = {}
        self.missing: set[int] = set()  # nodes without a place
        self.cut_ways: set[int] = set()

    def add(
        self,
        way: int,
        nodes: Iterable[tuple[int, float, float]],
        *,
        first_segment: int = 0,
        directions: tuple[bool, bool] = (True, True),
    ) -> None:
        """Take in one run of (node id, lng, lat); immediate repetitions of a node are one node."""
        last = None
        segment = first_segment - 1
        for ref, lng, lat in nodes:
            segment += 1
            if ref == last:
                continue
            last = ref
            self.ref.append(ref)
            self.lng.append(lng)
            self.lat.append(lat)
            self.segment.append(segment)
        if len(self.ref) - self.start[-1] < 2:
            self._drop_last()
            return
        self.start.append(len(self.ref))
        self.way.append(way)
        self.forward.append(directions[0])
        self.backward.append(directions[1])

    def _drop_last(self) -> None:
        for values in (self.ref, self.lng, self.lat, self.segment):
            del values[self.start[-1] :]


def contract(pieces: Pieces) -> dict[str, NDArray]:
    """Junctions, edges and polylines of the pieces: arrays, named as in `WalkNetwork`."""
    ids, node = np.unique(np.frombuffer(pieces.ref, np.int64), return_inverse=True)
    lng, lat = np.frombuffer(pieces.lng, float), np.frombuffer(pieces.lat, float)
    first = np.zeros(len(ids), np.int64)  # where a node's coordinates stand
    first[node[::-1]] = np.arange(len(node))[::-1]
    segments = _segments(pieces, node, lng, lat)
    chains = _trace(len(ids), segments)
    line = _polylines(chains, segments)
    begin, end = line["start"][:-1], line["start"][1:] - 1
    ends = np.concatenate([line["node"][begin], line["node"][end]])
    junction, end_of_edge = np.unique(ends, return_inverse=True)
    at = first[line["node"]]
    return {
        "junction_id": ids[junction],
        "junction_lng": lng[first[junction]],
        "junction_lat": lat[first[junction]],
        "edge_u": end_of_edge[: len(begin)],
        "edge_v": end_of_edge[len(begin) :],
        "edge_length": line["offset"][end],
        "edge_forward": chains.forward,
        "edge_backward": chains.backward,
        "vertex_start": line["start"],
        "vertex_id": ids[line["node"]],
        "vertex_lng": lng[at],
        "vertex_lat": lat[at],
        "vertex_offset": line["offset"],
        "vertex_way": line["way"],
        "vertex_segment": line["segment"],
    }


@dataclass(frozen=True)
class _Segments:
    """Straight bits between consecutive nodes a → b, in the direction of their way."""

    a: Ints
    b: Ints
    metres: Floats
    way: Ints
    number: Ints
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]


def _segments(pieces: Pieces, node: Ints, lng: Floats, lat: Floats) -> _Segments:
    start = np.frombuffer(pieces.start, np.int64)
    begins = np.ones(len(node), bool)
    begins[start[1:] - 1] = False  # the last vertex of a piece begins nothing
    i = np.flatnonzero(begins)
    piece = np.repeat(np.arange(len(pieces.way)), np.diff(start) - 1)
    metres = np.asarray(GEOD.inv(lng[i], lat[i], lng[i + 1], lat[i + 1])[2])
    return _Segments(
        a=node[i],
        b=node[i + 1],
        metres=metres,
        way=np.frombuffer(pieces.way, np.int64)[piece],
        number=np.frombuffer(pieces.segment, np.int64)[i],
        forward=np.frombuffer(pieces.forward, np.int8)[piece] > 0,
        backward=np.frombuffer(pieces.backward, np.int8)[piece] > 0,
    )


@dataclass(frozen=True)
class _Chains:
    """Segments strung together: chain e is ``order[start[e]:start[e + 1]]`` of half segments.

    A half segment h is segment h // 2, walked a → b when h is even and b → a when it is odd.
    """

    order: Ints
    start: Ints
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]


def _trace(n_nodes: int, s: _Segments) -> _Chains:
    """String segments together at nodes of degree two whose two sides may be walked alike."""
    half_from = np.column_stack([s.a, s.b]).ravel()
    by_node = np.argsort(half_from, kind="stable")
    indptr = indptr_of(half_from, n_nodes)
    may_go = np.column_stack([s.forward, s.backward]).ravel()  # along the half segment
    may_return = np.column_stack([s.backward, s.forward]).ravel()
    two = np.flatnonzero(np.diff(indptr) == 2)
    one, other = by_node[indptr[two]], by_node[indptr[two] + 1]
    alike = (may_go[one] == may_return[other]) & (may_return[one] == may_go[other])
    inner = np.zeros(n_nodes, bool)
    inner[two[alike & (one // 2 != other // 2)]] = True
    order, start = _string(half_from, by_node, indptr, inner)
    head = order[start[:-1]]
    return _Chains(order, start, may_go[head], may_return[head])


@numba.njit(cache=True)
def _string(half_from, by_node, indptr, inner):  # type: ignore[no-untyped-def]
    """Walk from every junction along inner nodes; what is left then are rings without junction."""
    n_half = len(half_from)
    order = np.empty(n_half // 2, np.int64)
    start = np.empty(n_half // 2 + 1, np.int64)
    used = np.zeros(n_half // 2, np.bool_)
    filled, chains = 0, 0
    for ring in range(2):
        for h0 in range(n_half):
            if used[h0 // 2] or (ring == 0 and inner[half_from[h0]]):
                continue
            start[chains] = filled
            chains += 1
            h = h0
            while True:
                used[h // 2] = True
                order[filled] = h
                filled += 1
                node = half_from[h ^ 1]
                if not inner[node]:
                    break
                k = indptr[node]
                h = by_node[k + 1] if by_node[k] == h ^ 1 else by_node[k]
                if used[h // 2]:
                    break
    start[chains] = filled
    return order, start[: chains + 1].copy()


def _polylines(chains: _Chains, s: _Segments) -> dict[str, Ints | Floats]:
    """The chains vertex by vertex; ``node`` and the other arrays have one entry per vertex."""
    start = np.concatenate([[0], np.cumsum(np.diff(chains.start) + 1)])
    last = start[1:] - 1
    at = np.delete(np.arange(start[-1]), last)  # where each half segment begins
    segment, reverse = chains.order // 2, chains.order % 2 == 1
    node = np.empty(start[-1], np.int64)
    node[at] = np.where(reverse, s.b[segment], s.a[segment])
    tail = chains.order[chains.start[1:] - 1]
    node[last] = np.where(tail % 2 == 1, s.a[tail // 2], s.b[tail // 2])
    way, number = np.full(len(node), -1), np.full(len(node), -1)
    way[at], number[at] = s.way[segment], s.number[segment]
    offset = np.zeros(len(node))
    offset[at + 1] = _cumulate(s.metres[segment], chains.start)
    return {"start": start, "node": node, "way": way, "segment": number, "offset": offset}


@numba.njit(cache=True)
def _cumulate(metres, start):  # type: ignore[no-untyped-def]
    """Running sums that begin anew at every chain, so that long files lose no digits."""
    within = np.empty(len(metres))
    for chain in range(len(start) - 1):
        total = 0.0
        for k in range(start[chain], start[chain + 1]):
            total += metres[k]
            within[k] = total
    return within


def indptr_of(keys: Ints, n: int) -> Ints:
    """CSR row pointer of ``n`` rows for entries sorted by ``keys``."""
    return np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=n))])
