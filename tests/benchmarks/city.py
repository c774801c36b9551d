"""Case 5: the whole reach of a made city of 490,000 nodes; the second plan out of the cache.

Twice as Python calls (read, index, snap, times), for time and memory: a city with the usual mix of
junctions and bends, and a harder one whose nodes are nearly all junctions. Then as the command
`servicecircle plan` with tables, for the city as planners would do it, first without a cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.common import (
    SPEED_KMH,
    BenchmarkError,
    CaseResult,
    Row,
    environment,
    fresh_folder,
    in_turn,
    made_file,
    measure,
    medians,
    shares,
    stopwatch,
)

NODES = 490_000
MINUTES = 30.0
SECONDS, MEMORY_MB, SECOND_PLAN = 10.0, 1024.0, 3.0
ROUNDS = 3
REACH_STEPS = ("network", "snap", "reach")
OURS = ("servicecircle.streets.network", "servicecircle.snapping", "servicecircle.reach", "osmium")
TYPICAL, DENSE = "typical", "all junctions"
BENDS = {TYPICAL: 2.7, DENSE: 0.0}  # per link: Porto's network has 2.74
_COMMAND = "from servicecircle.cli import main; main()"


def run() -> CaseResult:
    """The Python calls on both cities, cold once; then the command, with and without a cache."""
    cities = {name: city_files(NODES, bends) for name, bends in BENDS.items()}
    checked = {name: measure("city:check", osm)["checked"] for name, (osm, _) in cities.items()}
    found = in_turn(
        {name: lambda f=files: measure("city:reach", *f, imports=OURS)
         for name, files in cities.items()}
    )  # fmt: skip
    with fresh_folder() as empty:
        cold = measure(
            "city:reach", *cities[TYPICAL], imports=OURS, env={"NUMBA_CACHE_DIR": str(empty)}
        )
    plans = _plans(*cities[TYPICAL])
    rows = [row for name in cities for row in _reach_rows(name, found[name])]
    lines = [f"{name} city: {shares(found[name]['steps'])}; {checked[name]}." for name in cities]
    lines.append(
        f"{TYPICAL} city with nothing compiled yet: {cold['seconds']:.1f} s, peak "
        f"{cold['peak_mb']:,.0f} MB; {shares(cold['steps'])}."
    )
    return CaseResult("city", rows + _plan_rows(plans), lines + _plan_lines(plans))


def city_files(n_nodes: int, bends: float) -> tuple[Path, Path]:
    """The OSM file, and the points' file, of a made city; made unless they are there."""
    name = f"city-{n_nodes}-{bends:g}"
    osm, points = made_file(f"{name}.osm.pbf"), made_file(f"{name}.npz")
    if not (osm.exists() and points.exists()):
        measure("cities:make_grid", osm, n_nodes, bends)
        measure("cities:make_points", points, n_nodes, bends)
    return osm, points


def _reach_rows(name: str, found: dict[str, Any]) -> list[Row]:
    what = f"city of {NODES:,} nodes ({name}), {MINUTES:g} min: read, snap, times"
    seconds, peak = found["seconds"], found["peak_mb"]
    sizes = found["sizes"]
    return [
        Row(f"{what}: time", f"≤ {SECONDS:g} s", f"{seconds:.1f} s", seconds <= SECONDS,
            f"{seconds:.2f} s", "", sizes),
        Row(f"{what}: peak memory", f"≤ {MEMORY_MB:,.0f} MB", f"{peak:,.0f} MB",
            peak <= MEMORY_MB, f"of it imports {found['baseline_mb']:,.0f} MB", "", sizes),
    ]  # fmt: skip


# --- the command ----------------------------------------------------------------------------------


def _plans(osm: Path, points: Path) -> dict[str, dict[str, Any]]:
    """Medians of the first and of the second plan, each round with a cache of its own."""
    answers: dict[str, list[dict[str, Any]]] = {"first": [], "second": []}
    with fresh_folder() as tables:
        measure("city:write_tables", points, tables)
        for _ in range(ROUNDS):
            with fresh_folder() as folder:
                for name, runs in answers.items():
                    runs.append(_plan(osm, tables, folder / name, folder / "cache"))
                measure("city:same_matrix", folder / "first", folder / "second")
    return {name: medians(runs) for name, runs in answers.items()}


def _plan(osm: Path, tables: Path, out: Path, cache: Path) -> dict[str, Any]:
    """`servicecircle plan`: its own seconds by step, whole time, peak memory."""
    arguments = [
        "plan", "--osm", osm, "--demand", tables / "demand.csv", "--candidates",
        tables / "candidates.csv", "--new-sites", 20, "--minutes", 15, "--time-limit", 2,
        "--out", out,
    ]  # fmt: skip
    command = [sys.executable, "-c", _COMMAND, *map(str, arguments)]
    log = out.with_suffix(".log")
    start = time.perf_counter()
    with log.open("w", encoding="utf-8") as said:
        env = environment({"SERVICECIRCLE_CACHE": str(cache)})
        child = subprocess.Popen(command, env=env, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    if child.returncode:
        raise BenchmarkError(f"servicecircle plan failed:\n{log.read_text(encoding='utf-8')}")
    steps = json.loads((out / "plan.json").read_text(encoding="utf-8"))["seconds"]
    return {
        "whole": time.perf_counter() - start,
        "steps": steps,
        "reach": sum(steps[step] for step in REACH_STEPS),
        "peak_mb": usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2),
    }


def _plan_rows(plans: dict[str, dict[str, Any]]) -> list[Row]:
    first, second = plans["first"], plans["second"]
    faster = first["reach"] / second["reach"]
    what = "`servicecircle plan` of that city"
    return [
        Row(f"{what}: second plan (cache) against the first, {' + '.join(REACH_STEPS)}",
            f"≤ 1/{SECOND_PLAN:g}", f"1/{faster:.1f}", faster >= SECOND_PLAN,
            f"{second['reach']:.2f} s", f"first: {first['reach']:.2f} s", "the same matrix"),
        Row(f"{what}: peak memory of the whole command", "", f"{first['peak_mb']:,.0f} MB", None,
            f"second: {second['peak_mb']:,.0f} MB", "", "with tables, solver and map"),
    ]  # fmt: skip


def _plan_lines(plans: dict[str, dict[str, Any]]) -> list[str]:
    return [
        f"`servicecircle plan`, {name}: {plan['whole']:.1f} s in all; {shares(plan['steps'])}."
        for name, plan in plans.items()
    ]


# --- in workers -----------------------------------------------------------------------------------


def reach(osm: str, points: str) -> dict[str, Any]:
    """Read, index, snap and walk a whole city, without any cache; seconds by step."""
    import numpy as np  # noqa: PLC0415

    from servicecircle import Streets, read_osm, snap, travel_times  # noqa: PLC0415

    with np.load(points) as drawn:
        demand, sites = drawn["demand"], drawn["sites"]
    steps: dict[str, float] = {}
    with stopwatch(steps, "read"):
        network = read_osm(osm)
    with stopwatch(steps, "index streets"):
        streets = Streets(network)
    with stopwatch(steps, "snap"):
        demand_feet, site_feet = snap(streets, *demand.T), snap(streets, *sites.T)
    with stopwatch(steps, "times"):
        times = travel_times(network, demand_feet, site_feet, speed_kmh=SPEED_KMH, cutoff=MINUTES)
    return {
        "steps": steps,
        "seconds": sum(steps.values()),
        "sizes": f"{network.n_junctions:,} junctions, {len(sites):,} candidates, "
        f"{len(demand):,} demand points, {len(times.minutes):,} pairs",
    }


def check(osm: str) -> dict[str, Any]:
    """The city's distances between junctions against networkx, from some sources."""
    from benchmarks.graphs import digraph  # noqa: PLC0415
    from benchmarks.searching import Contest, check_distances  # noqa: PLC0415

    contest = Contest(osm)
    return {"checked": check_distances(contest, digraph(contest.network), None)}


def write_tables(points: str, folder: str) -> None:
    """The points as a planner's tables."""
    import numpy as np  # noqa: PLC0415
    import pandas as pd  # noqa: PLC0415

    drawn = np.load(points)
    demand = pd.DataFrame(drawn["demand"], columns=["lng", "lat"])
    weight = np.random.default_rng(5).integers(1, 100, len(demand))
    demand.insert(0, "demand_id", [f"d{i}" for i in range(len(demand))])
    demand.assign(weight=weight).to_csv(Path(folder) / "demand.csv", index=False)
    sites = pd.DataFrame(drawn["sites"], columns=["lng", "lat"])
    sites.insert(0, "site_id", [f"s{i}" for i in range(len(sites))])
    sites.insert(1, "name", sites["site_id"])
    sites.to_csv(Path(folder) / "candidates.csv", index=False)


def same_matrix(first: str, second: str) -> None:
    """Raise `BenchmarkError` unless both plan folders hold the same travel times."""
    import numpy as np  # noqa: PLC0415

    with (
        np.load(Path(first) / "certificate.npz") as one,
        np.load(Path(second) / "certificate.npz") as other,
    ):
        for name in ("indptr", "indices", "minutes"):
            if not np.array_equal(one[name], other[name]):
                raise BenchmarkError(f"the second plan has other travel times ({name})")
