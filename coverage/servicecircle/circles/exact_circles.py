"""Service circles of streets: every street cut where the minutes run out, then widened.

The exact counterpart of `isochrones`: nothing is sampled. A street is reached from its u end, from
its v end, or from a station on it; the middle of a long street may stay out of reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import geopandas as gpd
import numba
import numpy as np
import shapely

from servicecircle.circles.isochrones import as_multipolygon
from servicecircle.circles.junction_walks import (
    Pace,
    Together,
    Walk,
    checked_levels,
    junction_walks,
)
from servicecircle.reach import WALK_SPEED_KMH
from servicecircle.snapping import THREADS, Snapped
from servicecircle.streets.contraction import GEOD, Floats, Ints
from servicecircle.streets.network import WalkNetwork

WIDTH_M = 30.0  # of land coloured on either side of a reached street
_ARCS = 8  # straight bits to a quarter of a rounded end
_LEAST_M = 1e-6  # shorter portions are no streets


class Portions(NamedTuple):
    """Parts of edges that are reached: from ``start`` to ``end`` metres from their u end."""

    edge: Ints
    start: Floats
    end: Floats


def reached_streets(
    network: WalkNetwork,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    each: bool = False,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
) -> gpd.GeoDataFrame:
    """The streets from which one walks to a site within each of ``minutes``, cut exactly there.

    Columns ``minutes``, ``edge``, ``start_m``, ``end_m`` (metres from the edge's u end) and
    ``geometry`` (LineString, EPSG:4326), sorted so; with ``each`` also ``site`` (position in
    ``site_feet``) in front, the streets of every site by itself. A stretch that is walked from
    both ends is one row, an unreached middle parts it into two.
    """
    levels, pace = checked_levels(minutes), Pace(speed_kmh, leg_speed_kmh)
    found: list[tuple[int, float, Portions]] = []
    for walks in _walks(network, site_feet, levels, pace, each):
        for site, walk in walks:
            found += [(site, m, portions(network, walk, pace.limit(m))) for m in levels]
    counts = [len(part.edge) for _, _, part in found]
    none = Portions(np.empty(0, np.int64), np.empty(0), np.empty(0))
    every = Portions(*(np.concatenate(c) for c in zip(none, *(p for *_, p in found), strict=True)))
    columns = {
        "site": np.repeat(np.array([site for site, _, _ in found], np.int64), counts),
        "minutes": np.repeat(np.array([m for _, m, _ in found], float), counts),
        "edge": every.edge,
        "start_m": every.start,
        "end_m": every.end,
    }
    if not each:
        del columns["site"]
    return gpd.GeoDataFrame(columns, geometry=_lines(network, every), crs="EPSG:4326")


def street_circles(
    network: WalkNetwork,
    site_feet: Snapped,
    minutes: Sequence[float],
    *,
    each: bool = False,
    width_m: float = WIDTH_M,
    speed_kmh: float = WALK_SPEED_KMH,
    leg_speed_kmh: float | None = None,
) -> gpd.GeoDataFrame:
    """`reached_streets`, widened by ``width_m`` metres to either side: columns as there.

    ``minutes`` and ``geometry`` (valid MultiPolygons, EPSG:4326, a longer circle holding every
    shorter one), with ``each`` also ``site`` in front. One row per value of ``minutes`` and site.
    """
    if not (np.isfinite(width_m) and width_m > 0):
        raise ValueError(f"width_m must be more than 0 metres: {width_m!r}")
    levels, pace = checked_levels(minutes), Pace(speed_kmh, leg_speed_kmh)

    def draw(walk: Walk) -> list[shapely.MultiPolygon]:
        shapes: list[shapely.Geometry] = []
        for level in levels:
            lines = _lines(network, portions(network, walk, pace.limit(level)))
            shape = _widened(network, lines, width_m)
            shapes.append(shapely.union_all([shape, *shapes[-1:]]))
        return [_in_degrees(network, shape) for shape in shapes]

    sites: list[int] = []
    shapes: list[shapely.MultiPolygon] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for walks in _walks(network, site_feet, levels, pace, each):
            for drawn in pool.map(draw, [walk for _, walk in walks]):
                shapes += drawn
            sites += [site for site, _ in walks]
    columns = {
        "site": np.repeat(np.array(sites, np.int64), len(levels)),
        "minutes": levels * len(sites),
    }
    if not each:
        del columns["site"]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs="EPSG:4326")


def _walks(
    network: WalkNetwork, sites: Snapped, levels: Sequence[float], pace: Pace, each: bool
) -> Iterator[list[tuple[int, Walk]]]:
    """The walks to each snapped site, some at a time; or the one to the nearest (as site -1)."""
    chunks = junction_walks(network, sites, max(levels, default=0.0), pace)
    if each:
        yield from chunks
        return
    together = Together(network)
    for walks in chunks:
        for _, walk in walks:
            together.add(walk)
    nearest = together.walk
    if nearest:
        yield [(-1, nearest)]


def portions(network: WalkNetwork, walk: Walk, limit: float) -> Portions:
    """The parts of streets from which a site of the walk is at most ``limit`` metres away."""
    net, to = network, walk.to_junctions(network.n_junctions)
    left = limit - to
    may_u = net.edge_backward & (left[net.edge_u] >= 0)
    may_v = net.edge_forward & (left[net.edge_v] >= 0)
    from_u, from_v = np.flatnonzero(may_u), np.flatnonzero(may_v)
    forward, backward = net.effort
    along, _ = net.edge_effort
    up_to = _offset_at(net, backward, from_u, left[net.edge_u[from_u]])
    since = _offset_at(net, forward, from_v, along[from_v] - left[net.edge_v[from_v]])
    parts = [
        Portions(from_u, np.zeros(len(from_u)), up_to),
        Portions(from_v, since, net.edge_length[from_v]),
    ]
    sites = walk.sites
    left_there = limit - sites.gap * walk.leg
    for may, effort, own, sign in (
        (net.edge_backward, backward, sites.backward, 1.0),
        (net.edge_forward, forward, sites.forward, -1.0),
    ):
        here = np.flatnonzero((left_there >= 0) & may[sites.edge])
        edge, offset = sites.edge[here], sites.offset[here]
        far = _offset_at(net, effort, edge, own[here] + sign * left_there[here])
        # an end of the street may lie nearer in effort than the site's own place in metres
        parts.append(Portions(edge, np.minimum(offset, far), np.maximum(offset, far)))
    return _merged(Portions(*(np.concatenate(column) for column in zip(*parts, strict=True))))


def _offset_at(net: WalkNetwork, effort: Floats, edge: Ints, value: Floats) -> Floats:
    """Per edge, the offset at which the effort from its u end has so much; cut to the edge."""
    return np.asarray(_places_of(net.vertex_start, effort, net.vertex_offset, edge, value))


@numba.njit(cache=True)
def _places_of(start, effort, offset, edge, value):  # type: ignore[no-untyped-def]
    found = np.empty(len(edge))
    for k in range(len(edge)):
        first, last = start[edge[k]], start[edge[k] + 1] - 1
        i = first + np.searchsorted(effort[first : last + 1], value[k], side="right") - 1
        if i < first:
            found[k] = offset[first]
        elif i >= last:
            found[k] = offset[last]
        else:
            share = (value[k] - effort[i]) / (effort[i + 1] - effort[i])
            found[k] = offset[i] + share * (offset[i + 1] - offset[i])
    return found


def _merged(parts: Portions) -> Portions:
    """Portions in order, those that meet made one."""
    order = np.lexsort([parts.start, parts.edge])
    edge, start, end = _joined(*(np.asarray(column)[order] for column in parts))
    keep = end - start > _LEAST_M
    return Portions(edge[keep], start[keep], end[keep])


@numba.njit(cache=True)
def _joined(edge, start, end):  # type: ignore[no-untyped-def]
    n = 0
    edge, start, end = edge.copy(), start.copy(), end.copy()
    for k in range(len(edge)):
        if n and edge[k] == edge[n - 1] and start[k] <= end[n - 1]:
            end[n - 1] = max(end[n - 1], end[k])
        else:
            edge[n], start[n], end[n] = edge[k], start[k], end[k]
            n += 1
    return edge[:n], start[:n], end[:n]


# --- geometry -------------------------------------------------------------------------------------


def _lines(network: WalkNetwork, parts: Portions) -> Floats:
    """One LineString (degrees) per portion: an array of geometries."""
    at, beyond, counts = _points_of(network.vertex_start, network.vertex_offset, *parts)
    lng, lat = network.vertex_lng[at], network.vertex_lat[at]
    cut = np.flatnonzero(beyond > 0)
    lng[cut], lat[cut] = _between(network, at[cut], beyond[cut])
    line = np.repeat(np.arange(len(counts)), counts)
    return np.asarray(shapely.linestrings(np.column_stack([lng, lat]), indices=line))


@numba.njit(cache=True)
def _points_of(start, offset, edge, begin, end):  # type: ignore[no-untyped-def]
    """The vertices of portions: (vertex, metres beyond it, how many of each portion)."""
    counts = np.zeros(len(edge), np.int64)
    at = np.empty(64, np.int64)
    beyond = np.empty(64)
    n = 0
    for k in range(len(edge)):
        first, last = start[edge[k]], start[edge[k] + 1] - 1
        along = offset[first : last + 1]
        i = first + np.searchsorted(along, begin[k], side="right") - 1
        j = first + np.searchsorted(along, end[k], side="left")
        room = n + j - i + 1
        if room > len(at):
            wider, more = np.empty(2 * room, np.int64), np.empty(2 * room)
            wider[:n], more[:n] = at[:n], beyond[:n]
            at, beyond = wider, more
        for vertex in range(i, j + 1):
            at[n], beyond[n] = vertex, 0.0
            if vertex == i:
                beyond[n] = max(begin[k] - offset[i], 0.0)
            elif vertex == j and end[k] < offset[j]:
                at[n], beyond[n] = j - 1, end[k] - offset[j - 1]
            n += 1
        counts[k] = j - i + 1
    return at[:n], beyond[:n], counts


def _between(network: WalkNetwork, vertex: Ints, metres: Floats) -> tuple[Floats, Floats]:
    """Places so many metres (geodesic) after vertices, on the straight bits that begin there."""
    lng, lat = network.vertex_lng, network.vertex_lat
    share = metres / (network.vertex_offset[vertex + 1] - network.vertex_offset[vertex])
    for _ in range(2):  # degrees along a long straight bit are not quite as many metres each
        x = lng[vertex] + share * (lng[vertex + 1] - lng[vertex])
        y = lat[vertex] + share * (lat[vertex + 1] - lat[vertex])
        got = np.asarray(GEOD.inv(lng[vertex], lat[vertex], x, y)[2])
        share = share * np.divide(metres, got, out=np.ones(len(got)), where=got > 0)
    return (
        lng[vertex] + share * (lng[vertex + 1] - lng[vertex]),
        lat[vertex] + share * (lat[vertex + 1] - lat[vertex]),
    )


def _widened(network: WalkNetwork, lines: Floats, width_m: float) -> shapely.Geometry:
    """Land within ``width_m`` of the lines, in the plane."""

    def plane(xy: Floats) -> Floats:
        return np.column_stack(network.plane.transform(xy[:, 0], xy[:, 1]))

    whole = shapely.transform(shapely.multilinestrings(lines), plane)
    # few long lines one by one, then dissolved: much faster than all at once, or every portion
    merged = shapely.get_parts(shapely.line_merge(whole))
    return shapely.union_all(shapely.buffer(merged, width_m, quad_segs=_ARCS))


def _in_degrees(network: WalkNetwork, shape: shapely.Geometry) -> shapely.MultiPolygon:
    def degrees(xy: Floats) -> Floats:
        return np.column_stack(network.plane.transform(xy[:, 0], xy[:, 1], direction="INVERSE"))

    turned = shapely.transform(shape, degrees)
    return as_multipolygon(turned if turned.is_valid else shapely.make_valid(turned))
