"""The map of a place by its name: outline from Nominatim, all that planning needs from Overpass.

`fetch_place` downloads once and then answers from the cache; nothing else in the package touches
the network. The result is one ``.osm`` file for the ordinary readers and the place's outline:
streets and candidates may lie outside it (within the margin), demand counts only inside it
(`servicecircle.fetching.outline.inside`).

The cache holds one folder per question (place, margin, what is asked for) and in it one folder
per download, named by its time. A download is built beside these and renamed into place, so that
nothing half-written is ever seen, however many processes fetch at once; older ones stay, because
plans name them.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from servicecircle.cache import cache_folder
from servicecircle.errors import FetchError, Note, OutputError
from servicecircle.fetching.outline import (
    Outline,
    area_around,
    geocode,
    read_outline,
    write_outline,
)
from servicecircle.fetching.overpass import FILTERS, download, query_of
from servicecircle.fetching.web import base_url, clean, host_of
from servicecircle.steps import Progress, silent

NOMINATIM_URL = "https://nominatim.openstreetmap.org"
OVERPASS_URL = "https://overpass-api.de/api"
MARGIN_M = 3000.0  # a walk of 30 minutes is 2 km: streets and sites beyond the border count
MAX_MARGIN_M = 50_000.0
TIMEOUT_S = 180.0
LONGEST_PLACE = 300  # characters
ATTRIBUTION = "© OpenStreetMap contributors, ODbL 1.0 (https://www.openstreetmap.org/copyright)"

_OUTLINE = "outline.geojson"
_BUILDING = ".building-"
_STALE_S = 24 * 3600.0  # what a killed download left is swept after a day
_SLUG_BYTES = 90  # file systems allow 255
_ONE_AT_A_TIME = threading.Lock()  # osmnx's settings are global; and servers want it so


@dataclass(frozen=True)
class Fetched:
    """A place's map on disk.

    ``osm``: an ``.osm`` file, sorted, with whole ways; ``outline``: GeoJSON in EPSG:4326, the
    place as geocoded; ``name``: what the geocoder took the place for; ``date``: state of the map,
    ISO 8601 (when it was fetched, where the server did not say); ``fetched``: when, ISO 8601 in
    UTC; ``cached``: whether it was there already.
    """

    place: str
    name: str
    osm: Path
    outline: Path
    date: str
    fetched: str
    cached: bool

    @property
    def note(self) -> Note:
        """What a planner should know of it, in Chinese and in English."""
        zh, en = (
            ("取自缓存，没有联网", "from the cache") if self.cached else ("已下载", "downloaded")
        )
        return (
            f"{self.place}：按“{self.name}”的范围，地图数据日期 {self.date[:10]}（{zh}，"
            f"下载于 {self.fetched[:10]}）。只有范围内的需求计入。",
            f"{self.place}: taken as “{self.name}”, map data of {self.date[:10]} ({en}, fetched "
            f"on {self.fetched[:10]}). Only demand inside it counts.",
        )


def fetch_place(
    place: str,
    *,
    folder: str | Path | None = None,
    nominatim_url: str | None = None,
    overpass_url: str | None = None,
    margin_m: float = MARGIN_M,
    timeout: float = TIMEOUT_S,
    progress: Progress | None = None,
    refresh: bool = False,
) -> Fetched:
    """The map of a place and ``margin_m`` metres around it, from the cache or else downloaded.

    ``folder`` is the cache (`cache_folder` by default). The servers are ``nominatim_url`` and
    ``overpass_url``, else ``SERVICECIRCLE_NOMINATIM_URL`` and ``SERVICECIRCLE_OVERPASS_URL``, else
    the public ones. ``timeout``: seconds each of them may take to begin its answer. ``refresh``
    downloads anew; when that fails, the older map stays. ``progress`` hears the steps
    ``geocode``, ``download`` and ``wait``.

    Raises `FetchError` when there is no such place, no connection, or no usable answer, and
    `OutputError` when the cache cannot be written.
    """
    question = _Question.of(place, margin_m, folder)
    if not 0 < timeout <= 86_400:
        raise FetchError(
            f"时限 {timeout} 秒不对：要大于 0，不超过 86400。",
            f"a time limit of {timeout} s will not do: above 0, at most 86400.",
        )
    servers = _Servers.of(nominatim_url, overpass_url)
    found = None if refresh else question.newest()
    if found is not None:
        return found
    with _ONE_AT_A_TIME:
        found = None if refresh else question.newest()  # another thread may have fetched it
        return found or _fetch(question, servers, timeout, progress or silent)


def cached_place(
    place: str, *, folder: str | Path | None = None, margin_m: float = MARGIN_M
) -> Fetched | None:
    """The map of a place if `fetch_place` has fetched it before; never touches the network."""
    return _Question.of(place, margin_m, folder).newest()


# --- the cache ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Question:
    """What is asked for, and where its answers lie."""

    place: str
    margin_m: float
    home: Path

    @classmethod
    def of(cls, place: str, margin_m: float, folder: str | Path | None) -> _Question:
        place = unicodedata.normalize("NFC", clean(place, LONGEST_PLACE + 1))
        if not re.search(r"\w", place) or len(place) > LONGEST_PLACE:
            raise FetchError(
                f"地名“{clean(place, 40)}”不对：请写出地方的名称，如“西宁市城东区”，"
                f"不超过 {LONGEST_PLACE} 个字。",
                f"“{clean(place, 40)}” is no place name: write one such as “Helsinki, Finland”, "
                f"of at most {LONGEST_PLACE} characters.",
            )
        if not 0 <= margin_m <= MAX_MARGIN_M:
            raise FetchError(
                f"外扩 {margin_m} 米不对：要在 0 和 {MAX_MARGIN_M:.0f} 米之间。",
                f"a margin of {margin_m} m will not do: it goes from 0 to {MAX_MARGIN_M:.0f} m.",
            )
        asked = json.dumps([place, float(margin_m), FILTERS], ensure_ascii=False)
        digest = hashlib.sha256(asked.encode()).hexdigest()[:12]
        root = cache_folder() if folder is None else Path(folder).absolute()
        return cls(place, float(margin_m), root / "places" / f"{_slug(place)}-{digest}")

    @property
    def osm_name(self) -> str:
        return f"{_slug(self.place)}.osm"

    def newest(self) -> Fetched | None:
        """The latest download that is whole; None where there is none."""
        try:
            names = sorted(
                (p.name for p in self.home.iterdir() if p.name[0].isdigit()), reverse=True
            )
        except OSError:
            return None
        return next(filter(None, (self.stored(self.home / name) for name in names)), None)

    def stored(self, folder: Path, *, cached: bool = True) -> Fetched | None:
        """The download in ``folder``; None where it is damaged."""
        osm, outline = folder / self.osm_name, folder / _OUTLINE
        try:
            about = read_outline(outline).about
            if _sha256(osm) != about["osm_sha256"]:
                return None
            name, date, fetched = (
                str(about[key]) for key in ("display_name", "osm_date", "fetched")
            )
        except (FetchError, OSError, LookupError, TypeError):
            return None
        return Fetched(self.place, name, osm, outline, date, fetched, cached)

    @contextmanager
    def building(self) -> Iterator[Path]:
        """A folder to build a download in; what is not kept is removed."""
        folder = self.home / f"{_BUILDING}{secrets.token_hex(8)}"
        try:
            self._sweep()
            folder.mkdir(parents=True)
            yield folder
        except OSError as error:
            raise self.unwritable(error) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, folder: Path) -> Path:
        """Rename what was built into place, under a name that sorts by time and is no other's."""
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"
        return folder.rename(self.home / name)

    def _sweep(self) -> None:
        """Remove what killed downloads left behind long ago."""
        for left in self.home.glob(f"{_BUILDING}*"):
            with suppress(OSError):
                newest = max(p.stat().st_mtime for p in (left, *left.iterdir()))
                if time.time() - newest > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)

    def unwritable(self, error: OSError) -> OutputError:
        why = error.strerror or type(error).__name__
        return OutputError(
            f"{self.home}：缓存写不进去（{why}）。请腾出空间，或用环境变量 SERVICECIRCLE_CACHE "
            "换一个文件夹。",
            f"{self.home}: the cache cannot be written ({why}). Make room, or name another folder "
            "with the environment variable SERVICECIRCLE_CACHE.",
        )


def _slug(place: str) -> str:
    """A file name that still reads as the place: letters, marks and digits of any script."""
    kept = "".join(c if unicodedata.category(c)[0] in "LMN" else "-" for c in place)
    short = re.sub("-+", "-", kept).strip("-").encode()[:_SLUG_BYTES].decode(errors="ignore")
    return short.strip("-") or "place"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- the download ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Servers:
    nominatim: str
    overpass: str

    @classmethod
    def of(cls, nominatim: str | None, overpass: str | None) -> _Servers:
        env = os.environ.get
        return cls(
            base_url(nominatim or env("SERVICECIRCLE_NOMINATIM_URL") or NOMINATIM_URL, "search"),
            base_url(overpass or env("SERVICECIRCLE_OVERPASS_URL") or OVERPASS_URL, "interpreter"),
        )


def _fetch(question: _Question, servers: _Servers, timeout: float, tell: Progress) -> Fetched:
    place = geocode(question.place, servers.nominatim, timeout=timeout, tell=tell)
    query = query_of(area_around(place.shape, question.margin_m), timeout)
    with question.building() as folder:
        osm = folder / question.osm_name
        answer = download(query, osm, url=servers.overpass, timeout=timeout, tell=tell)
        fetched = datetime.now(UTC).isoformat(timespec="seconds")
        about = {
            "query": question.place,
            **place.about,
            "margin_m": question.margin_m,
            "fetched": fetched,
            "osm_date": answer.osm_date or fetched,
            "osm_file": osm.name,
            "osm_sha256": _sha256(osm),
            "osm_objects": answer.counts,
            "servers": [host_of(servers.nominatim), host_of(servers.overpass)],
            "attribution": ATTRIBUTION,
        }
        write_outline(folder / _OUTLINE, Outline(place.shape, about))
        made = question.stored(question.keep(folder), cached=False)
    if made is None:
        raise question.unwritable(OSError(0, "read back differs"))
    return made
