"""A place's map by its name: what is asked, what is kept, and what happens when servers refuse."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import osmium
import pandas as pd
import pytest
import shapely
from osmnx import settings

from conftest import ROOT
from map_servers import OSM_DATE, MapData, MapServers, serving
from servicecircle import places, read_osm
from servicecircle.cache import cache_folder
from servicecircle.errors import FetchError, OutputError
from servicecircle.fetching import overpass, web
from servicecircle.fetching.fetch import Fetched, cached_place, fetch_place
from servicecircle.fetching.outline import area_around, inside, read_outline
from servicecircle.fetching.overpass import FILTERS, query_of
from servicecircle.proxies import HOST_KINDS, PROXIES

HEGU = ROOT / "data" / "hegu.osm.pbf"
PLACE = "河谷市"


@pytest.fixture(scope="module")
def hegu() -> MapData:
    return MapData.of(HEGU)


@pytest.fixture(scope="module")
def quarter(hegu: MapData) -> MapData:
    """A quarter of the city, 3 km wide: quick to serve."""
    x, y = _middle(hegu)
    near = {i: n for i, n in hegu.nodes.items() if abs(n[0] - x) + abs(n[1] - y) < 0.015}
    ways = {i: w for i, w in hegu.ways.items() if set(w[0]) <= near.keys()}
    return MapData(near, ways)


@pytest.fixture
def maps(quarter: MapData) -> Iterator[MapServers]:
    with serving(quarter, _square(*_middle(quarter), 0.005)) as servers:
        yield servers


@pytest.fixture(autouse=True)
def naps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[float]:
    """No pause is slept through; the seconds of each are noted. The cache lies in tmp_path."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    monkeypatch.setenv("SERVICECIRCLE_CACHE", str(tmp_path / "缓存"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("NOMINATIM", "OVERPASS"):
        monkeypatch.delenv(f"SERVICECIRCLE_{name}_URL", raising=False)
    return slept


def _middle(data: MapData) -> tuple[float, float]:
    lng, lat = np.array([n[:2] for n in data.nodes.values()]).T
    return float(np.median(lng)), float(np.median(lat))


def _square(lng: float, lat: float, half: float) -> Any:
    return shapely.box(lng - half, lat - half, lng + half, lat + half)


def fetch(maps: MapServers, place: str = PLACE, **how: Any) -> Fetched:
    urls = {"nominatim_url": maps.nominatim_url, "overpass_url": maps.overpass_url}
    return fetch_place(place, **{**urls, "timeout": 20, **how})


def leftovers() -> list[Path]:
    """What lies in the cache and is no whole download."""
    files = [p for p in cache_folder().rglob("*") if p.is_file()]
    return [p for p in files if not p.parent.name[0].isdigit()]


def refusal(maps: MapServers, **how: Any) -> FetchError:
    """The error of a fetch that must fail and leave nothing."""
    with pytest.raises(FetchError) as caught:
        fetch(maps, **how)
    assert cached_place(PLACE) is None
    assert leftovers() == []
    error = caught.value
    assert any("\u4e00" <= c <= "\u9fff" for c in error.zh)
    assert not any("\u4e00" <= c <= "\u9fff" for c in error.en.replace(PLACE, ""))
    assert "Traceback" not in str(error)
    return error


# --- what comes is what the servers hold ----------------------------------------------------------


def same_network(a: Path, b: Path) -> None:
    one, two = read_osm(a), read_osm(b)
    for each in dataclasses.fields(one):
        left, right = getattr(one, each.name), getattr(two, each.name)
        if isinstance(left, pd.DataFrame):
            pd.testing.assert_frame_equal(left, right)
        elif isinstance(left, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=each.name)
        elif each.name not in ("source", "date"):
            assert left == right, each.name


def test_the_whole_city_comes_back_as_it_was(hegu: MapData) -> None:
    lng, lat = np.array([n[:2] for n in hegu.nodes.values()]).T
    outline = shapely.box(lng.min(), lat.min(), lng.max(), lat.max())
    with serving(hegu, outline) as maps:
        found = fetch(maps)
    same_network(HEGU, found.osm)
    pd.testing.assert_frame_equal(places.read_places(HEGU), places.read_places(found.osm))
    for read in (places.read_districts_of, places.read_water):
        before, after = read(HEGU), read(found.osm)
        assert before is not None and after is not None and len(before) > 3
        assert set(before.geometry.normalize().to_wkb()) == set(after.geometry.normalize().to_wkb())
    assert (found.name, found.date) == ("河谷市, 中国", OSM_DATE)
    assert read_outline(found.outline).shape.equals(outline)


def test_a_real_extract_comes_back_as_it_was(helsinki: Path) -> None:
    data = MapData.of(helsinki)
    lng, lat = np.array([n[:2] for n in data.nodes.values()]).T
    with serving(data, shapely.box(lng.min(), lat.min(), lng.max(), lat.max())) as maps:
        found = fetch(maps, "Helsinki", margin_m=100)
    same_network(helsinki, found.osm)
    pd.testing.assert_frame_equal(places.read_places(helsinki), places.read_places(found.osm))


@pytest.mark.parametrize("margin_m", [0, 700, 3000])
def test_all_within_the_margin_comes_and_not_the_whole_city(hegu: MapData, margin_m: float) -> None:
    x, y = _middle(hegu)
    outline = shapely.Polygon([(x - 0.006, y), (x, y - 0.004), (x + 0.006, y), (x, y + 0.004)])
    with serving(hegu, outline) as maps:
        network = read_osm(fetch(maps, margin_m=margin_m).osm)
    assert network.missing_nodes == 0
    streets = read_osm(HEGU).ways.index
    lines = [shapely.LineString([hegu.nodes[n][:2] for n in hegu.ways[w][0]]) for w in streets]
    table = gpd.GeoSeries(lines, index=streets, crs="EPSG:4326")
    utm = table.estimate_utm_crs()
    metres = table.to_crs(utm).distance(gpd.GeoSeries([outline], crs="EPSG:4326").to_crs(utm)[0])
    came = metres.index.isin(network.ways.index)
    assert came[metres < margin_m * 0.999].all()
    assert not came[metres > margin_m * 1.001 + 150].any()
    assert 10 < came.sum() < 0.9 * len(streets)


def test_the_query_asks_for_all_that_is_read() -> None:
    """Every proxy, host kind and water tag is matched by a filter, for the kinds that are read."""
    square = query_of([list(shapely.box(0, 0, 1, 1).exterior.coords)], 20)

    def brings(kind: str, tags: dict[str, str]) -> bool:
        data = MapData({1: (0.5, 0.5, {}), 2: (0.6, 0.6, {})}, {3: ([1, 2, 1], {})})
        objects = {"n": data.nodes, "w": data.ways}
        if kind == "n":
            data.nodes[1] = (0.5, 0.5, tags)
        elif kind == "w":
            data.ways[3] = ([1, 2, 1], tags)
        else:
            data.relations[4] = ([("w", 3, "outer")], tags)
            return "<relation" in data.answer(square)
        assert objects[kind]
        return ("<node" if kind == "n" else "<way") in data.answer(square)

    def each(tags: Any) -> Iterator[dict[str, str]]:
        for key, values in tags:
            yield from ({key: value} for value in values or ("anything",))

    for kind in (*PROXIES.values(), *HOST_KINDS.values()):
        for tags in each(kind.tags):
            kinds = "w" if getattr(kind, "per", "") == "km" else "n" if "highway" in tags else "nw"
            assert all(brings(k, tags) for k in kinds), tags
    for key, value in places.WATER_TAGS:
        assert brings("w", {key: value}) and brings("r", {key: value})
    for level in (*places.DISTRICT_LEVELS, 5, 9, 10):
        district = {"boundary": "administrative", "admin_level": str(level)}
        assert brings("w", district) and brings("r", district)
    assert not brings("r", {"boundary": "administrative", "admin_level": "4"})
    assert brings("w", {"railway": "rail"}) and brings("w", {"waterway": "canal"})
    assert not brings("w", {"building": "yes"}) and not brings("n", {"natural": "tree"})
    assert len(FILTERS) == len(set(FILTERS))


def test_the_file_is_what_osmium_calls_sorted(maps: MapServers) -> None:
    seen = [(t.type_str(), t.id) for t in osmium.FileProcessor(str(fetch(maps).osm))]
    assert seen == sorted(seen, key=lambda t: ("nwr".index(t[0]), t[1]))
    assert len(seen) == len(set(seen)) > 100


def test_the_outline_says_where_it_comes_from(maps: MapServers) -> None:
    found = fetch(maps)
    table = gpd.read_file(found.outline)
    assert table.crs.to_epsg() == 4326
    row = table.iloc[0]
    assert (row["query"], row["osm_type"], row["osm_id"]) == (PLACE, "relation", 4711)
    assert row["margin_m"] == 3000
    assert "ODbL" in row["attribution"]
    assert datetime.fromisoformat(row["fetched"].isoformat()) <= datetime.now(UTC)
    assert found.osm.name == "河谷市.osm"
    assert "河谷市" in found.osm.parents[1].name
    assert all(OSM_DATE[:10] in text and PLACE in text for text in found.note)


def test_servers_are_told_who_asks_and_osmnx_is_left_as_it_was(maps: MapServers) -> None:
    before = {k: v for k, v in vars(settings).items() if not k.startswith("_")}
    fetch(maps)
    assert {k: v for k, v in vars(settings).items() if not k.startswith("_")} == before
    assert maps.paths() == ["/search", "/api/interpreter"]
    assert all(h["User-Agent"].startswith("servicecircle/") for _, _, h in maps.asked)
    assert not (Path.cwd() / "cache").exists()  # OSMnx would keep its own


def test_servers_can_be_named_by_the_environment(
    maps: MapServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICECIRCLE_NOMINATIM_URL", f"{maps.url}/search")
    monkeypatch.setenv("SERVICECIRCLE_OVERPASS_URL", f"{maps.url}/api/interpreter/")
    assert fetch_place(PLACE).osm.exists()
    assert maps.paths() == ["/search", "/api/interpreter"]


def test_a_packed_answer_is_unpacked(maps: MapServers) -> None:
    maps.overpass = ["gzip"]
    plain = fetch(maps, folder=cache_folder() / "1").osm.read_bytes()
    maps.overpass = ["ok"]
    assert fetch(maps, folder=cache_folder() / "2").osm.read_bytes() == plain


# --- the cache ------------------------------------------------------------------------------------


def test_the_second_call_asks_nobody_and_says_the_date(maps: MapServers) -> None:
    first = fetch(maps)
    asked = len(maps.asked)
    second = fetch(maps)
    assert len(maps.asked) == asked == 2
    assert not first.cached and second.cached
    assert second == dataclasses.replace(first, cached=True) == cached_place(PLACE)
    assert "缓存" in second.note[0] and "cache" in second.note[1]
    assert fetch(maps, f"  {PLACE}\n").osm == first.osm  # white space does not make another place
    assert len(maps.asked) == 2


def test_another_place_or_margin_is_another_question(maps: MapServers) -> None:
    fetch(maps)
    assert cached_place(PLACE, margin_m=1000) is None
    assert cached_place("河谷") is None
    assert fetch(maps, margin_m=1000).osm != fetch(maps).osm
    assert len(maps.asked) == 4


def test_refresh_fetches_anew_and_a_failed_one_leaves_the_older(maps: MapServers) -> None:
    first = fetch(maps)
    second = fetch(maps, refresh=True)
    assert second.osm != first.osm and first.osm.exists()
    assert not second.cached and len(maps.asked) == 4
    maps.overpass = ["timed out"]
    with pytest.raises(FetchError):
        fetch(maps, refresh=True)
    assert leftovers() == []
    assert fetch(maps) == dataclasses.replace(second, cached=True)


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "outline cut", "outline gone"])
def test_a_damaged_cache_is_fetched_anew(maps: MapServers, damage: str) -> None:
    found = fetch(maps)
    whole = found.osm.read_bytes()
    if damage == "cut":
        found.osm.write_bytes(whole[:-100])
    elif damage == "flip":
        found.osm.write_bytes(whole.replace(b"residential", b"residentiaI", 1))
    elif damage == "gone":
        found.osm.unlink()
    elif damage == "outline cut":
        found.outline.write_bytes(found.outline.read_bytes()[:-50])
    else:
        found.outline.unlink()
    assert cached_place(PLACE) is None
    again = fetch(maps)
    assert not again.cached and again.osm.read_bytes() == whole
    assert fetch(maps).cached


def test_a_damaged_refresh_falls_back_to_the_one_before(maps: MapServers) -> None:
    first, second = fetch(maps), fetch(maps, refresh=True)
    second.osm.write_text("")
    assert fetch(maps).osm == first.osm


def test_a_cache_that_cannot_be_written_is_said(maps: MapServers, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        fetch(maps, folder=tmp_path / "file")
    assert "SERVICECIRCLE_CACHE" in caught.value.en and "SERVICECIRCLE_CACHE" in caught.value.zh


def test_a_full_disk_is_said_and_leaves_nothing(
    maps: MapServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(overpass._Check, "feed", full)
    with pytest.raises(OutputError, match="No space left"):
        fetch(maps)
    assert leftovers() == [] and cached_place(PLACE) is None


def test_without_the_variable_the_platform_names_the_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SERVICECIRCLE_CACHE", "~/x")
    assert cache_folder() == Path.home() / "x"
    monkeypatch.setenv("SERVICECIRCLE_CACHE", "")
    assert cache_folder().is_absolute() and "servicecircle" in cache_folder().name


def test_threads_that_ask_at_once_fetch_once(maps: MapServers) -> None:
    found: list[Fetched] = []
    threads = [threading.Thread(target=lambda: found.append(fetch(maps))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({f.osm for f in found}) == 1 and len(found) == 5
    assert len(maps.asked) == 2


def _process(maps: MapServers) -> subprocess.Popen[str]:
    """Another process that fetches the place and prints where it is."""
    code = (
        "from servicecircle.fetching.fetch import fetch_place\n"
        f"print(fetch_place({PLACE!r}, nominatim_url={maps.nominatim_url!r}, "
        f"overpass_url={maps.overpass_url!r}, timeout=60).osm)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "coverage"), "PYTHONUTF8": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_processes_that_ask_at_once_do_no_harm(maps: MapServers) -> None:
    processes = [_process(maps) for _ in range(2)]
    paths = [Path(p.communicate(timeout=120)[0].strip()) for p in processes]
    assert all(p.returncode == 0 for p in processes)
    expected = maps.data.answer(next(q for path, q, _ in maps.asked if "interpreter" in path))
    assert all(p.read_text(encoding="utf-8") == expected for p in paths)
    assert leftovers() == []
    assert fetch(maps).cached


def test_a_killed_download_is_never_seen_and_swept_later(maps: MapServers) -> None:
    maps.overpass = ["stall"]
    process = _process(maps)
    pause, end = threading.Event(), time.monotonic() + 120
    while not leftovers() and time.monotonic() < end:  # until it has begun to write
        pause.wait(0.05)
    process.kill()
    process.communicate()
    left = leftovers()
    assert left, "the test means to leave something half-written"
    assert cached_place(PLACE) is None
    maps.overpass = ["ok"]
    fetch(maps)
    assert leftovers() == left  # it could be another process's, still at work
    yesterday = time.time() - 90_000
    for path in {*left, *(each.parent for each in left)}:
        os.utime(path, (yesterday, yesterday))
    fetch(maps, refresh=True)
    assert leftovers() == []


def test_ctrl_c_leaves_nothing(maps: MapServers, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(overpass._Check, "feed", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(maps)
    assert leftovers() == [] and cached_place(PLACE) is None


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ("none", "there is no"),
        ("point", "a point without an outline"),
        ("no geojson", "a point without an outline"),
        ("no importance", "did not answer as Nominatim does"),
        ("metres", "did not answer as Nominatim does"),
        ("object", "did not answer as Nominatim does"),
        ("html", "hotel"),
        ("403", "Blocked [31m for abuse"),
        ("504", "Tried 4 times"),
        ("429 after 999", "asks to wait 999 s"),
        ("drop", "cannot be reached"),
    ],
)
def test_nominatim_refuses(maps: MapServers, mood: str, said: str) -> None:
    maps.nominatim = [mood]
    error = refusal(maps)
    assert said in error.en
    assert "/api/interpreter" not in maps.paths()


@pytest.mark.parametrize(
    ("mood", "said", "times"),
    [
        ("504", "busy (HTTP 504: Error: runtime error", 4),
        ("429", "rate_limited", 4),
        ("429 after 999", "asks to wait 999 s", 1),
        ("403", "refused the request (HTTP 403", 1),
        ("html", "did not answer with OSM data (text/html", 1),
        ("timed out", "too large", 1),
        ("no memory", "too large", 1),
        ("too busy", "too busy", 4),
        ("strange", "did not complete the query", 1),
        ("truncated", "cut short or damaged", 4),
        ("cut", "cannot be reached", 4),
        ("drop", "cannot be reached", 4),
        ("nothing", "did not answer with Overpass OSM XML", 1),
        ("not xml", "did not answer with Overpass OSM XML", 1),
        ("other root", "<gpx>", 1),
        ("bomb", "DOCTYPE", 1),
        ("unsorted", "→ <node id=1>", 1),
        ("empty", "no streets at all", 1),
        ("circle", "redirects without end", 6),
    ],
)
def test_overpass_refuses(maps: MapServers, mood: str, said: str, times: int) -> None:
    maps.overpass = [mood]
    error = refusal(maps)
    assert said in error.en
    assert maps.paths().count("/api/interpreter") == times
    assert ("Tried" in error.en) == (times == 4)


@pytest.mark.parametrize(
    ("moods", "waits"),
    [
        (["429 after 3", "ok"], [3]),
        (["429", "ok"], [7]),  # as the status page says
        (["504", "504", "504", "ok"], [5, 10, 20]),
        (["cut", "truncated", "ok"], [5, 10]),
        (["too busy", "ok"], [5]),
    ],
)
def test_a_busy_overpass_is_asked_again(
    maps: MapServers, naps: list[float], moods: list[str], waits: list[float]
) -> None:
    maps.overpass = list(moods)
    steps: list[str] = []
    found = fetch(maps, progress=lambda step, done: steps.append(step))
    query = next(q for path, q, _ in maps.asked if path == "/api/interpreter")
    assert found.osm.read_text(encoding="utf-8") == maps.data.answer(query)
    assert naps == [1, *waits]  # OSMnx waits a second before it asks Nominatim
    tried = [word for _ in waits for word in ("download", "wait")]
    assert steps == ["geocode", *tried, "download"]


def test_a_busy_nominatim_is_asked_again(maps: MapServers, naps: list[float]) -> None:
    maps.nominatim = ["429 after 3", "504", "ok"]
    assert fetch(maps).osm.exists()
    assert naps == [1, 3, 1, 10, 1]
    assert maps.paths() == ["/search"] * 3 + ["/api/interpreter"]


def test_redirects_lead_on(maps: MapServers) -> None:
    maps.nominatim, maps.overpass = ["moved"], ["moved", "found"]
    fetch(maps)
    fetch(maps, refresh=True)
    once = ["/search", "/moved", "/api/interpreter", "/moved/interpreter"]
    assert maps.paths() == once * 2
    queries = [q for path, q, _ in maps.asked if "interpreter" in path]
    assert len(set(queries)) == 1 and queries[0]


def test_a_redirect_never_leads_from_https_to_http() -> None:
    class Session:
        asked: list[str] = []  # noqa: RUF012 (one test, one list)

        def post(self, url: str, **_: Any) -> Any:
            self.asked.append(url)
            to = SimpleNamespace(url="http://example.org/api/interpreter")
            return SimpleNamespace(status_code=302, next=to, close=lambda: None)

    with pytest.raises(web.RefusalError):
        overpass._post(Session(), "https://example.org/api/interpreter", "out;", 1)
    assert Session.asked == ["https://example.org/api/interpreter"]


@pytest.mark.parametrize("which", ["nominatim", "overpass", "stall"])
def test_silence_ends(maps: MapServers, which: str) -> None:
    setattr(maps, "nominatim" if which == "nominatim" else "overpass", ["slow"])
    if which == "stall":
        maps.overpass = ["stall"]
    begun = time.monotonic()
    assert "did not answer within" in refusal(maps, timeout=0.3).en
    assert time.monotonic() - begun < 15  # not the half minute that the server is silent


def test_a_trickle_and_a_flood_end(maps: MapServers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overpass, "MAX_BYTES", 1000)
    assert "too large" in refusal(maps).en
    monkeypatch.setattr(overpass, "MAX_BYTES", 1 << 30)
    monkeypatch.setattr(overpass, "LONGEST_S", -1)
    assert "too large" in refusal(maps).en


def test_nobody_listens(maps: MapServers) -> None:
    nowhere = "http://127.0.0.1:9"
    assert "127.0.0.1:9 cannot be reached" in refusal(maps, nominatim_url=nowhere).en
    assert "127.0.0.1:9 cannot be reached" in refusal(maps, overpass_url=nowhere).en
    assert "--osm" in refusal(maps, nominatim_url="http://no-such-host.invalid").en


@pytest.mark.parametrize("url", ["ftp://x/y", "example.org", "http://", "http://[::1", "x" * 9999])
def test_an_address_that_is_none(maps: MapServers, url: str) -> None:
    assert "no server address" in refusal(maps, overpass_url=url).en
    assert "no server address" in refusal(maps, nominatim_url=url).en


def test_passwords_in_an_address_stay_unsaid(maps: MapServers) -> None:
    base = maps.url.replace("://", "://me:secret@")
    found = fetch(maps, nominatim_url=base, overpass_url=f"{base}/api")
    assert "secret" not in found.outline.read_text(encoding="utf-8")
    maps.overpass = ["403"]
    with pytest.raises(FetchError) as caught:
        fetch(maps, overpass_url=f"{base}/api", refresh=True)
    assert "secret" not in str(caught.value)


# --- names ----------------------------------------------------------------------------------------

HOSTILE = [
    '"];out;/*', "../../../etc/passwd", "a/b\\c", "CON", "x\x00\x1b[31m\u202ey", "🏙️ 城", "'; -- x",
    "Frankfurt (Oder) & co. <b>", "नई दिल्ली", ".hidden", "长" * 300, "?" * 5 + "a",
]  # fmt: skip


@pytest.mark.parametrize("place", HOSTILE)
def test_hostile_names_are_only_names(maps: MapServers, place: str) -> None:
    found = fetch(maps, place)
    root = cache_folder().resolve()
    assert found.osm.resolve().is_relative_to(root)
    assert len(found.osm.resolve().relative_to(root).parts) == 4
    assert all(len(part.encode()) < 200 for part in found.osm.parts)
    assert not found.osm.name.startswith((".", "-"))
    asked = maps.asked[0][1]
    assert asked == web.clean(place, 300)
    query = maps.asked[1][1]
    assert not set(query) - set(query_of([[(0, 0)]], 20)) - set("0123456789.- ")
    assert fetch(maps, place).cached and len(maps.asked) == 2
    assert read_osm(found.osm).n_edges > 0


@pytest.mark.parametrize(
    "place", ["", "  \n\t", "~", "'; --", "/", "\x00", "长" * 301, "x" * 10_000]
)
def test_names_that_are_none_ask_nobody(maps: MapServers, place: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(maps, place)
    assert maps.asked == [] and len(str(caught.value)) < 400


def test_names_that_look_alike_are_kept_apart(maps: MapServers) -> None:
    assert len({fetch(maps, name).osm.parent for name in ("a/b", "a-b", "a b", "A b")}) == 4


@pytest.mark.parametrize(
    "how", [{"margin_m": -1}, {"margin_m": float("nan")}, {"margin_m": 1e6}, {"timeout": 0},
            {"timeout": float("nan")}, {"timeout": -3}],
)  # fmt: skip
def test_figures_that_will_not_do(maps: MapServers, how: dict[str, float]) -> None:
    with pytest.raises(FetchError):
        fetch(maps, **how)
    assert maps.asked == []


# --- outlines -------------------------------------------------------------------------------------


def write_outline(path: Path, shape: Any) -> Path:
    gpd.GeoSeries([shape], crs="EPSG:4326").to_file(path, driver="GeoJSON")
    return path


def test_inside_agrees_with_geopandas(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    island = shapely.Point(101.2, 36.4).buffer(0.05, 7)
    shape = shapely.MultiPolygon(
        [shapely.Point(101, 36.5).buffer(0.1, 9).difference(shapely.Point(101, 36.5).buffer(0.03)),
         island]
    )  # fmt: skip
    path = write_outline(tmp_path / "o.geojson", shape)
    kept = gpd.read_file(path).geometry[0]
    lng, lat = rng.uniform(100.8, 101.3, 5000), rng.uniform(36.3, 36.7, 5000)
    expected = gpd.GeoSeries.from_xy(lng, lat).intersects(kept)
    assert 500 < expected.sum() < 4500
    np.testing.assert_array_equal(inside(path, lng, lat), expected)


def test_the_border_is_inside_and_a_metre_beyond_is_not(tmp_path: Path) -> None:
    outer = [(101.03, 36.51), (101.27, 36.47), (101.31, 36.62), (101.11, 36.71)]
    hole = [(101.14, 36.55), (101.19, 36.56), (101.16, 36.60)]
    path = write_outline(tmp_path / "o.geojson", shapely.Polygon(outer, [hole]))
    for ring in (outer, hole):
        corners = np.array(ring)
        ends = np.roll(corners, -1, axis=0)
        t = np.linspace(0, 1, 101)[:, None, None]
        border = (corners + t * (ends - corners)).reshape(-1, 2)
        assert inside(path, *border.T).all()
        middle = corners.mean(axis=0)
        nudged = border + (border - middle) * (1e-5 if ring is outer else -1e-5)
        assert not inside(path, *nudged.T).any()


def test_inside_of_odd_points(tmp_path: Path) -> None:
    path = write_outline(tmp_path / "轮廓.geojson", shapely.box(0, 0, 1, 1))
    nan, inf = float("nan"), float("inf")
    points = [(nan, 0.5), (0.5, nan), (inf, 0.5), (0.5, 0.5)]
    assert inside(path, *np.array(points).T).tolist() == [False, False, False, True]
    assert inside(path, [], []).shape == (0,)
    assert inside(path, np.zeros((3, 1)), np.array([0.5, 2])).tolist() == [[True, False]] * 3
    assert bool(inside(str(path), 1, 1))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"features": []}', '{"features": [{"geometry": '
    '{"type": "Point", "coordinates": [0, 0]}, "properties": {}}]}', "\xff"])  # fmt: skip
def test_an_outline_that_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "o.geojson"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FetchError, match=r"--refresh"):
        inside(path, 0, 0)
    with pytest.raises(FetchError):
        inside(tmp_path / "none", 0, 0)


def test_a_broken_outline_is_mended(maps: MapServers) -> None:
    """Nominatim may hold a boundary that crosses itself."""
    x, y = _middle(maps.data)
    bow = shapely.Polygon(
        [(x - 0.01, y - 0.01), (x + 0.01, y + 0.01), (x + 0.01, y - 0.01), (x - 0.01, y + 0.01)]
    )
    assert not bow.is_valid
    maps.outline = bow
    found = fetch(maps)
    assert read_outline(found.outline).shape.is_valid
    assert inside(found.outline, [x - 0.009, x, x], [y, y + 0.005, y]).tolist() == [
        True,
        False,
        True,
    ]


def ring_polygons(shape: Any, margin_m: float) -> list[Any]:
    return [shapely.Polygon(ring) for ring in area_around(shape, margin_m)]


@pytest.mark.parametrize("lat", [0.0, 36.6, -33.9, 69.6])
@pytest.mark.parametrize("margin_m", [0.0, 3000.0])
def test_the_area_holds_the_margin_and_not_much_more(lat: float, margin_m: float) -> None:
    rng = np.random.default_rng(7)
    angle = np.linspace(0, 2 * np.pi, 4000, endpoint=False)
    radius = 0.05 + 0.01 * np.cumsum(rng.normal(0, 0.02, 4000))
    shape = shapely.Polygon(
        np.column_stack([101 + radius * np.cos(angle), lat + radius * np.sin(angle)])
    ).buffer(0)
    place = gpd.GeoSeries([shape], crs=4326)
    utm = place.estimate_utm_crs()
    exact = place.to_crs(utm).buffer(margin_m * 0.9995).iloc[0]
    area = gpd.GeoSeries(ring_polygons(shape, margin_m), crs=4326).to_crs(utm).union_all()
    assert area.buffer(0.5).covers(exact)
    assert shapely.hausdorff_distance(area.boundary, exact.boundary) < 1500
    assert sum(len(p.exterior.coords) for p in ring_polygons(shape, margin_m)) <= 200


def test_far_apart_parts_stay_apart_and_many_are_held_together() -> None:
    two = shapely.MultiPolygon([_square(139.7, 35.7, 0.1), _square(153.98, 24.28, 0.01)])
    assert len(ring_polygons(two, 3000)) == 2
    crumbs = shapely.MultiPolygon(
        [_square(10 + i * 0.1, 60 + j * 0.06, 0.005) for i in range(8) for j in range(8)]
    )
    (hull,) = ring_polygons(crumbs, 500)
    assert hull.covers(crumbs)


def test_holes_are_filled() -> None:
    ring = _square(10, 50, 0.1).difference(_square(10, 50, 0.08))
    (area,) = ring_polygons(ring, 0)
    assert area.covers(shapely.Point(10, 50))


def test_places_that_no_server_is_for() -> None:
    with pytest.raises(FetchError, match="Geofabrik"):
        area_around(shapely.box(100, 30, 110, 40), 3000)
    with pytest.raises(FetchError, match="180th"):
        area_around(shapely.box(179.9, -17, 180, -16.9), 30_000)
    with pytest.raises(FetchError):
        area_around(shapely.box(-180, -90, 180, 90), 3000)


# --- small things ---------------------------------------------------------------------------------


def test_retry_after() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (web.seconds_of(soon) or 0) <= 60
    assert web.seconds_of("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert web.seconds_of(" 12 ") == 12
    assert [web.seconds_of(t) for t in (None, "", "soon", "-3", "١٢", "1e9")] == [None] * 6


def test_excerpts_carry_no_markup_and_no_controls() -> None:
    page = (
        b"<html><style>x</style><p>The data &amp; more</p><b>Error</b>: \x1b[2J no \x00slot</html>"
    )
    assert web.excerpt(page, "text/html") == "Error: [2J no slot"
    assert web.excerpt(b"") == "—"
    assert len(web.excerpt(b"a " * 10_000)) == 200


def test_nothing_heavy_comes_with_the_import() -> None:
    heavy = "sorted({'osmnx', 'requests'} & set(sys.modules))"
    code = f"import sys, servicecircle.fetching.fetch; print({heavy})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "coverage")}
    ran = subprocess.run(
        [sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True
    )
    assert ran.stdout.strip() == "[]"
