"""Made cities: perturbed street grids as OSM files, with demand and candidates; seeded.

Runs in workers only (numpy, osmium). The same arguments always make the same city.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

CENTRE = (114.0, 30.5)  # lng, lat
SPACING_M = 80.0
MISSING = 0.1  # share of links that are not built
WANDER = 0.15  # how far a junction strays from the grid, in spacings (standard deviation)
BEND_M = 4.0  # how far a bend strays from its link (standard deviation)
LINKS_PER_WAY = 10
CANDIDATES_PER_NODE = 3_000 / 490_000
DEMAND_PER_NODE = 200_000 / 490_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StreetGrid:
    """Nodes (WGS-84 degrees; node i has OSM id i + 1) and ways as runs of node positions."""

    lng: Floats
    lat: Floats
    ways: list[NDArray[np.int64]]
    metres: float  # length of a side


def street_grid(n_nodes: int, *, bends: float = 0.0, seed: int = 0) -> StreetGrid:
    """A square grid of about ``n_nodes`` nodes, ``bends`` of them on each link on average."""
    rng = np.random.default_rng(seed)
    side = round(np.sqrt(n_nodes / (1 + 2 * (1 - MISSING) * bends)))
    at = np.arange(side) * SPACING_M
    x, y = (
        grid.ravel() + rng.normal(0, WANDER * SPACING_M, side**2) for grid in np.meshgrid(at, at)
    )
    number = np.arange(side**2).reshape(side, side)
    lines = [number, number.T]  # streets from west to east, and from south to north
    a = np.concatenate([line[:, :-1].ravel() for line in lines])
    b = np.concatenate([line[:, 1:].ravel() for line in lines])
    built = rng.random(len(a)) >= MISSING
    count = np.where(built, rng.poisson(bends, len(a)), 0)
    link = np.repeat(np.arange(len(a)), count)
    first = np.concatenate([[0], np.cumsum(count)])
    t = (np.arange(len(link)) - first[link] + 1) / (count[link] + 1)
    bend_x = x[a[link]] + t * (x[b[link]] - x[a[link]]) + rng.normal(0, BEND_M, len(link))
    bend_y = y[a[link]] + t * (y[b[link]] - y[a[link]]) + rng.normal(0, BEND_M, len(link))
    lng, lat = to_degrees(np.append(x, bend_x), np.append(y, bend_y))
    ways = _ways(a, b, built, side**2 + first, side - 1)
    return StreetGrid(lng, lat, ways, float(at[-1]))


def _ways(
    a: NDArray, b: NDArray, built: NDArray, first_bend: NDArray, links_per_line: int
) -> list[NDArray[np.int64]]:
    """Links strung together along their line, broken where one is missing and at a length."""
    ways: list[NDArray[np.int64]] = []
    run: list[NDArray[np.int64]] = []
    length = 0
    for link in range(len(a) + 1):
        ends = link == len(a) or link % links_per_line == 0 or not built[link]
        if run and (ends or length == LINKS_PER_WAY):
            ways.append(np.concatenate(run))
            run, length = [], 0
        if link < len(a) and built[link]:
            bends = np.arange(first_bend[link], first_bend[link + 1])
            run += (
                [bends, b[link : link + 1]]
                if run
                else [a[link : link + 1], bends, b[link : link + 1]]
            )
            length += 1
    return ways


def to_degrees(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Metres east and north of the centre to lng, lat."""
    lng, lat = CENTRE
    plane = Transformer.from_crs(
        f"+proj=tmerc +lat_0={lat} +lon_0={lng} +ellps=WGS84 +units=m", "EPSG:4326", always_xy=True
    )
    east, north = plane.transform(x, y)
    return np.asarray(east), np.asarray(north)


def write_grid(path: Path, grid: StreetGrid) -> None:
    """The grid as an OSM file; every street is residential. Written beside and renamed."""
    import osmium  # noqa: PLC0415 (tests of the generator need no writer)
    from osmium.osm.mutable import Node, Way  # noqa: PLC0415

    part = path.with_name(f"part-{path.name}")
    with osmium.SimpleWriter(str(part), overwrite=True) as writer:
        for i, place in enumerate(zip(grid.lng.tolist(), grid.lat.tolist(), strict=True), 1):
            writer.add_node(Node(id=i, location=place, version=1))
        for i, way in enumerate(grid.ways, 1):
            refs = (way + 1).tolist()
            tags = {"highway": "residential"}
            writer.add_way(Way(id=i, nodes=refs, tags=tags, version=1))
    part.replace(path)


def make_grid(path: str, n_nodes: int, bends: float) -> dict[str, Any]:
    """Write a street grid unless it is there; a worker's task."""
    if not Path(path).exists():
        write_grid(Path(path), street_grid(n_nodes, bends=bends))
    return {}


def make_points(path: str, n_nodes: int, bends: float) -> dict[str, Any]:
    """Write demand and candidates (`points`) of the grid of the same size; a worker's task."""
    grid = street_grid(n_nodes, bends=bends)
    drawn = points(grid, round(n_nodes * DEMAND_PER_NODE), round(n_nodes * CANDIDATES_PER_NODE))
    np.savez(path, **drawn)
    return {"nodes": len(grid.lng)}


def points(grid: StreetGrid, n_demand: int, n_sites: int, seed: int = 1) -> dict[str, Floats]:
    """``demand`` and ``sites``: (n, 2) arrays of lng, lat, spread evenly over the city."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, n in (("demand", n_demand), ("sites", n_sites)):
        lng, lat = to_degrees(*rng.uniform(0, grid.metres, (2, n)))
        drawn[name] = np.column_stack([lng, lat])
    return drawn
