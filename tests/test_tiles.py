"""Travel times against scipy's Dijkstra over spatial tiles: another judge, on bigger cities.

Every tile searches the part of the city around it alone, as wide as the cutoff. The plane's scale
may differ from 1, so a tile looks 1 % farther.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from grids import grid
from servicecircle.reach import travel_times
from servicecircle.snapping import Snapped
from servicecircle.streets.osm_file import read_osm

METRES_PER_MINUTE = 4000 / 60


def on_junctions(network, junctions) -> Snapped:
    """Feet that stand on junctions, with no leg beside the streets."""
    edge = np.full(network.n_junctions, -1)
    offset = np.zeros(network.n_junctions)
    edge[network.edge_u] = np.arange(network.n_edges)
    rest = np.flatnonzero(edge[network.edge_v] < 0)
    edge[network.edge_v[rest]] = rest
    offset[network.edge_v[rest]] = network.edge_length[rest]
    at = offset[junctions]
    return Snapped(
        edge=edge[junctions], offset=at, forward=at, backward=at, gap=np.zeros(len(junctions)),
        lng=network.junction_lng[junctions], lat=network.junction_lat[junctions],
        way=np.zeros(len(junctions), int), segment=np.zeros(len(junctions), int),
    )  # fmt: skip


def by_tiles(network, sites, metres, tiles=4):
    """{(junction, site): metres} of all walks to ``sites`` (junctions), tile by tile."""
    x, y = network.plane.transform(network.junction_lng, network.junction_lat)
    forward, backward = network.edge_forward, network.edge_backward
    tail = np.concatenate([network.edge_u[forward], network.edge_v[backward]])
    head = np.concatenate([network.edge_v[forward], network.edge_u[backward]])
    length = np.concatenate([network.edge_length[forward], network.edge_length[backward]])
    order = np.lexsort([-length, head, tail])  # of parallel edges, the shortest comes last
    tail, head, length = tail[order], head[order], length[order]
    last = np.append((np.diff(tail) != 0) | (np.diff(head) != 0), True)
    found = {}
    for i in range(tiles):
        for j in range(tiles):
            (west, east), (south, north) = (
                np.quantile(v, [k / tiles, (k + 1) / tiles]) for v, k in ((x, i), (y, j))
            )
            sx, sy = x[sites], y[sites]
            mine = sites[(sx >= west) & (sx <= east) & (sy >= south) & (sy <= north)]
            halo = 1.01 * metres
            inside = (x >= west - halo) & (x <= east + halo)
            inside &= (y >= south - halo) & (y <= north + halo)
            if not len(mine):
                continue
            number = np.cumsum(inside) - 1
            keep = last & inside[tail] & inside[head]
            # walks go to the site: search the reversed graph from it
            graph = coo_matrix(
                (length[keep], (number[head[keep]], number[tail[keep]])),
                shape=(inside.sum(), inside.sum()),
            ).tocsr()
            distance = dijkstra(graph, indices=number[mine], limit=metres)
            row, column = np.nonzero(distance <= metres)
            junction = np.flatnonzero(inside)[column]
            for site, at, m in zip(mine[row], junction, distance[row, column], strict=True):
                found[int(at), int(site)] = m
    return found


@pytest.mark.parametrize("city", ["grid", "one-way grid", "porto"])
def test_all_pairs_as_scipy_has_them(city, request):
    if city == "porto":
        network = read_osm(request.getfixturevalue("porto"))
        sites = np.random.default_rng(1).choice(network.n_junctions, 150, replace=False)
    else:
        network = grid(120, one_way=0.3 if "way" in city else 0.0, seed=3)
        sites = np.arange(0, network.n_junctions, 101)
    sites = np.sort(sites)
    wanted = by_tiles(network, sites, 30 * METRES_PER_MINUTE)
    every = np.arange(network.n_junctions)
    times = travel_times(network, on_junctions(network, every), on_junctions(network, sites))
    found = {
        (int(j), int(sites[s])): m * METRES_PER_MINUTE
        for j, s, m in zip(times.rows, times.indices, times.minutes, strict=True)
    }
    apart = wanted.keys() ^ found.keys()
    limit = 30 * METRES_PER_MINUTE
    assert all(abs((wanted.get(p) or found.get(p)) - limit) < 1e-3 for p in apart)
    both = sorted(wanted.keys() & found.keys())
    assert len(both) > 50_000
    assert max(abs(wanted[p] - found[p]) for p in both) < 1e-6
