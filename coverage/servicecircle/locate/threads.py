"""One BLAS thread while a search runs: its matrices are small, and waiting costs more than helps.

With two threads on two busy cores the interior point takes 2.5 times as long as with one. NumPy
and SciPy bring an OpenBLAS of their own beside the package; where there is none, nothing happens.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy

PREFIXES = ("scipy_openblas", "openblas")
SUFFIXES = ("64_", "")


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Within it, OpenBLAS uses one thread; afterwards as many as at first."""
    with ExitStack() as stack:
        for put, before in _libraries():
            stack.callback(put, before)
            put(1)
        yield


@cache
def _libraries() -> tuple[tuple[Callable[[int], Any], int], ...]:
    """How to set the number of threads, and what it was at first, for each OpenBLAS found."""
    found = []
    for package in (np, scipy):
        home = Path(str(package.__file__)).parent
        for folder in (home.parent / f"{home.name}.libs", home / ".dylibs"):
            for file in sorted(folder.glob("*openblas*")):
                found += _controls(file)
    return tuple(found)


def _controls(file: Path) -> list[tuple[Callable[[int], Any], int]]:
    try:
        library = ctypes.CDLL(str(file))
    except OSError:
        return []
    for prefix in PREFIXES:
        for suffix in SUFFIXES:
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                return [(put, get())]
    return []
