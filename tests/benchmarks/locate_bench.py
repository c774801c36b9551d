"""The optimizer against spopt with CBC and HiGHS: measures, checks, writes the README's table.

    uv run --group benchmarks python tests/benchmarks/locate_bench.py [--only NAME] [--quick]
                                                                      [--write]

Names: see `locate_table.ASKED`. Run it on a quiet machine; all together take about half an hour on
two cores. Each question is answered in fresh processes, in turn with the peers, three times where
a run takes less than half a minute; plans are recounted and bounds recomputed with numpy. Each
keeps its result in the work folder, so that ``--only`` measures one anew and ``--write`` puts the
newest results between the markers of README.md. Contenders whose answers contradict each other
stop the run. ``--quick`` asks tenths of the questions once, and keeps and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' folder

from benchmarks.common import (
    ROOT,
    ROUNDS,
    BenchmarkError,
    CaseResult,
    OverTimeError,
    fresh_folder,
    in_turn,
    load_result,
    made_file,
    measure,
    show,
    work_folder,
)
from benchmarks.locate_table import ASKED, LOADED, OURS, PEERS, TITLES, Asked, lines, rows
from benchmarks.readme import LOCATE

ONCE_ABOVE_S = 30.0
STUCK_S = 90.0  # imports, matrices, and what a solver may take beyond its limit
TOLERANCE = 1e-6  # between two answers that are both called optimal
IMPORTS = ("scipy.sparse", "servicecircle.locate.models")
PEER_IMPORTS = (*IMPORTS, "spopt.locate", "pulp", "highspy")


def main(arguments: list[str] | None = None) -> None:
    """Answer the questions asked for; exit with 1 when one cannot be measured."""
    parser = argparse.ArgumentParser(description="Benchmarks of the optimizer against spopt.")
    parser.add_argument("--only", choices=ASKED, action="append", help="this one (repeatable)")
    parser.add_argument("--quick", action="store_true", help="tenths of the questions, once")
    parser.add_argument("--write", action="store_true", help="write the results into README.md")
    asked = parser.parse_args(arguments)
    if asked.quick and asked.write:
        parser.error("--quick measures nothing that may be written")
    try:
        for name in asked.only or ASKED:
            _run(ASKED[name], asked.quick)
        if asked.write:
            draw(work_folder() / LOCATE.picture.name, list(ASKED.values()))
            LOCATE.write(ROOT / "README.md", [load_result(name) for name in ASKED])
    except BenchmarkError as error:
        sys.exit(f"stopped: {error}")


def _run(asked: Asked, quick: bool) -> None:
    start = time.perf_counter()
    asked = asked.smaller() if quick else asked
    path = question_file(asked)
    measure("locate_ours:warm_up", asked.model)  # compiles what is not compiled yet
    found = in_turn(contenders(asked, path), 1 if quick else ROUNDS, once_above_s=ONCE_ABOVE_S)
    compare(asked, found)
    result = CaseResult(asked.name, rows(asked, found), lines(asked, found))
    show(result, time.perf_counter() - start)
    if not quick:
        trace_file(asked).write_text(json.dumps(found[OURS]["trace"]), encoding="utf-8")
        result.save()


def question_file(asked: Asked) -> Path:
    """The made question, out of the work folder or made now."""
    what = "-".join(map(str, asked.made_of))
    path = made_file(f"question-{what}.npz", "instances.py")
    measure("instances:keep", path, *asked.made_of)
    return path


def contenders(asked: Asked, path: Path) -> dict[str, Callable[[], dict[str, Any]]]:
    """Ours, the same with its code loaded where start-up weighs, and the peers."""
    called = {OURS: _ours(asked, path, False)}
    if asked.loaded:
        called[LOADED] = _ours(asked, path, True)
    if asked.peer_limit_s is not None:
        building: list[str] = []  # solvers have nothing to do where the model never gets built
        called |= {name: _peer(asked, path, name, building) for name in PEERS}
    return called


def _ours(asked: Asked, path: Path, loaded: bool) -> Callable[[], dict[str, Any]]:
    what = path, asked.model, asked.p, asked.limit_s, loaded
    return lambda: measure("locate_ours:run", *what, imports=IMPORTS)


def _peer(
    asked: Asked, path: Path, solver: str, building: list[str]
) -> Callable[[], dict[str, Any]]:
    limit_s = asked.peer_limit_s or 0.0
    what = path, asked.model, asked.p, solver, limit_s

    def call() -> dict[str, Any]:
        if building:
            return {"seconds": limit_s, "stage": "building"}
        with fresh_folder() as folder:  # for the files of solvers that get stuck
            settings = {"imports": PEER_IMPORTS, "env": {"TMPDIR": str(folder)}}
            try:
                answer = measure("locate_peers:run", *what, limit_s=limit_s + STUCK_S, **settings)
            except OverTimeError:
                return {"seconds": limit_s + STUCK_S, "stage": "over"}
        if answer["stage"] == "building":
            building.append(solver)
        return answer

    return call


def compare(asked: Asked, found: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise `BenchmarkError` where a peer's recounted plan contradicts ours, or our bound."""
    ours = found[OURS]["answer"]
    most = asked.model == "mclp"
    slack = TOLERANCE * max(1.0, abs(ours["objective"]))
    for name in PEERS:
        peer = found.get(name, {})
        if "objective" not in peer:
            continue
        better = (peer["objective"] - ours["objective"]) * (1 if most else -1)
        beyond = (peer["objective"] - ours["bound"]) * (1 if most else -1)
        if beyond > slack:
            raise BenchmarkError(f"{asked.words}: {name} passes our bound by {beyond:g}")
        if peer["stage"] == "proven" and better < -slack:
            raise BenchmarkError(f"{asked.words}: {name}'s proven optimum is beaten by {-better:g}")


# --- the picture ----------------------------------------------------------------------------------


def trace_file(asked: Asked) -> Path:
    """Where the newest trace of a question is kept."""
    return work_folder() / f"trace-{asked.name}.json"


def draw(path: Path, several: list[Asked]) -> None:
    """The gap over the seconds of the newest runs. Raises `BenchmarkError` where one is absent."""
    panels: dict[str, dict[str, list[list[float]]]] = {}
    for asked in several:
        load_result(asked.name)
        trace = json.loads(trace_file(asked).read_text(encoding="utf-8"))
        family = TITLES[asked.model] if asked.kind != "road" else "p-median, p-center"
        short = asked.words if asked.kind == "road" else asked.words.split(" ", 1)[1]
        line = [[t, gap] for t, _, _, gap in trace if math.isfinite(gap)]
        panels.setdefault(family, {})[short] = line
    measure("locate_picture:draw", panels, path)


if __name__ == "__main__":
    main()
