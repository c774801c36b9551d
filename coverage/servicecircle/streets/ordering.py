"""Neighbours in space made neighbours in memory: searches then find what they need at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from servicecircle.streets.contraction import Floats, Ints

_BITS = ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555))


def in_space(arrays: dict[str, NDArray]) -> dict[str, NDArray]:
    """The arrays of `contract` with junctions along a Morton curve, and edges by their ends."""
    order = np.argsort(_morton(arrays["junction_lng"], arrays["junction_lat"]), kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    u, v = place[arrays["edge_u"]], place[arrays["edge_v"]]
    edges = np.argsort(np.minimum(u, v), kind="stable")
    counts = np.diff(arrays["vertex_start"])[edges]
    start = np.concatenate([[0], np.cumsum(counts)])
    vertex = np.arange(start[-1]) + np.repeat(arrays["vertex_start"][edges] - start[:-1], counts)
    moved = {"edge_u": u[edges], "edge_v": v[edges], "vertex_start": start}
    for name, values in arrays.items():
        if name not in moved:
            kind = name.split("_", maxsplit=1)[0]
            moved[name] = values[{"junction": order, "edge": edges, "vertex": vertex}[kind]]
    return moved


def _morton(lng: Floats, lat: Floats) -> Ints:
    """Bits of both axes in turn: 16 of each."""
    x, y = (_sixteen_bits(axis) for axis in (lng, lat))
    return np.asarray(_spread(x) | (_spread(y) << 1), np.int64)


def _sixteen_bits(values: Floats) -> Ints:
    low, high = values.min(), values.max()
    return np.asarray((values - low) / max(high - low, 1e-12) * 0xFFFF, np.int64)


def _spread(values: Ints) -> Ints:
    """A zero between any two bits."""
    for shift, mask in _BITS:
        values = (values | (values << shift)) & mask
    return values
