"""Questions in a row that differ a little: rows merged once, one clock, one Ctrl-C for all."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from servicecircle.locate.certificate import certified_bound
from servicecircle.locate.core import Floats, merge_identical
from servicecircle.locate.question import Question
from servicecircle.locate.selection import GAP_PROVEN, Leaves, Selection, gap_of
from servicecircle.locate.solve import solve
from servicecircle.locate.watch import Callback, Watch

#: called with a number (which one, says the model), and then as `watch.Callback`
SeriesCallback = Callable[[int, float, float, float, float], object]


class Merged:
    """A ``mclp`` question with one row for all demand rows that the same sites cover.

    Sites, costs and limits stay as they are. ``lifted`` brings a selection, or multipliers, back
    to the rows that were asked about.
    """

    def __init__(self, question: Question) -> None:
        covers = question.covers
        first, self.group = merge_identical(covers.indptr, covers.indices, covers.shape[1])
        weight = np.bincount(self.group, question.weight, len(first)).astype(np.float64)
        self.question = replace(question, covers=sp.csr_matrix(covers[first]), weight=weight)
        if self.question.whole != question.whole:  # halves that add up: bounds would be rounded
            self.question, self.group = question, np.arange(len(question.weight))
        whole = self.question.weight[self.group]
        self._part = np.divide(question.weight, whole, out=np.zeros(len(whole)), where=whole > 0)

    def multipliers(self, lam: Floats) -> Floats:
        """Multipliers of the asked rows: each merged row's, split by weight."""
        return np.asarray(lam[self.group] * self._part)

    def leaves(self, leaves: Leaves | None) -> Leaves | None:
        """A tree on the asked rows."""
        return None if leaves is None else replace(leaves, group=leaves.group[self.group])

    def lifted(self, found: Selection) -> Selection:
        """A selection on the asked rows."""
        lam, leaves = self.multipliers(found.multipliers), self.leaves(found.leaves)
        return replace(found, multipliers=lam, leaves=leaves)


class Series:
    """The clock of a row of questions, and the way to ask them."""

    def __init__(self, seconds: float, callback: SeriesCallback | None) -> None:
        self.watch = Watch(seconds)
        self.callback = callback
        self._signals: socket.socket | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, Ctrl-C is noted, between the searches and inside of them.

        A search that notes it and then ends with a proof does not say so: therefore each signal
        also leaves a byte in a socket.
        """
        with self.watch.listening():
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            self._signals, writer = socket.socketpair()
            self._signals.setblocking(False)
            writer.setblocking(False)
            before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(before)
                writer.close()
                self._signals.close()
                self._signals = None

    def _hear(self) -> None:
        """Take note of a Ctrl-C that came during a search."""
        if self._signals is None:
            return
        try:
            came = self._signals.recv(4096)
        except BlockingIOError:
            return
        self.watch.interrupted |= signal.SIGINT in came

    def solve(
        self,
        number: int,
        question: Question,
        seconds: float,
        start: NDArray[np.int64],
        lam: Floats | None,
    ) -> Selection:
        """One question's selection within its share of the time; ``number`` is told with it."""
        asked = replace(question, time_limit=seconds, callback=self._teller(number))
        found = solve(asked, start=start, lam=lam)
        self._hear()
        return found

    def _teller(self, number: int) -> Callback:
        def tell(_: float, objective: float, bound: float, gap: float) -> None:
            if self.watch.interrupted:  # noted while the question was being built
                raise KeyboardInterrupt
            if self.callback is None:
                return
            try:
                self.callback(number, self.watch.elapsed(), objective, bound, gap)
            except KeyboardInterrupt:
                self.watch.interrupted = True
                raise

        return tell


def certified(found: Selection, question: Question, *, leaves: bool) -> float:
    """The bound that a selection's multipliers, or its leaves, prove of another ``mclp`` question.

    That is, of one on the same rows and sites; for leaves it may only allow another number.
    """
    tree: dict[str, Any] = {}
    if leaves and found.leaves is not None:
        tree = dict(found.leaves.arrays())
    return certified_bound(
        "mclp",
        multipliers=found.multipliers,
        budget_multiplier=found.budget_multiplier,
        **tree,
        **question.arrays(),
    )


def revised(found: Selection, **changes: Any) -> Selection:
    """A selection with some fields changed, and all that follows from objective and bound."""
    found = replace(found, **changes)
    bound = max(found.bound, found.objective)
    gap = gap_of(bound, found.objective)
    proven = gap <= GAP_PROVEN
    stopped = "proof" if proven else found.stopped
    return replace(found, bound=bound, gap=gap, proven=proven, stopped=stopped)
