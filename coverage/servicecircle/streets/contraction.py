"""Contraction: runs of OSM nodes in, polylines between junctions out, exact to the last metre.

A node of degree two is no junction: the two segments that meet there become one edge, unless they
may be walked in different directions. Every vertex keeps its OSM node, every segment its way.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pyproj import Geod

GEOD = Geod(ellps="WGS84")

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Pieces:
    """Runs of consecutive nodes of ways: what a network is built from.

    One entry per vertex: ``ref`` (node id), ``lng``, ``lat`` (WGS-84 degrees), ``segment`` (number
    within the way of the segment that begins here). Piece p has the vertices
    ``start[p]:start[p + 1]``, at least two; one entry per piece: ``way`` (its id), ``forward``,
    ``backward`` (may it be walked in the order of its vertices, against it?). Vertices with one
    ``ref`` are one place: pieces join there, and nowhere else.
    """

    ref: Ints
    lng: Floats
    lat: Floats
    segment: Ints
    start: Ints
    way: Ints
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]

    @classmethod
    def build(
        cls,
        ref: ArrayLike,
        lng: ArrayLike,
        lat: ArrayLike,
        counts: ArrayLike,
        way: ArrayLike,
        *,
        first_segment: ArrayLike = 0,
        forward: ArrayLike = True,
        backward: ArrayLike = True,
    ) -> Pieces:
        """Pieces of ``counts`` vertices each; one value per piece (or for all) from ``way`` on.

        Immediate repetitions of a node are one node; pieces with fewer than two are left out.
        """
        ref, counts = np.asarray(ref, np.int64), np.asarray(counts, np.int64)
        number = _within_run(counts) + np.repeat(
            np.broadcast_to(first_segment, len(counts)), counts
        )
        piece = np.repeat(np.arange(len(counts)), counts)
        again = np.zeros(len(ref), bool)
        again[1:] = (ref[1:] == ref[:-1]) & (piece[1:] == piece[:-1])
        left = np.bincount(piece[~again], minlength=len(counts))
        keep = ~again & (left >= 2)[piece]
        used = np.flatnonzero(left >= 2)
        return cls(
            ref=ref[keep],
            lng=np.asarray(lng, float)[keep],
            lat=np.asarray(lat, float)[keep],
            segment=number[keep],
            start=np.concatenate([[0], np.cumsum(left[used])]),
            way=np.broadcast_to(np.asarray(way, np.int64), len(counts))[used],
            forward=np.broadcast_to(np.asarray(forward, bool), len(counts))[used],
            backward=np.broadcast_to(np.asarray(backward, bool), len(counts))[used],
        )

    def __len__(self) -> int:
        return len(self.way)

    def take(self, pieces: NDArray) -> Pieces:
        """Some of the pieces (boolean, one per piece)."""
        counts = np.diff(self.start)
        vertex = np.repeat(pieces, counts)
        return Pieces(
            ref=self.ref[vertex],
            lng=self.lng[vertex],
            lat=self.lat[vertex],
            segment=self.segment[vertex],
            start=np.concatenate([[0], np.cumsum(counts[pieces])]),
            way=self.way[pieces],
            forward=self.forward[pieces],
            backward=self.backward[pieces],
        )

    @property
    def metres(self) -> Floats:
        """Length of each piece."""
        last = self.start[1:] - 1
        first_half = np.delete(np.arange(len(self.ref)), last)
        step = np.zeros(len(self.ref))
        lng, lat = self.lng, self.lat
        step[first_half] = GEOD.inv(
            lng[first_half], lat[first_half], lng[first_half + 1], lat[first_half + 1]
        )[2]
        return np.asarray(np.add.reduceat(step, self.start[:-1])) if len(self) else np.empty(0)


def _within_run(counts: Ints) -> Ints:
    """0, 1, 2 … anew in every run."""
    ends = np.cumsum(counts)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - counts, counts))


def contract(pieces: Pieces) -> dict[str, NDArray]:
    """Junctions, edges and polylines of the pieces: arrays, named as in `WalkNetwork`."""
    ids, node = np.unique(pieces.ref, return_inverse=True)
    lng, lat = pieces.lng, pieces.lat
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
    begins = np.ones(len(node), bool)
    begins[pieces.start[1:] - 1] = False  # the last vertex of a piece begins nothing
    i = np.flatnonzero(begins)
    piece = np.repeat(np.arange(len(pieces)), np.diff(pieces.start) - 1)
    metres = np.asarray(GEOD.inv(lng[i], lat[i], lng[i + 1], lat[i + 1])[2])
    return _Segments(
        a=node[i],
        b=node[i + 1],
        metres=metres,
        way=pieces.way[piece],
        number=pieces.segment[i],
        forward=pieces.forward[piece],
        backward=pieces.backward[piece],
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
    order, start = (
        np.empty(len(half_from) // 2, np.int64),
        np.empty(len(half_from) // 2 + 1, np.int64),
    )
    chains = _string(half_from, by_node, indptr, inner, order, start, np.zeros(len(order), bool))
    start = start[: chains + 1].copy()
    head = order[start[:-1]]
    return _Chains(order, start, may_go[head], may_return[head])


@numba.njit(cache=True)
def _string(half_from, by_node, indptr, inner, order, start, used):  # type: ignore[no-untyped-def]
    """Walk from every junction along inner nodes; what is left then are rings without junction.

    Fill ``order`` and ``start``, see `_Chains`; return how many chains there are.
    """
    filled, chains = 0, 0
    for ring in range(2):
        for h0 in range(len(half_from)):
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
    return chains


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
    offset[at + 1] = _cumulated(s.metres[segment], chains.start)
    return {"start": start, "node": node, "way": way, "segment": number, "offset": offset}


def _cumulated(metres: Floats, start: Ints) -> Floats:
    """Running sums that begin anew at every chain, so that long files lose no digits."""
    within = np.empty(len(metres))
    _cumulate(metres, start, within)
    return within


@numba.njit(cache=True)
def _cumulate(metres, start, within):  # type: ignore[no-untyped-def]
    for chain in range(len(start) - 1):
        total = 0.0
        for k in range(start[chain], start[chain + 1]):
            total += metres[k]
            within[k] = total


def indptr_of(keys: NDArray[np.integer], n: int) -> Ints:
    """CSR row pointer of ``n`` rows for entries sorted by ``keys``."""
    return np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=n))])
