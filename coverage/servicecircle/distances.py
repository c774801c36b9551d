"""Walks without a cutoff, for the models that count minutes: p-median and p-center."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from servicecircle.errors import QuestionError
from servicecircle.reach import MINUTES_TOLERANCE, TravelTimes
from servicecircle.snapping import Snapped
from servicecircle.streets.contraction import Floats, indptr_of
from servicecircle.streets.network import WalkNetwork
from servicecircle.walking import Walking

PAIR_LIMIT = 20_000_000  # demand × sites: 160 MB as a matrix, about as much in certificate.npz
IDLE_DOUBLINGS = 2  # so often the cutoff doubles in vain before a pair counts as without a walk
_METRES_PER_DEGREE = 111_320.0


@dataclass(frozen=True)
class Walks:
    """All walks: ``near`` within the cutoff, as every plan has them, and those ``beyond`` it."""

    near: TravelTimes
    beyond: TravelTimes

    @cached_property
    def matrix(self) -> Floats:
        """Minutes, demand × site; inf where no walk joins the two."""
        minutes = np.full((self.near.n_demand, self.near.n_sites), np.inf)
        for part in (self.near, self.beyond):
            minutes[part.rows, part.indices] = part.minutes
        return minutes


def all_walks(
    walking: Walking,
    demand: Snapped,
    sites: Snapped,
    cutoff: float,
    progress: Callable[[int, int], None] | None = None,
) -> Walks:
    """Minutes of every walk from a demand point to a site, cut in two at ``cutoff`` minutes.

    Pairs without any walk are absent: unsnapped points, streets that do not hang together, and
    pairs that only one-way streets part (not found though the cutoff was doubled twice in vain).
    Raises `QuestionError` where there are more than `PAIR_LIMIT` pairs.
    """
    _require_few(int(demand.found.sum()), int(sites.found.sum()))
    joined = _joined_pairs(walking.network, demand, sites)
    reach = max(cutoff, _across(walking, demand, sites))
    idle, found = 0, -1
    while True:
        times = walking.times(demand, sites, reach, progress)
        idle = idle + 1 if len(times.minutes) == found else 0
        found = len(times.minutes)
        if found == joined or idle == IDLE_DOUBLINGS:
            break
        reach *= 2
    near = times.minutes <= cutoff + MINUTES_TOLERANCE
    return Walks(_part(times, near, cutoff), _part(times, ~near, np.inf))


def _require_few(points: int, sites: int) -> None:
    pairs = points * sites
    if pairs <= PAIR_LIMIT:
        return
    raise QuestionError(
        f"{points:,} 个需求点 × {sites:,} 个站点共 {pairs:,} 对，超过 p_median、p_center 的上限 "
        f"{PAIR_LIMIT:,} 对。请合并需求点（由地图推算时加大 demand.cell_m）、减少备选点，"
        "或改用 mclp。",
        f"{points:,} demand points × {sites:,} sites make {pairs:,} pairs, more than the "
        f"{PAIR_LIMIT:,} that p_median and p_center take. Merge demand points (a larger "
        "demand.cell_m where they are derived from the map), bring fewer candidates, or use mclp.",
    )


def _across(walking: Walking, demand: Snapped, sites: Snapped) -> float:
    """Minutes that most walks stay below: twice across all points, as the crow flies."""
    lng = np.concatenate([feet.lng[feet.found] for feet in (demand, sites)])
    lat = np.concatenate([feet.lat[feet.found] for feet in (demand, sites)])
    if not len(lng):
        return 0.0
    metres = np.hypot(np.ptp(lng) * np.cos(np.radians(lat.mean())), np.ptp(lat))
    return float(2 * metres * _METRES_PER_DEGREE / (walking.part.speed_kmh * 1000 / 60))


def _joined_pairs(network: WalkNetwork, demand: Snapped, sites: Snapped) -> int:
    """How many pairs lie on streets that hang together, one-way or not."""
    ends = network.edge_u, network.edge_v
    n = network.n_junctions
    graph = coo_matrix((np.ones(network.n_edges, bool), ends), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    counts = [
        np.bincount(label[network.edge_u[feet.edge[feet.found]]], minlength=label.max() + 1)
        for feet in (demand, sites)
    ]
    return int(np.sum(counts[0].astype(np.int64) * counts[1]))


def _part(times: TravelTimes, keep: NDArray[np.bool_], cutoff: float) -> TravelTimes:
    indptr = indptr_of(times.rows[keep], times.n_demand)
    return TravelTimes(indptr, times.indices[keep], times.minutes[keep], times.n_sites, cutoff)
