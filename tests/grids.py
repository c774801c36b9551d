"""Street grids drawn by a seeded generator: junctions moved about, some streets missing."""

from __future__ import annotations

import numpy as np

from servicecircle.streets.contraction import Pieces
from servicecircle.streets.network import WalkNetwork, build_network, way_table

DEGREE_M = 111_320.0


def grid(
    n: int, *, spacing: float = 60.0, kept: float = 0.85, one_way: float = 0.0, seed: int = 0
) -> WalkNetwork:
    """A city of n × n junctions on the equator; a share of the streets may be walked one way."""
    rng = np.random.default_rng(seed)
    number = np.arange(n * n).reshape(n, n)
    east, north = (
        (axis + rng.uniform(-0.3, 0.3, (n, n))) * spacing / DEGREE_M
        for axis in np.meshgrid(np.arange(n), np.arange(n))
    )
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    along = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    ends = np.concatenate([across, along])
    ends = ends[rng.random(len(ends)) < kept]
    ref = ends.ravel()
    pieces = Pieces.build(
        ref, east.ravel()[ref], north.ravel()[ref], np.full(len(ends), 2), np.arange(len(ends)) + 1,
        backward=rng.random(len(ends)) >= one_way,
    )  # fmt: skip
    return build_network(pieces, way_table([], {}))


def places_in(network: WalkNetwork, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(lng, lat) of points all over a city, drawn evenly from the box around it."""
    rng = np.random.default_rng(seed)
    west, south, east, north = network.bounds
    return rng.uniform(west, east, count), rng.uniform(south, north, count)
