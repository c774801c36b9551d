"""One BLAS thread while a search runs: its matrices are small, and waiting costs more than helps.

With two threads on two busy cores the interior point takes 2.5 times as long as with one. NumPy
and SciPy bring an OpenBLAS of their own beside the package; where there is none, nothing happens.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy

PREFIXES = ("scipy_openblas", "openblas")
SUFFIXES = ("64_", "")

Control = tuple[Callable[[], int], Callable[[int], Any]]


_lock = threading.Lock()
_inside = 0  # searches that run now, in whatever thread
_before: list[int] = []  # threads of each library before the first of them


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it, OpenBLAS uses one thread; after the last search as many as before the first."""
    global _inside  # noqa: PLW0603
    with _lock:
        _inside += 1
        if _inside == 1:
            _before[:] = [get() for get, _ in _libraries()]
        for _, put in _libraries():
            put(1)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                for (_, put), count in zip(_libraries(), _before, strict=True):
                    put(count)


@cache
def _libraries() -> tuple[Control, ...]:
    """How to read and set the number of threads of each OpenBLAS found."""
    found: list[Control] = []
    for package in (np, scipy):
        home = Path(str(package.__file__)).parent
        for folder in (home.parent / f"{home.name}.libs", home / ".dylibs"):
            for file in sorted(folder.glob("*openblas*")):
                found += _controls(file)
    return tuple(found)


def _controls(file: Path) -> list[Control]:
    try:
        library = ctypes.CDLL(str(file))
    except OSError:
        return []
    for prefix in PREFIXES:
        for suffix in SUFFIXES:
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                return [(get, put)]
    return []
