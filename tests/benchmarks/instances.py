"""Questions for the optimizer, made from seeds: points in a square, a clustered city, roads.

Runs in workers only (numpy, scipy). The same arguments always make the same question. `keep`
writes it into a file, so that a measured process only loads arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra, minimum_spanning_tree
from scipy.spatial import Delaunay, cKDTree

RADIUS_M = 1_200.0  # straight line
CITY_M = 20_000.0  # width of the clustered city, and of the roads
CENTRES = 40
SPREADS_M = (700.0, 3_000.0)  # standard deviations of the centres, spread evenly in logarithm
BACKGROUND = 0.1  # share of points that belong to no centre
WEIGHTS = (1, 99)
NODES_PER_DEMAND = 2.5  # junctions of the roads
BUILT = 0.6  # share of the Delaunay edges, besides those that keep the roads connected
DETOUR = (1.0, 1.3)  # length of a road over its straight line
CHUNK = 20_000  # demand rows whose pairs are looked up at once

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Sites and demand in a plane, metres, and the demand's whole weights."""

    sites: Floats  # (sites, 2)
    demand: Floats  # (demand, 2)
    weight: Floats


def uniform(sites: int, demand: int, width_m: float, seed: int) -> Points:
    """Sites and demand anywhere in a square."""
    rng = np.random.default_rng(seed)
    return Points(
        rng.uniform(0, width_m, (sites, 2)),
        rng.uniform(0, width_m, (demand, 2)),
        _weight(rng, demand),
    )


def city(sites: int, demand: int, seed: int) -> Points:
    """Sites and demand around the same centres, some of both anywhere, all within a square."""
    rng = np.random.default_rng(seed)
    centre = rng.uniform(0, CITY_M, (CENTRES, 2))
    spread = np.exp(rng.uniform(*np.log(SPREADS_M), CENTRES))
    size = rng.dirichlet(np.full(CENTRES, 2.0))

    def draw(n: int) -> Floats:
        at = rng.choice(CENTRES, n, p=size)
        anywhere = rng.random(n) < BACKGROUND
        xy = np.where(
            anywhere[:, None],
            rng.uniform(0, CITY_M, (n, 2)),
            rng.normal(centre[at], spread[at, None]),
        )
        outside = np.any((xy < 0) | (xy > CITY_M), axis=1)
        if outside.any():
            xy[outside] = draw(int(outside.sum()))
        return xy

    return Points(draw(sites), draw(demand), _weight(rng, demand))


def _weight(rng: np.random.Generator, n: int) -> Floats:
    return rng.integers(*WEIGHTS, n, endpoint=True).astype(float)


def covers(points: Points, radius_m: float = RADIUS_M) -> sp.csr_array:
    """Demand × sites, true within the radius; built piece by piece, sorted, 32-bit indices."""
    tree, n = cKDTree(points.sites), len(points.sites)
    counts, columns = [], []
    for start in range(0, len(points.demand), CHUNK):
        part = points.demand[start : start + CHUNK]
        pairs = cKDTree(part).sparse_distance_matrix(tree, radius_m, output_type="ndarray")
        keys = np.sort(pairs["i"] * n + pairs["j"])
        counts.append(np.bincount(keys // n, minlength=len(part)))
        columns.append((keys % n).astype(np.int32))
    indices = np.concatenate(columns)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int32)
    shape = len(points.demand), n
    return sp.csr_array((np.ones(len(indices), bool), indices, indptr), shape)


def roads(sites: int, demand: int, seed: int) -> tuple[Floats, Floats]:
    """Metres along roads from every demand point to every site (demand × sites), and weights.

    Junctions lie around the centres of a `city`; roads are edges of their Delaunay triangulation
    that keep them connected. Lengths and distances are whole metres.
    """
    rng = np.random.default_rng(seed)
    drawn = city(sites, round(NODES_PER_DEMAND * demand), seed)
    xy = np.concatenate([drawn.sites, drawn.demand])
    triangles = Delaunay(xy).simplices
    pairs = np.sort(triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    u, v = np.unique(pairs, axis=0).T
    line = np.linalg.norm(xy[u] - xy[v], axis=1)
    metres = np.ceil(line * rng.uniform(*DETOUR, len(u))) + 1
    shape = len(xy), len(xy)
    spine = minimum_spanning_tree(sp.csr_matrix((metres, (u, v)), shape)).tocoo()
    built = (rng.random(len(u)) < BUILT) | np.isin(u * len(xy) + v, spine.row * len(xy) + spine.col)
    graph = sp.csr_matrix((metres[built], (u[built], v[built])), shape)
    home = sites + rng.choice(len(drawn.demand), demand, replace=False)
    distance = dijkstra(graph, directed=False, indices=np.arange(sites))[:, home].T
    return np.ascontiguousarray(distance), _weight(rng, demand)


@dataclass(frozen=True, eq=False)
class Question:
    """A made question: ``data`` is what is covered (CSR, bool) or the distances (dense)."""

    data: Any
    weight: Floats

    @property
    def pairs(self) -> int:
        """How many pairs of demand and site there are to look at."""
        return int(self.data.nnz if sp.issparse(self.data) else self.data.size)


def make(kind: str, sites: int, demand: int, width_m: float, seed: int, whole: bool) -> Question:
    """The question of a kind: ``U`` uniform, ``C`` city, ``road``.

    ``whole`` leaves out the demand that no site covers (LSCP).
    """
    if kind == "road":
        return Question(*roads(sites, demand, seed))
    points = uniform(sites, demand, width_m, seed) if kind == "U" else city(sites, demand, seed)
    matrix, weight = covers(points), points.weight
    if whole:
        reached = np.diff(matrix.indptr) > 0
        matrix, weight = sp.csr_array(matrix[reached]), weight[reached]
    return Question(matrix, weight)


def keep(path: str, *what: Any) -> dict[str, Any]:
    """Write the question that `make` makes into a file, unless it is there; a worker's task."""
    if Path(path).exists():
        return {}
    question = make(*what)
    data = question.data
    arrays = (
        {"indptr": data.indptr, "indices": data.indices, "shape": np.array(data.shape)}
        if sp.issparse(data)
        else {"distance": data}
    )
    part = Path(path).with_name(f"part-{Path(path).name}")
    np.savez(part, weight=question.weight, **arrays)
    part.replace(path)
    return {}


def load(path: str) -> Question:
    """The question out of its file."""
    with np.load(path) as stored:
        if "distance" in stored:
            return Question(stored["distance"], stored["weight"])
        indices = stored["indices"]
        parts = np.ones(len(indices), bool), indices, stored["indptr"]
        return Question(sp.csr_array(parts, tuple(stored["shape"])), stored["weight"])
