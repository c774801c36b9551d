"""Reach against public peers: measures, checks the answers first, writes the README's table.

    uv run --group benchmarks python tests/benchmarks/reach_bench.py [--only CASE] [--write]

Cases: reading, searching, circles, city, growth. Run them on a quiet machine; all together take
about half an hour on two cores. Each keeps its result in the work folder (the system's temporary
folder, or SERVICECIRCLE_BENCHMARKS), so that ``--only`` measures one case anew and ``--write`` puts
the newest result of every case between the markers of README.md. Contenders whose answers differ
stop the run. The shared data are expected beside the project, or at SERVICECIRCLE_SHARED.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the tests' folder

from benchmarks import circles, city, growth, reading, searching
from benchmarks.common import ROOT, BenchmarkError, load_result, measure, show
from benchmarks.readme import REACH

CASES = {
    "reading": reading.run,
    "searching": searching.run,
    "circles": circles.run,
    "city": city.run,
    "growth": growth.run,
}


def main(arguments: list[str] | None = None) -> None:
    """Run the cases asked for; exit with 1 when one cannot be measured."""
    parser = argparse.ArgumentParser(description="Benchmarks of reach against public peers.")
    parser.add_argument("--only", choices=CASES, action="append", help="this case (repeatable)")
    parser.add_argument("--write", action="store_true", help="write the results into README.md")
    asked = parser.parse_args(arguments)
    try:
        measure("warm_up:compile_all")
        for name in asked.only or CASES:
            _run(name)
        if asked.write:
            REACH.write(ROOT / "README.md", [load_result(name) for name in CASES])
    except BenchmarkError as error:
        sys.exit(f"stopped: {error}")


def _run(name: str) -> None:
    start = time.perf_counter()
    result = CASES[name]()
    result.save()
    show(result, time.perf_counter() - start)


if __name__ == "__main__":
    main()
