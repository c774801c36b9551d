"""Progress on standard error: bars on a terminal, one line per step elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from servicecircle.steps import Progress

Words = dict[str, str]  # step → what it is called


@contextmanager
def progress(console: Console, words: Words, write: Callable[[str], None]) -> Iterator[Progress]:
    """A display of steps; ``write`` prints a line."""
    shown = _bars(console, words) if console.is_terminal else _lines(words, write)
    with shown as tell:
        yield tell


@contextmanager
def _lines(words: Words, write: Callable[[str], None]) -> Iterator[Progress]:
    told: set[str] = set()

    def tell(step: str, done: float | None) -> None:
        if step not in told:
            told.add(step)
            write(words[step] + " …")

    yield tell


@contextmanager
def _bars(console: Console, words: Words) -> Iterator[Progress]:
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415

    bars = Bars(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip
    tasks: dict[str, Any] = {}
    with bars:

        def tell(step: str, done: float | None) -> None:
            if step not in tasks:
                for task in tasks.values():
                    bars.update(task, total=1.0, completed=1.0)
                tasks[step] = bars.add_task(words[step], total=None)
            if done is not None:
                bars.update(tasks[step], total=1.0, completed=done)

        yield tell
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)
