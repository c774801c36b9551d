"""A run's clock: how long it may still take, whether it was told to stop, and whom it tells.

Ctrl-C does not tear a search apart: it is noted, the search ends at its next look at the clock,
and returns the best plan so far with the bound that holds by then. A second Ctrl-C ends at once.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from servicecircle.locate.selection import gap_of

#: called with seconds, objective of the best plan, bound, gap (a fraction)
Callback = Callable[[float, float, float, float], object]


class Watch:
    """The clock of one run. It is over when its time is used up, or when it was interrupted."""

    def __init__(
        self,
        seconds: float = math.inf,
        callback: Callback | None = None,
        *,
        within: Watch | None = None,
    ) -> None:
        self.began = time.perf_counter()
        self.seconds, self.callback, self.within = seconds, callback, within
        self.cut = False  # something was left undone because the run was over
        self._interrupted = False
        self._told = -math.inf

    @property
    def interrupted(self) -> bool:
        """Whether it was told to stop: it, or the watch that it is a part of."""
        return self._interrupted or (self.within is not None and self.within.interrupted)

    def interrupt(self) -> None:
        """Tell it, and those that are part of it, to stop."""
        self._interrupted = True

    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.perf_counter() - self.began

    def left(self) -> float:
        """Seconds left; 0 when it is over."""
        return 0.0 if self.interrupted else max(0.0, self.seconds - self.elapsed())

    def over(self) -> bool:
        """Whether the run has to end; once seen, `cut` says so."""
        self.cut |= self.left() <= 0.0
        return self.cut

    def tell(self, objective: float, bound: float, *, every: float = 0.0) -> None:
        """Tell the callback how far the search is, at most once in ``every`` seconds.

        A KeyboardInterrupt out of the callback stops the run as Ctrl-C does.
        """
        now = self.elapsed()
        if self.callback is None or now - self._told < every:
            return
        self._told = now
        try:
            self.callback(now, objective, bound, gap_of(bound, objective))
        except KeyboardInterrupt:
            self.interrupt()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, Ctrl-C is noted here (in the main thread; others never hear of it).

        A watch that is part of another one leaves that to it.
        """
        if self.within is not None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        if before is None or before == signal.SIG_IGN:  # nobody of ours to hand it back to
            yield
            return

        def note(number: int, frame: FrameType | None) -> Any:
            if self.interrupted and callable(before):
                return before(number, frame)
            self.interrupt()
            return None

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
