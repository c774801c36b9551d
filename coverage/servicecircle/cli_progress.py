"""Progress on standard error: bars on a terminal, one line per step elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType

from servicecircle.errors import Lang
from servicecircle.steps import EXPORT_STEPS, FETCH_STEPS, STEPS, Progress, Search

Write = Callable[[str], None]


@contextmanager
def progress(console: Console, write: Write, lang: Lang) -> Iterator[Progress]:
    """A display of steps; ``write`` prints a line."""
    side = 0 if lang == "zh" else 1
    words = {step: names[side] for step, names in {**FETCH_STEPS, **STEPS, **EXPORT_STEPS}.items()}
    shown = _bars(console, words, lang) if console.is_terminal else _lines(words, write, lang)
    with shown as tell:
        yield tell


@contextmanager
def _lines(words: dict[str, str], write: Write, lang: Lang) -> Iterator[Progress]:
    """One line when a step begins, and one more when a search has ended."""
    told: set[str] = set()

    def tell(step: str, done: float | None, search: Search | None = None, /) -> None:
        if step not in told:
            told.add(step)
            write(words[step] + " …")
        if search is not None and search.ended is not None:
            write("  " + search.text(lang))

    yield tell


@contextmanager
def _bars(console: Console, words: dict[str, str], lang: Lang) -> Iterator[Progress]:
    """A bar for each step; under them, how far the search is."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bars  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    class Display(Bars):
        detail = ""

        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            if self.detail:
                yield Text("  " + self.detail, overflow="ellipsis", no_wrap=True)

    bars = Display(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=console,
    )  # fmt: skip
    tasks: dict[str, Any] = {}
    with bars:

        def tell(step: str, done: float | None, search: Search | None = None, /) -> None:
            if step not in tasks:
                for task in tasks.values():
                    bars.update(task, total=1.0, completed=1.0)
                tasks[step] = bars.add_task(words[step], total=None)
            if search is not None:
                bars.detail = search.text(lang)
            if done is not None:
                bars.update(tasks[step], total=1.0, completed=done)

        yield tell
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)
