"""Exporting in a thread of its own: one target of a finished plan, as one ZIP."""

from __future__ import annotations

import logging
import shutil
import threading
import zipfile
from pathlib import Path

from servicecircle.errors import Note, PlannerError
from servicecircle.export.targets import Options, export
from servicecircle.plan_folder import EXPORTS
from servicecircle.steps import Search

_PACKED = {".png", ".xlsx", ".docx", ".mbtiles", ".pmtiles"}  # deflating these gains nothing
_log = logging.getLogger(__name__)


class _CancelledError(Exception):
    """Nobody waits for this export any more."""


class ExportJob:
    """One export: ask it for ``step``, ``done``, ``finished``; then for its ``archive``.

    ``to`` is a key of `targets.TARGETS`; ``notes`` are what the export has to say. ``error`` takes
    the place of an archive; both are None where it was cancelled or failed in a way nobody foresaw
    (``crashed``). It works on a copy of the plan's folder, beside it (so that paths in it still
    lead somewhere), which goes at the end.
    """

    def __init__(self, plan: Path, to: str, options: Options, archive: Path) -> None:
        self.to, self.options = to, options
        self.step: str | None = None
        self.done: float | None = None
        self.error: PlannerError | None = None
        self.archive: Path | None = None
        self.crashed = False
        self.notes: list[Note] = []
        self._plan, self._target, self._copy = plan, archive, archive.with_suffix("")
        self._cancelled, self._ended = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="export", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop; it does so at its next sign of progress."""
        self._cancelled.set()

    @property
    def finished(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    def _run(self) -> None:
        try:
            shutil.copytree(self._plan, self._copy)
            self.notes = export(self._copy, self.to, self.options, self._tell).notes
            self._zip(self._copy / EXPORTS)
            self.archive = self._target
        except _CancelledError:
            pass
        except PlannerError as error:
            self.error = error
        except Exception:
            if not self._cancelled.is_set():  # then its folder may be gone
                self.crashed = True
                _log.exception("an export failed")
        finally:
            shutil.rmtree(self._copy, ignore_errors=True)
            if self.archive is None or self._cancelled.is_set():
                self._target.unlink(missing_ok=True)
            self._ended.set()

    def _tell(self, step: str, done: float | None, search: Search | None = None, /) -> None:
        if self._cancelled.is_set():
            raise _CancelledError
        self.step, self.done = step, done

    def _zip(self, folder: Path) -> None:
        with zipfile.ZipFile(self._target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for number, file in enumerate(sorted(folder.rglob("*"))):
                if number % 1000 == 0:
                    self._tell("archives", None)
                stored = zipfile.ZIP_STORED if file.suffix in _PACKED else None
                archive.write(file, file.relative_to(folder), stored)
