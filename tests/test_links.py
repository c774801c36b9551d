"""Links and QR codes: parsed back by hand-written readers, decoded by other people's."""

from __future__ import annotations

import csv
import shutil
from urllib.parse import parse_qsl, unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
import zxingcpp
from PIL import Image, ImageFilter
from pyproj import Geod

import hostile
from datums import FORWARD, back_to_wgs84
from servicecircle import plan_folder
from servicecircle.errors import OutputError
from servicecircle.export import links, qr
from servicecircle.export.export_plan import read_plan
from servicecircle.export.links import (
    DATUMS,
    LIMITS,
    MAKERS,
    baidu_link,
    gaode_link,
    station_links,
    tencent_link,
)
from servicecircle.export.qr import QUIET_ZONE, qr_code, qr_matrix, qr_png, qr_svg, write_qr

NAMES = {
    "plain": "俭杨路环卫驿站",
    "signs": "a&b=c?d#e,f|g;h:i/j+k%l m\"n'o<p>q",
    "emoji": "驿站😀👨‍👩‍👧",
    "rare": "𠮷㐂驿站",
    "percent": "100%25 %zz",
}


# --- reading links: each provider's form, by what its documentation says --------------------------


def read_gaode(link):
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "uri.amap.com", "/marker")
    query = dict(parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True))
    assert set(query) - {"coordinate"} == {"position", "name", "src", "callnative"}
    lng, lat = (float(text) for text in query["position"].split(","))
    return query["name"], query["name"], lng, lat, query.get("coordinate", "gaode")  # the default


def read_baidu(link):
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("http", "api.map.baidu.com", "/marker")
    query = dict(parse_qsl(parts.query, strict_parsing=True, keep_blank_values=True))
    assert set(query) == {"location", "title", "content", "output", "coord_type", "src"}
    assert query["output"] == "html" and len(query["src"].split(".")) == 3 and query["content"]
    lat, lng = (float(text) for text in query["location"].split(","))
    return query["title"], query["content"], lng, lat, query["coord_type"]


def read_tencent(link):
    """As the server would: the marker is decoded, then split at ``;`` and ``:``."""
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc) == ("https", "apis.map.qq.com")
    assert parts.path == "/uri/v1/marker"
    pairs = [pair.split("=") for pair in parts.query.split("&")]
    query = {name: unquote(value) for name, value in pairs}
    assert set(query) == {"marker", "coord_type", "referer"} and "|" not in query["marker"]
    marker = dict(part.split(":") for part in query["marker"].split(";"))
    assert set(marker) == {"coord", "title", "addr"} and marker["addr"]
    lat, lng = (float(text) for text in marker["coord"].split(","))
    return marker["title"], marker["addr"], lng, lat, query["coord_type"]


READERS = {"gaode": read_gaode, "baidu": read_baidu, "tencent": read_tencent}


# --- links ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", list(MAKERS))
def test_links_lead_back_to_the_station_within_a_centimetre(hegu_folder, to):
    plan = read_plan(hegu_folder)
    table = station_links(plan)
    assert table["site_id"].tolist() == plan.stations["site_id"].tolist()
    words = {"gaode": "gaode", "baidu": "bd09ll", "tencent": "2"}
    for link, row in zip(table[to], plan.stations.itertuples(), strict=True):
        name, more, lng, lat, datum = READERS[to](link)
        assert datum == words[to]
        there = back_to_wgs84(FORWARD[DATUMS[to]], lng, lat)
        away = Geod(ellps="WGS84").inv(*there, row.lng, row.lat)[2]
        assert away < 0.01
        assert name.startswith(row.name)
        first = row.services[:2]
        assert first in more or (to == "gaode" and len(row.name) > 10)  # what there is room for


def test_outside_the_mainland_links_say_wgs84(hostile_folder):
    plan = read_plan(hostile_folder)
    words = {"gaode": "wgs84", "baidu": "wgs84", "tencent": "1"}
    for to, link in station_links(plan).iloc[3][list(MAKERS)].items():
        *_, lng, lat, datum = READERS[to](link)
        assert datum == words[to]
        assert (lng, lat) == pytest.approx(plan.stations[["lng", "lat"]].iloc[3], abs=1e-7)


@pytest.mark.parametrize("key", list(NAMES))
def test_names_come_back_letter_by_letter(key):
    name = NAMES[key]
    for maker, reader in ((gaode_link, read_gaode), (baidu_link, read_baidu)):
        link = maker(name, 104.1, 36.2)
        assert link.isascii() and reader(link)[0] == name
    title = read_tencent(tencent_link(name, 104.1, 36.2, services="饮水;充电"))
    full_width = name.replace(";", "；").replace(":", "：").replace("|", "｜")
    assert title[:2] == (full_width, "饮水；充电")


def test_southern_and_western_places_and_rounding():
    for lng, lat in ((-179.99999999, -85.0), (0.0, 0.0), (104.12345678, 36.98765432)):
        assert read_gaode(gaode_link("x", lng, lat))[2:4] == pytest.approx((lng, lat), abs=6e-8)
        assert read_baidu(baidu_link("x", lng, lat))[2:4] == pytest.approx((lng, lat), abs=6e-8)
        assert read_tencent(tencent_link("x", lng, lat))[2:4] == pytest.approx((lng, lat), abs=6e-8)
        assert "e-" not in gaode_link("x", 1e-9, -1e-9).split("name")[0]


@pytest.mark.parametrize("to", list(MAKERS))
def test_links_stay_short_services_are_cut_first_and_marked(to):
    name, services = "站前街工会户外劳动者服务站", "、".join(["饮水", "微波炉", "充电"] * 40)
    link = MAKERS[to](name, 104.1, 36.2, services=services)
    title, more, *_ = READERS[to](link)
    assert len(link) <= LIMITS[to]
    assert title.startswith(name[:8]) and "、…" not in more
    if more not in (title, name[:3] + "…"):  # there was room for services
        assert more.endswith("…") and services.startswith(more.removesuffix("…").split(" ")[-1])
    longer = MAKERS[to]("名" * 10_000, 104.1, 36.2, services=services)
    title, *_ = READERS[to](longer)
    assert len(longer) <= LIMITS[to] and title.rstrip("…") in "名" * 100 and title.endswith("…")
    assert len(longer) > LIMITS[to] - 20  # no shorter than it has to be


@pytest.mark.parametrize("to", list(MAKERS))
def test_attacks_stay_inside_their_field(hostile_folder, to):
    plan = read_plan(hostile_folder, area="all")
    for link, (key, text) in zip(station_links(plan)[to], hostile.TEXTS.items(), strict=True):
        name, *_ = READERS[to](link)  # the readers allow no field but the documented ones
        assert link.isascii() and len(link) <= LIMITS[to], key
        assert not set(link) & set(" \"'<>\\^`{}|\t\n"), key
        start = "".join(c for c in name.split("…")[0] if c.isalnum())
        assert start and start[:6] in 2 * "".join(c for c in text if c.isalnum()), key


def test_a_station_without_a_name_is_called_by_its_code(hegu_folder, tmp_path):
    copy = shutil.copytree(hegu_folder, tmp_path / "x")
    table = pd.read_csv(copy / "stations.csv", dtype=str, keep_default_na=False)
    table.columns = [name.lstrip("\ufeff") for name in table.columns]
    table.loc[0, ["name", "services"]] = " \u2028 "
    plan_folder.write_csv(table, copy / "stations.csv")
    row = station_links(read_plan(copy)).iloc[0]
    assert all(READERS[to](row[to])[0] == "HG001" for to in MAKERS)


# --- QR -------------------------------------------------------------------------------------------


def decoded(image):
    """What ZXing reads."""
    (found,) = zxingcpp.read_barcodes(image, formats=zxingcpp.BarcodeFormat.QRCode)
    return found.text


@pytest.mark.parametrize("to", list(MAKERS))
def test_codes_are_small_and_read_by_another_reader(hegu_folder, tmp_path, to):
    plan = read_plan(hegu_folder)
    for i, link in enumerate(station_links(plan)[to]):
        code = qr_code(link)
        assert code.version <= {"gaode": 10, "baidu": 12, "tencent": 12}[to]
        assert code.error in "MQH"
        if i % 5 == 0:
            picture = Image.open(qr_png(link, tmp_path / "code.png"))
            assert picture.size == (code.symbol_size(qr.MODULE_PX, QUIET_ZONE)[0],) * 2
            assert decoded(picture) == link


@pytest.mark.parametrize("to", list(MAKERS))
def test_codes_can_be_read_from_a_sign(hegu_folder, to):
    """Printed 3 cm wide and photographed: few pixels a module, blurred, turned, uneven light."""
    link = station_links(read_plan(hegu_folder))[to].iloc[0]
    dark = qr_matrix(link)
    code = Image.fromarray(np.where(dark, 0, 255).astype(np.uint8)).resize(
        (len(dark) * 5,) * 2, Image.Resampling.LANCZOS
    )
    sign = Image.new("L", (700, 700), 235)
    sign.paste(code, (160, 160))
    for blur, angle in ((0.0, 0), (1.2, 0), (1.2, 7), (0.8, 93), (1.0, 181)):
        photo = sign.filter(ImageFilter.GaussianBlur(blur)).rotate(
            angle, Image.Resampling.BICUBIC, fillcolor=235
        )
        light = np.linspace(0.55, 1.0, 700)[None, :]
        noise = np.random.default_rng(0).normal(0, 6, (700, 700))
        photo = np.clip(np.array(photo) * light + noise, 0, 255).astype(np.uint8)
        assert decoded(photo) == link, (blur, angle)


def test_a_quiet_zone_of_four_modules_is_there_and_dark_is_true(hegu_folder):
    link = station_links(read_plan(hegu_folder))["gaode"].iloc[0]
    dark = qr_matrix(link)
    assert dark.dtype == bool and dark.shape == (57 + 2 * QUIET_ZONE,) * 2 and QUIET_ZONE == 4
    edge = dark.copy()
    edge[4:-4, 4:-4] = False
    assert not edge.any()
    finder = dark[4:11, 4:11]
    assert finder[0].all() and finder[:, 0].all() and not finder[1, 1:6].any()
    assert finder[2:5, 2:5].all()


def test_the_svg_draws_the_same_modules(hegu_folder):
    import xml.etree.ElementTree as ET  # noqa: PLC0415

    link = station_links(read_plan(hegu_folder))["tencent"].iloc[0]
    text = qr_svg(link)
    root = ET.fromstring(text)
    dark = qr_matrix(link)
    assert root.get("viewBox") == f"0 0 {len(dark)} {len(dark)}" and root.get("width") is None
    assert np.array_equal(drawn(root, len(dark)), dark)


def drawn(root, size):
    """The modules that the SVG's path strokes: M moves, m moves on, h draws to the right."""
    import re  # noqa: PLC0415

    found = np.zeros((size, size), dtype=bool)
    path = next(e.get("d") for e in root.iter() if "stroke" in e.attrib)
    x = y = 0.0
    for command, values in re.findall(r"([Mmh])([^Mmh]*)", path):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", values)]
        if command == "M":
            x, y = numbers
        elif command == "m":
            x, y = x + numbers[0], y + numbers[1]
        else:
            found[int(y), round(x) : round(x + numbers[0])] = True
            x += numbers[0]
    return found


@pytest.mark.parametrize("to", list(MAKERS))
def test_a_folder_of_codes_with_its_index(hegu_folder, tmp_path, to):
    plan = read_plan(hegu_folder)
    index, about, *codes = write_qr(plan, tmp_path, to=to)
    with index.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["文件"] for row in rows] == [path.name for path in codes]
    assert [row["编码"] for row in rows] == plan.stations["site_id"].tolist()
    for row, path in list(zip(rows, codes, strict=True))[::11]:
        assert decoded(Image.open(path)) == row["链接"]
    said = about.read_text(encoding="utf-8-sig")
    assert plan.licence in said and plan.datum_words(DATUMS[to])[0] in said
    assert sorted(path.name for path in index.parent.iterdir()) == sorted(
        path.name for path in (index, about, *codes)
    )


def test_hostile_codes_never_become_paths(hostile_folder, tmp_path):
    plan = read_plan(hostile_folder, area="all")
    out = tmp_path / "out"
    out.mkdir()
    written = write_qr(plan, out, to="baidu")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(set(written)) == len(hostile.TEXTS) + 2
    names = [path.name.lower() for path in written]
    assert len(set(names)) == len(names)  # also where letters' case does not count
    for path in written:
        assert path.is_file() and path.parent.parent == out and len(path.name.encode()) < 200
        assert not set(path.name) & set('\\/:*?"<>|\n\t') and not path.name.startswith(".")
    texts = list(hostile.TEXTS)
    for key in ("script", "nul", "long", "emoji", "quotes"):
        link = decoded(Image.open(written[2 + texts.index(key)]))
        assert link == station_links(plan)["baidu"].iloc[texts.index(key)]


def test_an_older_folder_of_codes_is_replaced_whole_or_stays(hegu_folder, tmp_path, monkeypatch):
    plan = read_plan(hegu_folder)
    index, *_ = write_qr(plan, tmp_path, to="gaode")
    (index.parent / "from-before.png").write_bytes(b"x")
    before = sorted(path.name for path in index.parent.iterdir())

    def broken(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(qr, "_png", broken)
        with pytest.raises(OutputError, match="No space left"):
            write_qr(plan, tmp_path, to="gaode")
    assert sorted(path.name for path in index.parent.iterdir()) == before
    assert len(list(tmp_path.iterdir())) == 1
    write_qr(plan, tmp_path, to="gaode")
    assert not (index.parent / "from-before.png").exists()


def test_every_provider_has_a_link_a_limit_and_a_datum():
    assert set(MAKERS) == set(links.LIMITS) == set(links.DATUMS)
