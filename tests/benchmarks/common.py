"""What the cases share: fresh processes, medians in turn, rows of the table, the machine.

The process that reads this file stays small (no numpy here): everything heavy happens in workers.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("SERVICECIRCLE_SHARED", ROOT.parent / "shared"))
PICTURES = ROOT / "data" / "pictures"
PICTURE = PICTURES / "reach_growth.png"
ROUNDS = 3
SPEED_KMH = 4.0
METRES_PER_MINUTE = SPEED_KMH * 1000 / 60


class BenchmarkError(Exception):
    """A benchmark cannot be measured, or its contenders disagree; the run stops."""


class OverTimeError(BenchmarkError):
    """A process was ended because it took longer than it was given."""


@dataclass(frozen=True)
class Row:
    """One line of the table; ``met`` is None where there is no goal."""

    what: str
    goal: str
    reached: str
    met: bool | None
    ours: str
    peer: str
    sizes: str


@dataclass(frozen=True)
class CaseResult:
    """What a case found: rows of the table, and lines that say where the time goes."""

    case: str
    rows: list[Row]
    profile: list[str] = field(default_factory=list)
    date: str = field(default_factory=lambda: time.strftime("%Y-%m-%d"))

    def save(self) -> None:
        """Keep the result beside the others, for a later ``--write``."""
        text = json.dumps({**vars(self), "rows": [vars(row) for row in self.rows]}, indent=1)
        result_file(self.case).write_text(text, encoding="utf-8")


def load_result(case: str) -> CaseResult:
    """The newest saved result of a case. Raises `BenchmarkError` where there is none."""
    path = result_file(case)
    if not path.exists():
        raise BenchmarkError(f"the case {case} has not been measured yet: run it first")
    data = json.loads(path.read_text(encoding="utf-8"))
    return CaseResult(**{**data, "rows": [Row(**row) for row in data["rows"]]})


def result_file(case: str) -> Path:
    """Where the result of a case is kept."""
    return work_folder() / f"result-{case}.json"


def work_folder() -> Path:
    """Made cities, converted files and results; survives from run to run."""
    default = Path(tempfile.gettempdir()) / "servicecircle-benchmarks"
    folder = Path(os.environ.get("SERVICECIRCLE_BENCHMARKS", default))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_file(name: str, maker: str = "cities.py") -> Path:
    """Where a made city or question is kept; the name changes with the code that makes it."""
    code = Path(__file__).with_name(maker).read_bytes()
    return work_folder() / f"{hashlib.sha256(code).hexdigest()[:8]}-{name}"


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """An empty folder, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=work_folder()) as name:
        yield Path(name)


def shared_file(name: str) -> Path:
    """A file of the shared data. Raises `BenchmarkError` where it is absent."""
    path = SHARED / name
    if not path.exists():
        raise BenchmarkError(f"{path} is absent; set SERVICECIRCLE_SHARED to the shared data")
    return path


# --- measuring ------------------------------------------------------------------------------------


def measure(
    function: str,
    *args: Any,
    imports: Sequence[str] = (),
    cores: int | None = None,
    env: Mapping[str, str] | None = None,
    limit_s: float | None = None,
) -> dict[str, Any]:
    """Run ``module:name`` of this folder in a fresh process; its answer, and its memory in MB.

    Raises `BenchmarkError` with the process's last words when it fails, `OverTimeError` when it
    took longer than ``limit_s``; then what it started is ended with it.
    """
    module, name = function.split(":")
    with fresh_folder() as folder:
        answer = folder / "answer.json"
        task = {"module": f"benchmarks.{module}", "function": name, "args": args,
                "imports": list(imports), "cores": cores, "answer": str(answer)}  # fmt: skip
        command = [sys.executable, "-m", "benchmarks.worker", json.dumps(task, default=str)]
        words, code = _finish(command, environment(env), limit_s)
        if code is None:
            raise OverTimeError(f"{function} took longer than {limit_s:g} s")
        if code:
            raise BenchmarkError(f"{function} failed:\n{words[-3000:]}")
        result: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return result


def _finish(
    command: Sequence[str], env: Mapping[str, str], limit_s: float | None
) -> tuple[str, int | None]:
    """The last words and the exit code of a command; no code when its time was up."""
    with subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # solvers start processes of their own
    ) as process:
        try:
            _, words = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return "", None
        finally:
            with suppress(ProcessLookupError):  # nobody of the group is left
                os.killpg(process.pid, signal.SIGKILL)
    return words, process.returncode


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, the tests on the path, and no cache but what ``more`` names."""
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": path, "SERVICECIRCLE_CACHE": "off"}
    return {**os.environ, **own, **(more or {})}


def in_turn(
    contenders: Mapping[str, Callable[[], dict[str, Any]]],
    rounds: int = ROUNDS,
    *,
    once_above_s: float = math.inf,
) -> dict[str, dict[str, Any]]:
    """Each contender once per round, so that a busy minute hits all; medians of every number.

    Whose first run takes longer than ``once_above_s`` runs only once.
    """
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    slow = set()
    for _ in range(rounds):
        for name in [name for name in contenders if name not in slow]:
            start = time.perf_counter()
            runs[name].append(contenders[name]())
            if len(runs[name]) == 1 and time.perf_counter() - start > once_above_s:
                slow.add(name)
    return {name: medians(answers) for name, answers in runs.items()}


def medians(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per key the median of its numbers (also one level down); of other things the last one."""
    merged: dict[str, Any] = {}
    for key, last in answers[-1].items():
        values = [answer[key] for answer in answers]
        if isinstance(last, dict):
            merged[key] = medians(values)
        elif isinstance(last, (int, float)) and not isinstance(last, bool):
            merged[key] = median(values)
        else:
            merged[key] = last
    return merged


@contextmanager
def stopwatch(seconds: dict[str, float], step: str) -> Iterator[None]:
    """Note how long a step took."""
    start = time.perf_counter()
    yield
    seconds[step] = time.perf_counter() - start


def own_mb(answer: Mapping[str, Any]) -> float:
    """Peak memory beyond the imports, MB."""
    return float(answer["peak_mb"] - answer["baseline_mb"])


# --- words ----------------------------------------------------------------------------------------


def memory_words(answer: Mapping[str, Any]) -> str:
    """Peak memory beyond the imports, and what the imports take."""
    return f"{own_mb(answer):,.0f} MB (+ {answer['baseline_mb']:,.0f} MB imports)"


def shares(seconds: Mapping[str, float]) -> str:
    """Seconds and share of every step, the longest first."""
    whole = sum(seconds.values()) or 1.0
    ranked = sorted(seconds.items(), key=lambda item: -item[1])
    return ", ".join(f"{step} {s:.2f} s ({s / whole:.0%})" for step, s in ranked)


def show(result: CaseResult, seconds: float) -> None:
    """Print what a case found."""
    print(f"\n{result.case} ({seconds:.0f} s)")
    for row in result.rows:
        sign = {True: "met   ", False: "MISSED", None: "      "}[row.met]
        print(f"  {sign} {row.what}: {row.reached} (goal {row.goal or 'none'}); "
              f"{row.ours} | {row.peer} | {row.sizes}")  # fmt: skip
    for line in result.profile:
        print(f"  - {line}")


def machine() -> str:
    """Cores, system and Python."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores ({platform.machine()}), {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def versions(names: Sequence[str]) -> str:
    """Versions of peers and of the parts that do the work."""
    return ", ".join(f"{name} {_version(name)}" for name in names)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # without the benchmarks' group
        return "(not installed)"
