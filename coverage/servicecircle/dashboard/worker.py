"""Planning in a thread of its own, so that the page stays alive; and what comes out of it."""

from __future__ import annotations

import logging
import shutil
import threading
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from servicecircle import map_stations, plan_folder
from servicecircle.dashboard.asked import INPUTS, Asked, own_names
from servicecircle.errors import PlannerError
from servicecircle.maps import map_html
from servicecircle.plan import Plan, make_plan
from servicecircle.scenario import Scenario
from servicecircle.steps import STEPS, Search

ORDER = tuple(STEPS)
AT_ONCE = 2  # plans that may run at the same time on one machine; others wait
LOOK_S = 0.2  # how often a waiting plan looks whether it was cancelled

_turns = threading.BoundedSemaphore(AT_ONCE)
_log = logging.getLogger(__name__)


class _CancelledError(Exception):
    """The visitor does not want this plan any more."""


@dataclass(frozen=True)
class Before:
    """Today's stations alone: covered weight and points, cross-covered share."""

    weight: float
    points: int
    cross: float


@dataclass(frozen=True)
class Result:
    """A finished plan as the page shows it; its files lie in ``folder``."""

    asked: Asked
    title: str
    figures: dict[str, Any]  # what plan.json says
    counts: str  # what its objective counts: a key of `steps.OBJECTIVES`
    before: Before
    stations: pd.DataFrame  # new ones first, with ``label``, as on the map
    page: str  # the map
    folder: Path

    @property
    def plan(self) -> Path:
        """The plan's folder."""
        return self.folder / "plan"

    @property
    def archive(self) -> Path:
        """Everything in one ZIP."""
        return self.folder / "plan.zip"

    def own_names(self, text: str) -> str:
        """A text of the plan's with the visitor's names for the files."""
        return own_names(text, self.asked.uploads, self.folder / INPUTS)

    @property
    def file_name(self) -> str:
        """The title as a file name can hold it."""
        return plan_folder.default_folder(self.title).name.removesuffix("-plan")


class Job:
    """One run: ask it for ``step``, ``done``, ``search``, ``finished``; then for its ``result``.

    ``search`` is how far the choice of sites is, once it has begun. ``error`` takes the place of a
    result.

    Both are None where the run was cancelled or failed in a way nobody foresaw (``crashed``).
    """

    def __init__(
        self, asked: Asked, scenario: Scenario, folder: Path, *, closed: threading.Event
    ) -> None:
        self.asked, self.scenario, self.folder = asked, scenario, folder
        self.step: str | None = None  # None: waiting for its turn
        self.done: float | None = None
        self.search: Search | None = None
        self.result: Result | None = None
        self.error: PlannerError | None = None
        self.crashed = False
        self._closed, self._cancelled, self._stopped = closed, threading.Event(), threading.Event()
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="plan", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop; it does so at its next sign of progress."""
        self._cancelled.set()

    def stop(self) -> None:
        """Ask it to end the search, and to make the plan of the best that it has by then."""
        self._stopped.set()

    @property
    def stopping(self) -> bool:
        """Whether it was asked to end the search."""
        return self._stopped.is_set()

    @property
    def stoppable(self) -> bool:
        """Whether there is a search to end, and a plan to take."""
        return self.search is not None and self.search.ended is None and not self.stopping

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def seconds(self) -> float:
        """Seconds since it was asked for."""
        return time.monotonic() - self._began

    @property
    def progress(self) -> float:
        """The part of the steps that is done, 0 to 1."""
        if self.step is None:
            return 0.0
        return min(1.0, (ORDER.index(self.step) + (self.done or 0.0)) / len(ORDER))

    # --- in the thread ---

    def _run(self) -> None:
        try:
            with _Turn(self._check):
                self.result = self._answer()
        except _CancelledError:
            pass
        except PlannerError as error:
            self.error = PlannerError(*(self._shown(text) for text in error.args))
        except Exception:
            if not self._given_up:
                self.crashed = True
                _log.exception("a plan failed")
        finally:
            if self.result is None or self._given_up:
                shutil.rmtree(self.folder, ignore_errors=True)
            self._ended.set()

    def _shown(self, text: str) -> str:
        return own_names(text, self.asked.uploads, self.folder / INPUTS)

    @property
    def _given_up(self) -> bool:
        return self._cancelled.is_set() or self._closed.is_set()

    def _check(self) -> None:
        if self._given_up:
            raise _CancelledError

    def _tell(self, step: str, done: float | None, search: Search | None = None, /) -> None:
        self._check()
        if step in ORDER:
            self.step, self.done = step, done
            self.search = search or self.search

    def _answer(self) -> Result:
        plan = make_plan(self.scenario, progress=self._tell, stop=self._stopped.is_set)
        self._tell("write", None)
        page = map_html(plan)
        self._tell("write", 0.5)
        plan_folder.save(plan, self.folder / "plan", map_html=lambda _: page)
        result = result_of(plan, self.asked, page, self.folder)
        zip_up(result)
        self._check()
        return result


class _Turn:
    """A place among the plans that may run at once; waiting for it can be cancelled."""

    def __init__(self, check: Any) -> None:
        self._check = check

    def __enter__(self) -> None:
        while not _turns.acquire(timeout=LOOK_S):
            self._check()

    def __exit__(self, *_: object) -> None:
        _turns.release()


def result_of(plan: Plan, asked: Asked, page: str, folder: Path) -> Result:
    """What the page shows of a plan; the plan itself is let go."""
    times = plan.times_covered_by(plan.existing)
    before = Before(float(plan.weight[times > 0].sum()), int((times > 0).sum()),
                    plan.share(times >= 2))  # fmt: skip
    return Result(
        asked, plan.scenario.title, plan_folder.figures(plan), plan.scenario.question.counts,
        before, _stations(plan), page, folder,
    )  # fmt: skip


def _stations(plan: Plan) -> pd.DataFrame:
    table = pd.DataFrame(plan_folder.stations(plan).drop(columns="geometry"))
    new, old = map_stations.rows_of(plan, "new"), map_stations.rows_of(plan, "existing")
    order = plan.sites.index[np.concatenate([new, old])]
    labels = [str(i + 1) for i in range(len(new))] + [f"E{i + 1}" for i in range(len(old))]
    return table.loc[order].assign(label=labels).reset_index(drop=True)


def zip_up(result: Result) -> None:
    """The plan's folder and, beside it, the files it was made from, as the scenario names them."""
    top = f"{result.file_name}-plan"
    with zipfile.ZipFile(result.archive, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for folder, name in ((result.plan, top), (result.folder / INPUTS, INPUTS)):
            for file in sorted(folder.iterdir()):
                archive.write(file, f"{name}/{file.name}")
