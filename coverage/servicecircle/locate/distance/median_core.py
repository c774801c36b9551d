"""The open part of a p-median question: for each row the sites nearer than what is open anyhow.

Rows that weigh nothing are left out, identical ones merged. A row that is out of reach of every
open site is served from afar, at a distance so large that no plan with such a row is as good as
any plan without: then every plan has a value, and the worst allowed one is known (``worst``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from servicecircle.locate.distance.certificate import DistanceFacts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PIECE = 4_000_000  # distances that are sorted at once


@dataclass(frozen=True, eq=False)
class MedianCore:
    """Rows × free sites; a row's entries are the sites nearer than ``top``, nearest first.

    ``indptr``, ``site``, ``near`` are CSR by rows; ``starts``, ``row``, ``far`` the same by sites.
    ``sites`` gives each column's index in the question; ``group`` the row here of each row of the
    facts. ``top`` is the distance that a row has without any of the free sites.
    """

    indptr: Ints
    site: NDArray[np.int32]
    near: Floats
    starts: Ints
    row: NDArray[np.int32]
    far: Floats
    weight: Floats
    top: Floats
    cost: Floats
    count: int
    purse: float
    sites: Ints
    group: Ints
    worst: float  # more than any plan that reaches all rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and sites."""
        return len(self.weight), len(self.sites)

    @property
    def slots(self) -> int:
        """The most sites that count and purse could let in."""
        cheapest = np.cumsum(np.sort(self.cost))
        affordable = int(np.searchsorted(cheapest, self.purse, side="right"))
        return int(min(self.count, affordable, len(self.sites)))

    def value(self, plan: Ints) -> float:
        """Σ weight · distance to the nearest open site; inf where a row is not reached."""
        served = self.top.copy()
        for j in plan:
            part = slice(self.starts[j], self.starts[j + 1])
            rows = self.row[part]
            served[rows] = np.minimum(served[rows], self.far[part])
        total = float(self.weight @ served)
        return total if total <= self.worst else math.inf


def first_core(f: DistanceFacts) -> MedianCore:
    """The core of a whole question."""
    reached = np.where(np.isfinite(f.distance), f.distance, 0.0)
    farthest = np.maximum(
        reached[:, f.free].max(axis=1, initial=0.0), np.where(np.isfinite(f.base), f.base, 0.0)
    )
    worst = float(f.weight @ farthest) * (1 + 1e-9) + 1e-9
    first, group = _alike(np.column_stack([f.distance[:, f.free], f.base]))
    weight = np.bincount(group, f.weight, len(first)).astype(np.float64)
    top = np.where(np.isfinite(f.base[first]), f.base[first], (2 * worst + 1) / weight)
    free = np.flatnonzero(f.free)
    return _core(f, first, group, weight, top, free, worst, f.count, f.purse)


def inner_core(f: DistanceFacts, core: MedianCore, into: Ints, out: Ints) -> MedianCore:
    """What is left of a core after opening ``into`` and closing ``out`` (its columns)."""
    rows, n = core.shape
    first = np.full(rows, -1)
    first[core.group[::-1]] = np.arange(len(core.group))[::-1]
    top = core.top.copy()
    for j in into:
        part = slice(core.starts[j], core.starts[j + 1])
        top[core.row[part]] = np.minimum(top[core.row[part]], core.far[part])
    left = np.ones(n, bool)
    left[into] = left[out] = False
    purse = core.purse - float(core.cost[into].sum())
    left &= core.cost <= purse
    count = core.count - len(into)
    free = core.sites[left]
    return _core(f, first, core.group, core.weight, top, free, core.worst, count, purse)


def _core(
    f: DistanceFacts,
    first: Ints,
    group: Ints,
    weight: Floats,
    top: Floats,
    free: Ints,
    worst: float,
    count: float,
    purse: float,
) -> MedianCore:
    cost = f.cost[free]
    indptr, site, near = _nearest_first(f.distance, first, free, top)
    by_site = sp.csr_matrix((near, site, indptr), (len(first), len(free))).tocsc()
    return MedianCore(
        indptr=indptr,
        site=site,
        near=near,
        starts=by_site.indptr.astype(np.int64),
        row=by_site.indices.astype(np.int32),
        far=by_site.data,
        weight=weight,
        top=top,
        cost=cost,
        count=int(min(count, len(free))),
        purse=purse if purse < cost.sum() else math.inf,
        sites=free,
        group=group,
        worst=worst,
    )


def _nearest_first(distance: Any, first: Ints, free: Ints, top: Floats) -> Any:
    """CSR of the sites nearer than ``top``, each row sorted by distance, then by site."""
    sizes, sites, nears = [np.zeros(1, np.int64)], [], []
    step = max(1, PIECE // max(1, len(free)))
    for at in range(0, len(first), step):
        part = distance[np.ix_(first[at : at + step], free)]
        order = np.argsort(part, axis=1, kind="stable")
        part = np.take_along_axis(part, order, axis=1)
        keep = part < top[at : at + step, None]
        sizes.append(keep.sum(axis=1))
        sites.append(order[keep].astype(np.int32))
        nears.append(part[keep])
    none = np.zeros(0, np.int32), np.zeros(0)
    return (
        np.cumsum(np.concatenate(sizes)),
        np.concatenate([none[0], *sites]),
        np.concatenate([none[1], *nears]),
    )


def _alike(table: Floats) -> tuple[Ints, Ints]:
    """The first row of each set of identical rows, and each row's set, in order of rows."""
    table = np.ascontiguousarray(table)
    if len(table) == 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    keys = table.view(np.dtype((np.void, table.itemsize * table.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]
