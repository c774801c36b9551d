"""A local server that answers as Nominatim and Overpass do, or refuses as they do.

It understands the part of Overpass QL that the project writes, and nothing else: a query that it
cannot read is refused with 400, as the real server does. Each list of moods is used up one answer
at a time; the last mood stays.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import quoteattr

import osmium
import shapely

OSM_DATE = "2026-11-20T10:00:00Z"
_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<osm version="0.6" generator="Overpass API 0.7.62">\n'
    "<note>The data included in this document is from www.openstreetmap.org. The data is made "
    f'available under ODbL.</note>\n<meta osm_base="{OSM_DATE}"/>\n\n'
)
_PAGE = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0//EN" '
    '"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\n<html><head><title>OSM3S Response'
    "</title></head><body><p>The data included in this document is from www.openstreetmap.org.</p>"
    '<p><strong style="color:#FF0000">Error</strong>: {}</p></body></html>'
)
_REFUSED = "runtime error: open64: 0 Success /osm3s Dispatcher_Client::request_read_and_idx::{}."
_STATEMENT = re.compile(r'(node|way|nw|wr|nwr)((?:\["[^"]+"(?:[=~]"[^"]*")?\])+)\(poly:"([^"]+)"\)')
_TAG = re.compile(r'\["([^"]+)"(?:([=~])"([^"]*)")?\]')
_TYPES = {"nw": "nw", "wr": "wr", "nwr": "nwr", "node": "n", "way": "w"}

Tags = dict[str, str]


@dataclass
class MapData:
    """All objects of an OSM file, in memory."""

    nodes: dict[int, tuple[float, float, Tags]] = field(default_factory=dict)
    ways: dict[int, tuple[list[int], Tags]] = field(default_factory=dict)
    relations: dict[int, tuple[list[tuple[str, int, str]], Tags]] = field(default_factory=dict)
    _said: dict[str, str] = field(default_factory=dict)  # answers by query

    @classmethod
    def of(cls, path: Path) -> MapData:
        data = cls()
        for thing in osmium.FileProcessor(str(path)):
            tags = dict(thing.tags)
            if thing.is_node():
                data.nodes[thing.id] = (thing.location.lon, thing.location.lat, tags)
            elif thing.is_way():
                data.ways[thing.id] = ([n.ref for n in thing.nodes], tags)
            elif thing.is_relation():
                members = [(m.type, m.ref, m.role) for m in thing.members]
                data.relations[thing.id] = (members, tags)
        return data

    def answer(self, query: str) -> str:
        """The XML that a query gets; ValueError where it is not in our part of the language."""
        if query not in self._said:
            self._said[query] = self._answer(query)
        return self._said[query]

    def _answer(self, query: str) -> str:
        settings, found = _parse(query)
        assert settings.startswith("[out:xml][timeout:")
        chosen: dict[str, set[int]] = {"n": set(), "w": set(), "r": set()}
        for types, wanted, polygon in found:
            self._select(chosen, types, wanted, polygon)
        for i in chosen["r"]:
            for kind, ref, _ in self.relations[i][0]:
                if kind in "nw" and ref in (self.nodes if kind == "n" else self.ways):
                    chosen[kind].add(ref)
        for i in chosen["w"]:
            chosen["n"].update(n for n in self.ways[i][0] if n in self.nodes)
        return self._xml(chosen)

    def _select(self, chosen: Any, types: str, wanted: Any, polygon: Any) -> None:
        def fits(tags: Tags) -> bool:
            return all(wants(tags) for wants in wanted)

        def node_in(i: int) -> bool:
            return i in self.nodes and shapely.intersects_xy(polygon, *self.nodes[i][:2])

        def way_in(i: int) -> bool:
            places = [self.nodes[n][:2] for n in self.ways.get(i, ([], {}))[0] if n in self.nodes]
            line = shapely.LineString(places if len(places) > 1 else places * 2)
            return bool(polygon.intersects(line))

        within = {"n": node_in, "w": way_in, "r": lambda i: False}
        if "n" in types:
            chosen["n"] |= {i for i, n in self.nodes.items() if fits(n[2]) and node_in(i)}
        if "w" in types:
            chosen["w"] |= {i for i, w in self.ways.items() if fits(w[1]) and way_in(i)}
        if "r" in types:
            chosen["r"] |= {
                i for i, (members, tags) in self.relations.items()
                if fits(tags) and any(within[kind](ref) for kind, ref, _ in members)
            }  # fmt: skip

    def _xml(self, chosen: dict[str, set[int]]) -> str:
        lines = [_HEAD]
        for i in sorted(chosen["n"]):
            lng, lat, tags = self.nodes[i]
            lines.append(_element(f'node id="{i}" lat="{lat:.7f}" lon="{lng:.7f}"', "", tags))
        for i in sorted(chosen["w"]):
            refs, tags = self.ways[i]
            lines.append(_element(f'way id="{i}"', "".join(f'<nd ref="{r}"/>' for r in refs), tags))
        for i in sorted(chosen["r"]):
            members, tags = self.relations[i]
            long = {"n": "node", "w": "way", "r": "relation"}
            inner = "".join(
                f'<member type="{long[k]}" ref="{r}" role={quoteattr(role)}/>'
                for k, r, role in members
            )
            lines.append(_element(f'relation id="{i}"', inner, tags))
        return "\n".join([*lines, "", "</osm>", ""])


def _element(start: str, inner: str, tags: Tags) -> str:
    inner += "".join(f"<tag k={quoteattr(k)} v={quoteattr(v)}/>" for k, v in tags.items())
    return f"  <{start}>{inner}</{start.split(maxsplit=1)[0]}>" if inner else f"  <{start}/>"


def _parse(query: str) -> tuple[str, list[tuple[str, list[Callable[[Tags], bool]], Any]]]:
    """The settings, and (types, what the tags must satisfy, polygon) of each statement."""
    whole = re.fullmatch(
        r"(\[[^;]*\]);\s*\(\s*(.*?)\s*\);\s*\(\._;>;\);\s*out body;\s*", query, re.S
    )
    if whole is None:
        raise ValueError("parse error")
    found = []
    for statement in filter(None, (line.strip() for line in whole[2].split(";\n"))):
        parts = _STATEMENT.fullmatch(statement.removesuffix(";"))
        if parts is None:
            raise ValueError(f"parse error: {statement[:60]}")
        numbers = [float(x) for x in parts[3].split()]
        polygon = shapely.Polygon(zip(numbers[1::2], numbers[::2], strict=True))
        shapely.prepare(polygon)
        wanted = [_wants(*tag) for tag in _TAG.findall(parts[2])]
        found.append((_TYPES[parts[1]], wanted, polygon))
    return whole[1], found


def _wants(key: str, how: str, value: str) -> Callable[[Tags], bool]:
    if how == "=":
        return lambda tags: tags.get(key) == value
    if how == "~":
        return lambda tags: re.search(value, tags.get(key, "\0")) is not None
    return lambda tags: key in tags


@dataclass
class MapServers:
    """What the server says next, and what it was asked."""

    data: MapData
    outline: Any  # the place's shape
    nominatim: list[str] = field(default_factory=lambda: ["ok"])
    overpass: list[str] = field(default_factory=lambda: ["ok"])
    asked: list[tuple[str, str, dict[str, str]]] = field(
        default_factory=list
    )  # path, query, headers
    url: str = ""
    stalled: threading.Event = field(default_factory=threading.Event)  # a slow answer has begun
    over: threading.Event = field(default_factory=threading.Event)  # slow answers may end

    @property
    def nominatim_url(self) -> str:
        return self.url

    @property
    def overpass_url(self) -> str:
        return f"{self.url}/api"

    def paths(self) -> list[str]:
        return [path for path, _, _ in self.asked]

    def mood(self, moods: list[str]) -> str:
        return moods.pop(0) if len(moods) > 1 else moods[0]

    def place(self, geometry: dict[str, Any] | None = None) -> dict[str, Any]:
        """A result of Nominatim's search."""
        west, south, east, north = self.outline.bounds
        return {
            "place_id": 1, "licence": "Data © OpenStreetMap contributors, ODbL 1.0.",
            "osm_type": "relation", "osm_id": 4711, "lat": str(south), "lon": str(west),
            "category": "boundary", "type": "administrative", "place_rank": 12,
            "importance": 0.5, "addresstype": "city", "name": "河谷市",
            "display_name": "河谷市, 中国",
            "boundingbox": [str(v) for v in (south, north, west, east)],
            "geojson": geometry or shapely.geometry.mapping(self.outline),
        }  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    maps: MapServers

    def log_message(self, *_: Any) -> None:
        """Nothing on the console."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self._note(parts.path, parse_qs(parts.query).get("q", [""])[0])
        if parts.path == "/search":
            self._search(self.maps.mood(self.maps.nominatim))
        elif parts.path == "/moved":
            self._search("ok")
        elif parts.path == "/api/status":
            self._send(
                200, "Rate limit: 2\nSlot available after: 2026-11-22T00:00:07Z, in 7 seconds.\n"
            )
        else:
            self._send(404, "<html><body>Not Found</body></html>", "text/html")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = parse_qs(body)["data"][0]
        self._note(self.path, query)
        if self.path == "/api/interpreter":
            self._interpret(self.maps.mood(self.maps.overpass), query)
        elif self.path == "/moved/interpreter":
            self._interpret("ok", query)
        else:
            self._send(404, "<html><body>Not Found</body></html>", "text/html")

    def _note(self, path: str, query: str) -> None:
        self.maps.asked.append((path, query, dict(self.headers)))

    def _search(self, mood: str) -> None:
        maps = self.maps
        point = {"type": "Point", "coordinates": [0.0, 0.0]}
        results: dict[str, Any] = {
            "ok": [maps.place(point) | {"importance": 0.9}, maps.place()],
            "none": [],
            "point": [maps.place(point)],
            "no geojson": [{k: v for k, v in maps.place().items() if k != "geojson"}],
            "no importance": [{k: v for k, v in maps.place().items() if k != "importance"}],
            "metres": [maps.place(shapely.geometry.mapping(shapely.box(4e5, 0, 9e5, 9e5)))],
            "object": {"error": "bad request"},
        }  # fmt: skip
        if mood in results:
            self._send(200, json.dumps(results[mood]), "application/json; charset=utf-8")
        elif mood == "html":
            self._send(200, "<html><body>Log in to the hotel</body></html>", "text/html")
        elif mood == "moved":
            self._send(302, "", location=self.path.replace("/search", "/moved"))
        else:
            self._refuse(mood)

    def _refuse(self, mood: str) -> None:
        """Refusals that any server has."""
        if mood == "429 after 3":
            self._send(429, _PAGE.format(_REFUSED.format("rate_limited")), "text/html", retry="3")
        elif mood == "429 after 999":
            self._send(429, _PAGE.format(_REFUSED.format("rate_limited")), "text/html", retry="999")
        elif mood == "429":
            self._send(429, _PAGE.format(_REFUSED.format("rate_limited")), "text/html")
        elif mood == "504":
            self._send(504, _PAGE.format(_REFUSED.format("timeout. Too busy")), "text/html")
        elif mood == "403":
            self._send(403, "<html><body>Blocked\x1b[31m for abuse</body></html>", "text/html")
        elif mood == "drop":
            self.close_connection = True
        elif mood == "slow":
            self.maps.stalled.set()
            self.maps.over.wait(30)
            self.close_connection = True
        else:
            raise AssertionError(f"no such mood: {mood}")

    def _interpret(self, mood: str, query: str) -> None:
        try:
            xml = self.maps.data.answer(query)
        except ValueError as error:
            self._send(400, _PAGE.format(error), "text/html")
            return
        kind = "application/osm3s+xml"
        remark = "  <remark> runtime error: {} </remark>\n</osm>"
        changed = {
            "ok": xml,
            "timed out": xml.replace(
                "</osm>", remark.format('Query timed out in "query" at line 3 after 181 seconds.')
            ),
            "no memory": _HEAD
            + remark.format("Query run out of memory using about 2048 MB of RAM."),
            "too busy": _HEAD + remark.format("The server is probably too busy."),
            "strange": _HEAD + remark.format("open64: 2 No such file"),
            "truncated": xml[: len(xml) // 2],
            "not xml": "streets, and more streets",
            "empty": _HEAD + "</osm>",
            "other root": "<gpx></gpx>",
            "unsorted": xml.replace("</osm>", '<node id="1" lat="0" lon="0"/></osm>'),
            "nothing": "",
            "bomb": '<!DOCTYPE osm [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
            '<osm version="0.6"><note>&b;</note></osm>',
        }
        if mood in changed:
            self._send(200, changed[mood], kind)
        elif mood == "html":
            self._send(200, _PAGE.format("odd"), "text/html")
        elif mood == "gzip":
            self._send_bytes(200, gzip.compress(xml.encode()), kind, encoding="gzip")
        elif mood == "cut":  # the connection breaks in the middle
            self._send_bytes(200, xml.encode()[:5000], kind, length=len(xml.encode()))
            self.close_connection = True
        elif mood == "stall":  # begins, and then says nothing more
            self._send_bytes(200, xml.encode()[:5000], kind, length=len(xml.encode()))
            self._refuse("slow")
        elif mood == "moved":
            self._send(307, "", location="/moved/interpreter")
        elif mood == "found":
            self._send(302, "", location="/moved/interpreter")
        elif mood == "circle":
            self._send(302, "", location="/api/interpreter")
        else:
            self._refuse(mood)

    def _send(
        self,
        status: int,
        text: str,
        kind: str = "text/plain",
        *,
        retry: str = "",
        location: str = "",
    ) -> None:
        self._send_bytes(status, text.encode(), kind, retry=retry, location=location)

    def _send_bytes(
        self, status: int, body: bytes, kind: str, *, length: int | None = None,
        retry: str = "", location: str = "", encoding: str = "",
    ) -> None:  # fmt: skip
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        named = {"Retry-After": retry, "Location": location, "Content-Encoding": encoding}
        for name, value in named.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


@contextmanager
def serving(data: MapData, outline: Any) -> Iterator[MapServers]:
    """Both servers on one loopback port, until the block ends."""
    maps = MapServers(data, outline)
    handler = type("Handler", (_Handler,), {"maps": maps})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    maps.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield maps
    finally:
        maps.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
