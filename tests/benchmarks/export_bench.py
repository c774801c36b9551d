"""Datums against the scalar packages; tiles of 300 stations' circles: a second, size, memory.

    uv run python tests/benchmarks/export_bench.py [--quick] [--rounds N] [--write]

``--write`` puts the results between the markers of README.md. The tiles' layer is real: the
dissolved service circles of 300 stations (5, 10 and 15 minutes; stations at seeded junctions of the
streets) in the middle of Porto. Two zooms, @2x and the default ranges are written by a fresh
process each, with two threads, from shapes to the finished folder. *Rim* tiles have a border in
them, *full* ones lie within one band; empty ones are never made. Wall time is told beside CPU time,
for others may use the machine. Folders are kept until the end: ext4 is slow to make files where
many have just been removed, and that is not what is measured. Set ``SERVICECIRCLE_BENCHMARKS``
where the system's temporary folder is crowded, for the same reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' folder

from benchmarks.common import (
    ROOT,
    BenchmarkError,
    CaseResult,
    Row,
    fresh_folder,
    in_turn,
    made_file,
    measure,
    memory_words,
    shared_file,
    show,
)
from benchmarks.readme import EXPORT

STATIONS, SIDE_KM = 300, 20.0
MINUTES = (15, 10, 5)
COLOURS = {15: (170, 220, 190), 10: (90, 190, 140), 5: (20, 130, 90)}
GOAL_PER_S, GOAL_KB, GOAL_POINTS = 1000.0, 2.5, 1e6
POINTS = 200_000
IMPORTS = ("servicecircle.export.tiles.pyramid",)
#: words, grid, zooms (None: by default), scale
CASES: dict[str, tuple[str, tuple[int, int] | None, int]] = {
    "z16": ("gcj02", (16, 16), 1),
    "z18": ("gcj02", (18, 18), 1),
    "z16 @2x": ("gcj02", (16, 16), 2),
    "all zooms": ("gcj02", None, 1),
    "all zooms, Baidu": ("bd09", None, 1),
}


def main(arguments: list[str] | None = None) -> None:
    """Measure every case; exit with 1 when one cannot be measured."""
    parser = argparse.ArgumentParser(description="Benchmark of the map tiles.")
    parser.add_argument("--quick", action="store_true", help="a tenth of the stations, once")
    parser.add_argument("--rounds", type=int, default=3, help="runs of every case (medians)")
    parser.add_argument("--write", action="store_true", help="write the results into README.md")
    asked = parser.parse_args(arguments)
    stations = STATIONS // 10 if asked.quick else STATIONS
    start = time.perf_counter()
    try:
        path = made_file(f"tile-layer-{stations}.npz", "export_bench.py")
        if not path.exists():
            measure("export_bench:keep_layer", path, stations)
        with fresh_folder() as folder:
            measure("export_bench:run", path, folder, "gcj02", (14, 14), 1)  # compiles, if need be
            cases = {
                name: partial(measure, "export_bench:run", path, folder, *what, imports=IMPORTS)
                for name, what in CASES.items()
            }
            found = in_turn(cases, 1 if asked.quick else asked.rounds)
        rows = [_row(name, answer, stations) for name, answer in found.items()]
        result = CaseResult("export", [*_datum_rows(measure("export_bench:datums")), *rows])
        show(result, time.perf_counter() - start)
        if asked.write:
            EXPORT.write(ROOT / "README.md", [result])
    except BenchmarkError as error:
        sys.exit(f"stopped: {error}")


def _datum_rows(answer: Mapping[str, Any]) -> list[Row]:
    """Points a second, and the ratio to each scalar package in the same run."""
    rows = []
    for name, took in answer["seconds"].items():
        per_s = answer["points"] / took["ours"]
        ratios = {peer: s / took["ours"] for peer, s in took.items() if peer != "ours"}
        rows.append(
            Row(
                what=f"datums, {name}",
                goal=f"≥ {GOAL_POINTS:,.0f}/s",
                reached=f"{per_s / 1e6:.1f} million/s",
                met=per_s >= GOAL_POINTS,
                ours=f"{took['ours']:.3f} s",
                peer="; ".join(f"{peer} {ratio:.1f}×" for peer, ratio in ratios.items()),
                sizes=f"{answer['points']:,} points, one thread",
            )
        )
    return rows


def _row(name: str, answer: Mapping[str, Any], stations: int) -> Row:
    per_s = answer["tiles"] / answer["seconds"]
    kb = answer["bytes"] / answer["tiles"] / 1000
    goal = name in {"z16", "z18"} and stations == STATIONS
    return Row(
        what=f"tiles, {name}",
        goal=f"≥ {GOAL_PER_S:,.0f}/s, ≤ {GOAL_KB} kB" if goal else "",
        reached=f"{per_s:,.0f}/s, {kb:.2f} kB",
        met=per_s >= GOAL_PER_S and kb <= GOAL_KB if goal else None,
        ours=(
            f"{answer['seconds']:.2f} s wall, {answer['cpu']:.2f} s CPU; shapes alone "
            f"{answer['outlines']:.2f} s; counting rim tiles only "
            f"{answer['rims'] / answer['seconds']:,.0f}/s, "
            f"{answer['rim_bytes'] / max(1, answer['rims']) / 1000:.2f} kB"
        ),
        peer="",
        sizes=(
            f"{memory_words(answer)}; {stations} stations, {answer['vertices']:,.0f} vertices; "
            f"{answer['rims']:,.0f} rim "
            f"tiles, {answer['tiles'] - answer['rims']:,.0f} full ones"
        ),
    )


# --- in fresh processes ---------------------------------------------------------------------------


def datums() -> dict[str, Any]:
    """Seconds (medians of three) for the same points, by us and by the scalar packages."""
    import eviltransform  # noqa: PLC0415
    import numpy as np  # noqa: PLC0415
    from coord_convert import transform  # noqa: PLC0415

    from servicecircle import coordinates as c  # noqa: PLC0415

    rng = np.random.default_rng(0)
    lng, lat = rng.uniform(100, 120, POINTS), rng.uniform(25, 40, POINTS)
    points = list(zip(lng.tolist(), lat.tolist(), strict=True))

    def median(work: Callable[[], object]) -> float:
        seconds = []
        for _ in range(3):
            start = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - start)
        return sorted(seconds)[1]

    cases = {
        "WGS-84 → GCJ-02": (c.wgs84_to_gcj02, transform.wgs2gcj, eviltransform.wgs2gcj),
        "WGS-84 → BD-09": (c.wgs84_to_bd09, transform.wgs2bd, eviltransform.wgs2bd),
    }
    return {
        "points": POINTS,
        "seconds": {
            name: {
                "ours": median(lambda f=ours: f(lng, lat)),
                "coord-convert": median(lambda f=first: [f(x, y) for x, y in points]),
                "eviltransform": median(lambda f=second: [f(y, x) for x, y in points]),
            }
            for name, (ours, first, second) in cases.items()
        },
    }


def keep_layer(path: str, stations: int) -> dict[str, Any]:
    """Draw the circles of stations at seeded junctions of Porto's middle, and keep them."""
    import numpy as np  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    from servicecircle import Streets, snap  # noqa: PLC0415
    from servicecircle.circles.isochrones import service_circles  # noqa: PLC0415
    from servicecircle.streets.osm_file import read_osm  # noqa: PLC0415

    network = read_osm(shared_file("data/porto.osm.pbf"))
    lng, lat = network.junction_lng, network.junction_lat
    middle = np.median(lng), np.median(lat)
    half = SIDE_KM / 2 * (stations / STATIONS) ** 0.5 / 111.32
    inside = np.abs(lat - middle[1]) <= half
    inside &= np.abs(lng - middle[0]) <= half / np.cos(np.radians(middle[1]))
    places = np.random.default_rng(6).choice(np.flatnonzero(inside), stations, replace=False)
    streets = Streets(network)
    circles = service_circles(network, streets, snap(streets, lng[places], lat[places]), MINUTES)
    shapes = dict(zip(circles["minutes"], circles.geometry, strict=True))
    np.savez(
        path, **{f"{m:g}": np.frombuffer(shapely.to_wkb(s), np.uint8) for m, s in shapes.items()}
    )
    return {}


def run(
    path: str, folder: str, grid: str, zooms: tuple[int, int] | None, scale: int
) -> dict[str, Any]:
    """Write the layer's tiles with two threads: seconds, CPU seconds, tiles, bytes."""
    import numpy as np  # noqa: PLC0415
    import shapely  # noqa: PLC0415

    from servicecircle.export.tiles.grids import GRIDS  # noqa: PLC0415
    from servicecircle.export.tiles.journal import tiles_in  # noqa: PLC0415
    from servicecircle.export.tiles.outlines import Band, outlines_of  # noqa: PLC0415
    from servicecircle.export.tiles.painting import Painter  # noqa: PLC0415
    from servicecircle.export.tiles.pyramid import Metadata, write_tiles  # noqa: PLC0415

    with np.load(path) as kept:
        shapes = {minutes: shapely.from_wkb(kept[str(minutes)].tobytes()) for minutes in MINUTES}
    bands = [Band(shapes[m], COLOURS[m], 0.6, f"{m} min", m) for m in MINUTES]
    target, said = Path(tempfile.mkdtemp(dir=folder)), Metadata("made", "nobody")
    kernels = [Band(shapely.Point(0, 0).buffer(0.001), (0, 0, 0), 1.0, "loads the kernels")]
    write_tiles(kernels, target / "small", GRIDS[grid], shifted=True, metadata=said, zooms=(12, 14))
    start = time.perf_counter()
    outlines_of(bands, GRIDS[grid], shifted=True)
    outlines = time.perf_counter() - start
    cpu, start = time.process_time(), time.perf_counter()
    written = write_tiles(
        bands, target / "tiles", GRIDS[grid], shifted=True, metadata=said,
        zooms=tuple(zooms) if zooms else None, scale=scale,
    )  # fmt: skip
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    painter = Painter(bands, 256 * scale)
    one_colour = {painter.solid(k) for k in range(len(bands))}
    tiles = [Path(tile).read_bytes() for _, _, _, tile in tiles_in(target / "tiles")]
    rims = [len(tile) for tile in tiles if tile not in one_colour]
    return {
        "seconds": seconds, "cpu": cpu, "outlines": outlines, "tiles": written.tiles,
        "bytes": written.size_bytes, "rims": len(rims), "rim_bytes": sum(rims),
        "vertices": int(sum(shapely.get_num_coordinates(s) for s in shapes.values())),
    }  # fmt: skip


if __name__ == "__main__":
    main()
