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
from numpy.typing import ArrayLike
from scipy.sparse import csr_array

from servicecircle.reach_search import Work, graph_of, search_sites, site_table, work_of
from servicecircle.snapping import THREADS, Snapped
from servicecircle.streets.contraction import Floats, Ints, indptr_of
from servicecircle.streets.network import WalkNetwork

WALK_SPEED_KMH = 4.0  # the standard equates 1 km with 15 minutes
CUTOFF_MINUTES = 30.0
MINUTES_TOLERANCE = 1e-7  # covered means minutes <= standard + this: the one test everywhere
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
    graph = graph_of(network, demand, leg_factor)
    idle: SimpleQueue[Work] = SimpleQueue()
    for _ in range(THREADS):
        idle.put(work_of(network))

    def search(chunk: Ints) -> Walks:
        work, places = idle.get(), sites.take(chunk)
        try:
            table = site_table(network, places, leg_factor)
            count, point, metres, work = search_sites(graph, table, reach_m, work)
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
