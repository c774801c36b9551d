"""What is asked of an Overpass server, and how its answer is checked on its way to the disk.

One query asks for everything (`FILTERS`) within a polygon, so that the answer is one state of the
map, each object once, sorted as libosmium needs it: nodes, ways, relations, each by id. Whole
ways come: those that cross the border bring all their nodes, so no street is cut.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from servicecircle.fetching.outline import Ring
from servicecircle.fetching.web import (
    CONNECT_TIMEOUT_S,
    RefusalError,
    base_url,
    clean,
    excerpt,
    headers,
    host_of,
    no_answer,
    persist,
    refused_status,
    unreachable,
)
from servicecircle.steps import Progress

#: what is fetched: streets and stops, what proxies and host kinds look at, boundaries from the
#: prefecture down (provinces' borders are long and tell a city nothing), water, railways
FILTERS = (
    'way["highway"]',
    'node["highway"]',
    'nw["amenity"]',
    'nw["shop"]',
    'nw["office"]',
    'nw["landuse"="construction"]',
    'wr["boundary"="administrative"]["admin_level"~"^([5-9]|1[0-2])$"]',
    'wr["natural"="water"]',
    'way["natural"="coastline"]',
    'wr["waterway"~"^(riverbank|dock)$"]',
    'way["waterway"~"^(river|canal)$"]',
    'wr["landuse"="reservoir"]',
    'way["railway"]',
)
MAX_BYTES = 4 << 30  # of the unpacked answer: more than any city
LONGEST_S = 3600.0  # of one download, however slowly it trickles
SERVER_MEMORY = 1 << 30  # bytes the server may use for the query
_CHUNK = 1 << 18
_REDIRECTS = (301, 302, 307, 308)
_MAX_REDIRECTS = 5
_RANK = {"node": 0, "way": 1, "relation": 2}
_BUSY_REMARK = re.compile(r"too busy|rate_limited", re.IGNORECASE)
_TOO_MUCH_REMARK = re.compile(r"timed out|out of memory", re.IGNORECASE)
_SLOT = re.compile(r"in (-?\d+) seconds")


@dataclass(frozen=True)
class Answer:
    """What came: the state of the map (ISO 8601, empty if unsaid), bytes, objects of each kind."""

    osm_date: str
    size: int
    counts: dict[str, int]


def query_of(rings: list[Ring], timeout: float) -> str:
    """Overpass QL for `FILTERS` within any of ``rings``; ``timeout``: the server's, in seconds."""
    polygons = [" ".join(f"{lat:.6f} {lng:.6f}" for lng, lat in ring) for ring in rings]
    wanted = "\n".join(f'  {each}(poly:"{p}");' for p in polygons for each in FILTERS)
    settings = f"[out:xml][timeout:{math.ceil(timeout)}][maxsize:{SERVER_MEMORY}]"
    return f"{settings};\n(\n{wanted}\n);\n(._;>;);\nout body;\n"


def download(query: str, path: Path, *, url: str, timeout: float, tell: Progress) -> Answer:
    """Write the server's answer to ``path``, checked on the way; asked again where that can help.

    ``timeout``: seconds the server may compute; it may stay silent for a fifth longer, for the
    way. Raises `FetchError`, or OSError when the disk is full.
    """
    base = base_url(url, "interpreter")

    def once() -> Answer:
        tell("download", None)
        return _download_once(query, path, base, timeout)

    return persist(once, tell=tell)


def _download_once(query: str, path: Path, base: str, timeout: float) -> Answer:
    import requests  # noqa: PLC0415 (comes with osmnx; only fetching needs it)
    import urllib3  # noqa: PLC0415

    patience = timeout * 1.2 + 1
    errors = requests.exceptions
    try:
        with requests.Session() as session:
            response = _post(session, f"{base}/interpreter", query, patience)
            with response:
                _require_osm_answer(session, response, base)
                return _write(response, path, host_of(base))
    except (errors.Timeout, urllib3.exceptions.TimeoutError) as error:
        raise no_answer(base, patience) from error
    except (errors.ConnectionError, urllib3.exceptions.HTTPError) as error:
        inner = error.args[0] if error.args else error
        broke = any(isinstance(e, urllib3.exceptions.ProtocolError) for e in (error, inner))
        raise unreachable(base, error, again=broke) from error
    except errors.RequestException as error:
        raise unreachable(base, error, again=False) from error


def _post(session: Any, url: str, query: str, patience: float) -> Any:
    """The response, headers only; where a redirect leads, the query is posted again."""
    for _ in range(_MAX_REDIRECTS + 1):
        response = session.post(
            url,
            data={"data": query},
            headers=headers(),
            timeout=(min(CONNECT_TIMEOUT_S, patience), patience),
            stream=True,
            allow_redirects=False,
        )
        if response.status_code not in _REDIRECTS or not response.next:
            return response
        target = response.next.url
        response.close()
        if url.startswith("https:") and not target.startswith("https:"):
            break  # what was asked in confidence is not said aloud
        url = target
    raise RefusalError(
        f"{host_of(url)} 把请求转来转去，没有回答。请检查 Overpass 服务器地址。",
        f"{host_of(url)} redirects without end, or to an insecure address. Check the address of "
        "the Overpass server.",
    )


def _require_osm_answer(session: Any, response: Any, base: str) -> None:
    """Raise `RefusalError` unless status and content type promise OSM XML."""
    kind = response.headers.get("Content-Type", "").lower()
    if response.status_code == 200 and not re.search("html|json", kind):
        return
    body = _beginning(response)
    if response.status_code == 200:
        said = excerpt(body, kind)
        raise RefusalError(
            f"{host_of(base)} 的回答不是 OSM 数据（{clean(kind)}：{said}）。"
            "请检查 Overpass 服务器地址。",
            f"{host_of(base)} did not answer with OSM data ({clean(kind)}: {said}). Check the "
            "address of the Overpass server.",
            again=bool(_BUSY_REMARK.search(said)),
        )
    wait = response.headers.get("Retry-After")
    if response.status_code == 429 and wait is None:
        wait = _wait_for_slot(session, base)
    raise refused_status(base, response.status_code, wait, body, content_type=kind)


def _wait_for_slot(session: Any, base: str) -> str | None:
    """Seconds until the server's own status page promises a slot; None where it says nothing."""
    import requests  # noqa: PLC0415

    try:
        page = session.get(f"{base}/status", headers=headers(), timeout=CONNECT_TIMEOUT_S)
    except requests.exceptions.RequestException:
        return None
    seconds = [max(1, int(each)) for each in _SLOT.findall(page.text[:20_000])]
    return str(min(seconds)) if page.ok and seconds else None


def _beginning(response: Any) -> bytes:
    import urllib3  # noqa: PLC0415

    try:
        return bytes(response.raw.read(1 << 14, decode_content=True))
    except (urllib3.exceptions.HTTPError, OSError):
        return b""


def _write(response: Any, path: Path, host: str) -> Answer:
    check = _Check(host)
    size, end = 0, time.monotonic() + LONGEST_S
    with path.open("wb") as file:
        # read1 returns what has come; read would wait for a whole chunk, however slowly it trickles
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > MAX_BYTES or time.monotonic() > end:
                raise _too_much(host, f"> {MAX_BYTES >> 30} GiB / {LONGEST_S / 60:.0f} min")
            check.feed(chunk)
            file.write(chunk)
    return check.finish(size)


def _too_much(host: str, said: str) -> RefusalError:
    return RefusalError(
        f"这个地方对 {host} 太大了（{said}）。请换一个较小的地方、加长时限，"
        "或下载 Geofabrik 的省级文件截取后用 --osm。",
        f"the place is too large for {host} ({said}). Choose a smaller one, allow more time, or "
        "cut it out of a Geofabrik extract and use --osm.",
    )


@dataclass
class _Check:
    """Reads OSM XML as it passes: well-formed, whole, sorted, without entities or error remarks."""

    host: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RANK, 0))
    date: str = ""
    _root: str = ""
    _remark: str = ""
    _last: tuple[int, int] = (-1, 0)

    def __post_init__(self) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartDoctypeDeclHandler = self._doctype
        self._parser = parser

    def feed(self, chunk: bytes) -> None:
        self._parse(chunk, last=False)

    def finish(self, size: int) -> Answer:
        """The answer's figures. Raises `RefusalError` for what is cut short, empty or an error."""
        self._parse(b"", last=True)
        remark = clean(self._remark)
        if _TOO_MUCH_REMARK.search(remark):
            raise _too_much(self.host, remark)
        if "error" in remark.lower():
            raise RefusalError(
                f"{self.host} 没有完成查询（{remark}）。",
                f"{self.host} did not complete the query ({remark}).",
                again=bool(_BUSY_REMARK.search(remark)),
            )
        if not self.counts["node"] or not self.counts["way"]:
            raise RefusalError(
                f"{self.host} 在这个地方没有任何道路数据。请检查地名；私有服务器要检查其数据范围。",
                f"{self.host} has no streets at all there. Check the place's name, and what area "
                "a private server holds.",
            )
        return Answer(self.date, size, self.counts)

    def _parse(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._parser.Parse(chunk, last)
        except expat.ExpatError as error:
            if not self._root:
                raise self._not_osm(str(error)) from error
            raise RefusalError(
                f"{self.host} 的回答不完整或已损坏（{error}），没有保存。",
                f"the answer of {self.host} is cut short or damaged ({error}); it was not kept.",
                again=True,
            ) from error

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if name in ("nd", "tag", "member"):
            return
        if not self._root:
            if name != "osm":
                raise self._not_osm(f"<{clean(name)}>")
            self._root = name
        elif name in _RANK:
            self._object(name, attributes)
        elif name == "meta":
            self.date = clean(attributes.get("osm_base", ""), 40)
        elif name == "remark":
            self._parser.CharacterDataHandler = self._text

    def _end(self, name: str) -> None:
        if name == "remark":
            self._parser.CharacterDataHandler = None

    def _text(self, text: str) -> None:
        self._remark = (self._remark + text)[:2000]

    def _object(self, name: str, attributes: dict[str, str]) -> None:
        try:
            place = (_RANK[name], int(attributes["id"]))
        except (KeyError, ValueError) as error:
            raise self._not_osm(f"<{name}> id={attributes.get('id')!r}") from error
        if place <= self._last:
            before = list(_RANK)[self._last[0]]
            raise self._not_osm(f"<{before} id={self._last[1]}> → <{name} id={place[1]}>")
        self._last = place
        self.counts[name] += 1

    def _doctype(self, *_: Any) -> None:
        raise self._not_osm("<!DOCTYPE>")

    def _not_osm(self, said: str) -> RefusalError:
        return RefusalError(
            f"{self.host} 的回答不是 Overpass 的 OSM XML（{said}）。请检查 Overpass 服务器地址。",
            f"{self.host} did not answer with Overpass OSM XML ({said}). Check the address of "
            "the Overpass server.",
        )
