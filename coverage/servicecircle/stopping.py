"""Ending the search early with the best plan so far: by Ctrl-C, or by who watches it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Stopping:
    """Whether the search shall end now with what it has.

    ``wanted`` is asked at each sign of progress, for threads that no signal reaches.
    """

    def __init__(self, wanted: Callable[[], bool] | None = None) -> None:
        self._wanted = wanted or (lambda: False)
        self._noted = self._searching = False

    def look(self) -> None:
        """Raise KeyboardInterrupt if so; to be called by the search, which understands it."""
        self._searching = True
        if self._noted or self._wanted():
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within it, Ctrl-C before the search hears of it itself is kept for the search.

        Once the search has begun to look, Ctrl-C that it does not take (its second one, or one
        after its end) goes where it always goes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.getsignal(signal.SIGINT)
        if not callable(before):  # ignored, or nobody of ours to hand it back to
            yield
            return

        def note(number: int, frame: FrameType | None) -> Any:
            if self._noted or self._searching:
                return before(number, frame)
            self._noted = True
            return None

        signal.signal(signal.SIGINT, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
