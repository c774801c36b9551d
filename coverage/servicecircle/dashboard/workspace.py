"""One visitor's workspace: a temporary folder, the uploads in it, the running plan, the result.

The folder goes when the visit ends (or the program does), and a plan that still runs is told to
stop. Visitors' file names are shown to them and used for nothing else.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
import weakref
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pandas as pd

from servicecircle import tables
from servicecircle.dashboard.asked import Asked, Upload, own_names, scenario_of
from servicecircle.dashboard.exporting import ExportJob
from servicecircle.dashboard.words import WORDS
from servicecircle.dashboard.worker import Job, Result
from servicecircle.errors import PlannerError
from servicecircle.export.targets import Options
from servicecircle.streets.osm_file import OSM_SUFFIXES

TABLE_SUFFIXES = (
    ".xlsx", ".xls", ".ods", ".csv", ".txt", ".tsv", ".geojson", ".json", ".gpkg", ".fgb",
    ".parquet",
)  # fmt: skip
PREVIEW_ROWS = 5


@dataclass(frozen=True)
class Preview:
    """A table as it was understood: its first rows, how many, people in all, what was assumed."""

    head: pd.DataFrame
    rows: int
    total: float | None
    notes: tuple[tuple[str, str], ...]
    standards: tuple[float, ...] = ()  # of districts, minutes


@dataclass
class Workspace:
    """What belongs to one visitor, and to no other."""

    uploads: dict[str, Upload] = field(default_factory=dict)
    job: Job | None = None
    result: Result | None = None
    error: PlannerError | None = None
    export: ExportJob | None = None
    previews: dict[tuple[str, str], Preview | PlannerError] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="servicecircle-"))
        self.closed = threading.Event()
        self._count = 0
        weakref.finalize(self, _close, self.folder, self.closed)

    # --- uploads ---

    def keep(self, role: str, shown: str, stamp: str, content: bytes | memoryview) -> Upload | None:
        """Write an upload into the folder; None where its name has no known ending."""
        held = self.uploads.get(role)
        if held is not None and held.stamp == stamp:
            return held
        self.drop(role)
        suffix = suffix_of(role, shown)
        if suffix is None:
            return None
        self._count += 1
        path = self.folder / f"upload-{self._count}" / f"uploaded-{role}{suffix}"
        path.parent.mkdir()
        path.write_bytes(content)
        self.uploads[role] = Upload(role, shown, path, stamp)
        return self.uploads[role]

    def drop(self, role: str) -> None:
        """Forget an upload, and delete its file."""
        held = self.uploads.pop(role, None)
        if held is not None:
            shutil.rmtree(held.path.parent, ignore_errors=True)
            self.previews = {k: v for k, v in self.previews.items() if k[0] != held.stamp}

    def preview(self, upload: Upload, datum: str) -> Preview | PlannerError:
        """The table's first rows in WGS-84, or what is wrong with it; read once."""
        key = (upload.stamp, datum)
        if key not in self.previews:
            try:
                self.previews[key] = _read(replace(upload, datum=datum))
            except PlannerError as error:
                self.previews[key] = PlannerError(
                    *(own_names(text, [upload], upload.path.parent) for text in error.args)
                )
        return self.previews[key]

    def standards(self, uploads: list[Upload]) -> tuple[float, ...]:
        """The standards in minutes that an uploaded districts layer brings."""
        for upload in uploads:
            found = self.previews.get((upload.stamp, upload.datum or ""))
            if upload.role == "districts" and isinstance(found, Preview):
                return found.standards
        return ()

    # --- planning ---

    def start(self, asked: Asked) -> None:
        """Begin to plan; raises `PlannerError` where the question makes no scenario."""
        self.cancel()
        self.error = None
        self._count += 1
        folder = self.folder / f"plan-{self._count}"
        try:
            scenario = scenario_of(asked, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        self.job = Job(asked, scenario, folder, closed=self.closed)
        self.job.start()

    def cancel(self) -> None:
        """Give up the running plan; it cleans up after itself."""
        if self.job is not None:
            self.job.cancel()
            self.job = None

    def settle(self) -> None:
        """Take over a finished job's result, in the old one's place, or its error."""
        job = self.job
        if job is None or not job.finished:
            return
        self.job = None
        if job.result is None:
            self.error = job.error or (PlannerError(*WORDS["unexpected"]) if job.crashed else None)
            return
        self.cancel_export()
        if self.result is not None:
            shutil.rmtree(self.result.folder, ignore_errors=True)
        self.result = job.result

    # --- exporting ---

    def start_export(self, to: str, options: Options) -> None:
        """Begin to export the result; an earlier export goes."""
        self.cancel_export()
        if self.result is not None:
            self._count += 1
            archive = self.result.folder / f"export-{self._count}.zip"
            self.export = ExportJob(self.result.plan, to, options, archive)
            self.export.start()

    def cancel_export(self) -> None:
        """Give up the running export, or let go of a finished one."""
        if self.export is not None:
            self.export.cancel()
            if self.export.archive is not None:
                self.export.archive.unlink(missing_ok=True)
            self.export = None


def _close(folder: Path, closed: threading.Event) -> None:
    closed.set()
    shutil.rmtree(folder, ignore_errors=True)


def suffix_of(role: str, shown: str) -> str | None:
    """The known ending of a file name, None where it has none that the role can use."""
    known = OSM_SUFFIXES if role == "network" else TABLE_SUFFIXES
    fitting = [suffix for suffix in known if shown.lower().endswith(suffix)]
    return max(fitting, key=len) if fitting else None


def _read(upload: Upload) -> Preview:
    datum = upload.datum or "wgs84"
    total = None
    if upload.role == "demand":
        table = tables.read_demand(upload.path, datum=datum)
        columns = ["demand_id", "lng", "lat", "weight", "district"]
        total = float(table["weight"].sum()) if "weight" in table.attrs["columns"] else None
    elif upload.role == "districts":
        table = tables.read_districts(upload.path, datum=datum)
        columns = ["district", "minutes"]
    else:
        role: Literal["existing", "candidate"]
        role = "existing" if upload.role == "existing" else "candidate"
        table = tables.read_sites(upload.path, role=role, datum=datum)
        columns = ["site_id", "name", "lng", "lat", "kind", "status", "cost"]
    head = pd.DataFrame(table[columns].head(PREVIEW_ROWS))
    blank = [name for name in columns if (head[name].isna() | (head[name] == "")).all()]
    notes = tuple(table.attrs["notes"])
    own = standards(table) if upload.role == "districts" else ()
    return Preview(head.drop(columns=blank), len(table), total, notes, own)


def standards(districts: pd.DataFrame) -> tuple[float, ...]:
    """The minutes that occur in a districts layer, ascending."""
    return tuple(sorted({float(m) for m in districts["minutes"].dropna()}))
