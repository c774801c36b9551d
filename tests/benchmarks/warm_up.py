"""Compiles our kernels once, so that no measured process waits for the compiler."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.cities import points, street_grid, write_grid


def compile_all() -> dict[str, Any]:
    """Read, snap, walk and draw circles in a tiny city; a worker's task."""
    import numpy as np  # noqa: PLC0415

    from servicecircle import Streets, read_osm, snap, travel_times  # noqa: PLC0415
    from servicecircle.circles.isochrones import station_circles  # noqa: PLC0415

    grid = street_grid(2_000, bends=1.0)
    drawn = points(grid, 500, 20)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tiny.osm.pbf"
        write_grid(path, grid)
        network = read_osm(path)
    streets = Streets(network)
    demand, sites = (snap(streets, *drawn[name].T) for name in ("demand", "sites"))
    times = travel_times(network, demand, sites, cutoff=30.0)
    circles = station_circles(network, streets, sites.take(np.arange(3)), [15.0])
    return {"pairs": len(times.minutes), "circles": len(circles)}
