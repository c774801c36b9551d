"""Signs, read back by other people's readers: pypdf, PDFium, ZXing, Pillow.

A judge of legibility that knows nothing of the template: no character leaves the printable part of
the page, and no two characters lie on one another.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from functools import cache
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pypdf
import pypdfium2 as pdfium
import pytest
import shapely
import zxingcpp
from PIL import Image
from pyproj import Geod

from hostile import IDS, LEAKED, LONG, TEXTS, word
from servicecircle.coordinates import bd09_to_wgs84, gcj02_to_wgs84
from servicecircle.errors import OutputError
from servicecircle.export.export_plan import read_plan
from servicecircle.export.fonts import VARIABLE, chinese_font
from servicecircle.export.signs import PAPERS, write_signs
from servicecircle.export.signs import writing as signs_writing
from servicecircle.export.stations.services import known_services

MM = 72 / 25.4  # points per millimetre
SAFE_MM = 3
ALL = [service.zh for service in known_services().values()]
STATIONS = [
    {"name": "人民路环卫驿站", "services": "、".join(ALL[:8]), "hours": "8:30-12:00 14:00-17:30",
     "address": "河谷市城中区人民路187号", "phone": "000-0000-0009"},
    {"name": "驿站", "services": "饮水", "hours": "24小时", "address": "", "phone": ""},
    {"name": "内蒙古自治区呼和浩特市新城区总工会户外劳动者服务站点（成吉思汗大街环卫工人休息室）",
     "services": "、".join(ALL[:14]), "hours": "周一至周五 8:30-12:00、13:30-17:30；周六 9-12点",
     "address": "成吉思汗大街与哲里木路交叉口西北角二百三十五号附一号院内一层临街商铺",
     "phone": ""},
    {"name": "站前街驿站", "services": "", "hours": "", "address": "", "phone": ""},
    {"name": "", "services": "、".join(ALL), "hours": "看心情", "address": "某处", "phone": "1"},
]  # fmt: skip
CODES = ["HG001", "node/1", "S-3", "S-4", "S-5"]


@pytest.fixture(scope="module")
def plan(hostile_folder):
    """Five stations of every kind in a town whose coordinates are shifted."""
    read = read_plan(hostile_folder, area="all", federation="河谷市总工会（虚构）")
    read.stored.scenario["title"] = "河谷市（虚构）"
    stations = read.stations.head(len(STATIONS)).copy()
    stations["site_id"] = CODES
    stations["from_osm"] = [code == "node/1" for code in CODES]
    for column in STATIONS[0]:
        stations[column] = [station[column] for station in STATIONS]
    return dataclasses.replace(read, stations=stations)


@pytest.fixture(scope="module")
def made(plan, tmp_path_factory):
    return write_signs(plan, tmp_path_factory.mktemp("signs"))


@pytest.fixture(scope="module")
def attacked(hostile_folder, tmp_path_factory):
    notes: list = []
    folder = tmp_path_factory.mktemp("attacked")
    return write_signs(read_plan(hostile_folder), folder, notes=notes), notes


@cache
def pages(path):
    """(text, characters with their boxes in mm from the top left, picture at 150 dpi) per page."""
    found = []
    document = pdfium.PdfDocument(path)
    for page in document:
        text, height = page.get_textpage(), page.get_height()
        characters = [
            (text.get_text_range(i, 1), *np.array(text.get_charbox(i)) / MM)
            for i in range(text.count_chars())
        ]
        boxes = [
            (c, shapely.box(left, height / MM - top, right, height / MM - bottom))
            for c, left, bottom, right, top in characters
            if c.strip("\u200b ") and right > left and top > bottom
        ]
        words = text.get_text_range().replace("\r\n", "").replace("\n", "").replace("\u200b", "")
        found.append((words, boxes, page.render(scale=150 / 72).to_pil().convert("L")))
        text.close()
    document.close()
    return found


def assert_legible(boxes, picture):
    """Nothing outside the safe part, nothing on top of something else."""
    pixels = np.asarray(picture)
    rim = round(SAFE_MM / 25.4 * 150)
    inner = np.zeros_like(pixels, dtype=bool)
    inner[rim:-rim, rim:-rim] = True
    assert pixels[~inner].min() == 255
    width, height = (side / 150 * 25.4 for side in picture.size)
    page = shapely.box(SAFE_MM, SAFE_MM, width - SAFE_MM, height - SAFE_MM)
    letters = [(c, box) for c, box in boxes if not unicodedata.combining(c[0])]
    shapes = np.array([box for _, box in letters])
    assert shapely.covers(page, shapes).all()
    one, other = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    one, other = one[one < other], other[one < other]
    common = shapely.area(shapely.intersection(shapes[one], shapes[other]))
    smaller = np.minimum(shapely.area(shapes[one]), shapely.area(shapes[other]))
    worst = int(np.argmax(common / smaller)) if len(one) else 0
    assert not len(one) or (common / smaller)[worst] < 0.3, (
        letters[one[worst]],
        letters[other[worst]],
    )


def codes_of(picture):
    return zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)


def place_of(link, back=gcj02_to_wgs84):
    lng, lat = (float(x) for x in parse_qs(urlsplit(link).query)["position"][0].split(","))
    return back(lng, lat, area="all")


# --- what is written ------------------------------------------------------------------------------


def test_files_and_pages(made, plan):
    folder = made[0].parent
    assert folder.name == "河谷市（虚构）-signs-a4"
    assert [path.name for path in made] == [
        "all.pdf", "sheet.pdf", "1-HG001.pdf", "1-HG001.png", "2-node_1.pdf", "2-node_1.png",
        "3-S-3.pdf", "3-S-3.png", "4-S-4.pdf", "4-S-4.png", "5-S-5.pdf", "5-S-5.png",
    ]  # fmt: skip
    assert sorted(folder.iterdir()) == sorted(made)
    assert len(pypdf.PdfReader(made[0]).pages) == len(plan.stations)
    assert all(len(pypdf.PdfReader(p).pages) == 1 for p in made[2::2])


@pytest.mark.parametrize("paper", PAPERS)
def test_pages_have_the_size_of_the_paper(plan, tmp_path, paper):
    width, height = {"a4": (210, 297), "a3": (297, 420)}[paper]
    for path in write_signs(plan, tmp_path, paper=paper):
        if path.suffix == ".pdf":
            for page in pypdf.PdfReader(path).pages:
                assert abs(float(page.mediabox.width) / MM - width) < 0.1
                assert abs(float(page.mediabox.height) / MM - height) < 0.1
        else:
            picture = Image.open(path)
            assert np.allclose(np.array(picture.size) * 25.4 / 150, (width, height), atol=0.2)
            assert codes_of(picture)


def test_what_a_sign_says(made, plan):
    said = [text for text, _, _ in pages(made[0])]
    for text, station, code in zip(said, STATIONS, CODES, strict=True):
        for part in ("河谷市总工会（虚构）", "户外劳动者服务站点", "12351", code, station["name"],
                     station["address"], station["phone"], "OpenStreetMap"):  # fmt: skip
            assert part in text
    assert "08:30-12:00、14:00-17:30" in said[0]
    assert all(service in said[0] for service in ALL[:8]) and "First aid" in said[0]
    assert all(service in said[2] for service in ALL[:14])
    assert "另有" in said[4] and "看心情" in said[4]  # more services than fit; hours unclear
    assert "开放时间" not in said[3] and "欢迎户外劳动者" in said[3]
    assert "欢迎户外劳动者" not in said[0]
    assert ["ODbL 1.0" in text and "须署名" in text for text in said] == [
        code == "node/1" for code in CODES
    ]


def test_without_a_federation_the_header_is_neutral(plan, tmp_path):
    stored = dataclasses.replace(plan.stored, scenario={**plan.stored.scenario, "federation": ""})
    neutral = dataclasses.replace(plan, stored=stored)
    for text, _, _ in pages(write_signs(neutral, tmp_path, png=False)[0])[:4]:
        assert "总工会（虚构）" not in text and "户外劳动者服务站点" in text


def test_name_and_services_can_be_read_from_5_m(made):
    """10 minutes of arc, 15 mm, for the name; half of it for words that have a picture."""
    _, boxes, _ = pages(made[0])[0]
    size = {c: [] for c in "环微炉"}
    for character, box in boxes:
        if character in size:
            size[character].append(box.bounds[3] - box.bounds[1])
    assert max(size["环"]) > 15
    assert min(map(max, (size["微"], size["炉"]))) > 7.5


@pytest.mark.parametrize("paper", PAPERS)
def test_nothing_leaves_the_page_or_covers_something_else(plan, tmp_path, paper):
    paths = write_signs(plan, tmp_path, paper=paper, png=False)
    for path in paths[:2]:
        for _, boxes, picture in pages(path):
            assert_legible(boxes, picture)


def test_fonts_are_embedded_as_subsets(made):
    for path in (p for p in made if p.suffix == ".pdf"):
        seen = 0
        for page in pypdf.PdfReader(path).pages:
            for font in page["/Resources"]["/Font"].values():
                inner = font.get_object()["/DescendantFonts"][0].get_object()
                about = inner["/FontDescriptor"].get_object()
                assert re.match(r"/[A-Z]{6}\+", about["/FontName"])
                assert {"/FontFile2", "/FontFile3"} & set(about)
                seen += 1
        assert seen
        assert path.stat().st_size < 400_000


# --- codes ----------------------------------------------------------------------------------------


def test_the_code_opens_the_station(made, plan):
    lng, lat = plan.stations["lng"].to_numpy(), plan.stations["lat"].to_numpy()
    for number, (_, _, picture) in enumerate(pages(made[0])):
        (code,) = codes_of(picture)
        assert code.text.startswith("https://uri.amap.com/marker?")
        x, y = place_of(code.text)
        assert Geod(ellps="WGS84").inv(x, y, lng[number], lat[number])[2] < 0.01
        (name,) = parse_qs(urlsplit(code.text).query)["name"]
        assert (STATIONS[number]["name"] or CODES[number]).startswith(name.rstrip("…"))
        assert code.ec_level in "MQH"
        at = code.position
        side = (at.top_right.x - at.top_left.x) / 150 * 25.4
        assert side >= 30
        assert codes_of(Image.open(made[3 + 2 * number]))[0].text == code.text
        # four light modules around, counted in the version that was printed
        modules = 17 + 4 * int(code.extra["Version"])
        quiet = int(3.8 * (at.top_right.x - at.top_left.x) / modules)
        around = np.asarray(picture)[
            at.top_left.y - quiet : at.bottom_left.y + quiet,
            at.top_left.x - quiet : at.top_right.x + quiet,
        ]
        rim = np.ones_like(around, dtype=bool)
        rim[quiet - 3 : 3 - quiet, quiet - 3 : 3 - quiet] = False
        assert around[rim].min() > 250


def test_a_code_of_another_map(plan, tmp_path):
    (code,) = codes_of(pages(write_signs(plan, tmp_path, link="baidu", png=False)[0])[0][2])
    query = parse_qs(urlsplit(code.text).query)
    lat, lng = map(float, query["location"][0].split(","))
    x, y = bd09_to_wgs84(lng, lat, area="all")
    row = plan.stations.iloc[0]
    assert query["coord_type"] == ["bd09ll"]
    assert Geod(ellps="WGS84").inv(x, y, row["lng"], row["lat"])[2] < 0.01


def test_the_sheet_holds_every_station(attacked, hostile_folder):
    plan = read_plan(hostile_folder)
    paths, _ = attacked
    sheet = pages(paths[1])
    links = [code.text for _, _, picture in sheet for code in codes_of(picture)]
    assert len(links) == len(set(links)) == len(plan.stations)
    text = "".join(words for words, _, _ in sheet)
    for key in TEXTS:
        assert word(key) in text


# --- attacks --------------------------------------------------------------------------------------


def test_hostile_texts_are_harmless_and_legible(attacked):
    paths, _ = attacked
    found = pages(paths[0])
    assert len(found) == len(TEXTS)
    for key, (text, boxes, picture) in zip(TEXTS, found, strict=True):
        assert word(key) in text, key
        assert_legible(boxes, picture)
        plain = [c for c in text if unicodedata.category(c)[0] == "C" and c not in "\r\n\u0002"]
        assert not plain, (key, plain)
        assert "站federation${7*7}&lt;" in text  # as it was written
        assert text.count("长") < 400 < LONG
        assert len(codes_of(picture)) == 1, key
    everything = "".join(text for text, _, _ in found)
    assert LEAKED in everything  # only as it was written: no entity was put in
    assert everything.count(LEAKED) == everything.count(f'ENTITY e "{LEAKED}"')
    reader = pypdf.PdfReader(paths[0])
    root = reader.trailer["/Root"]
    assert "/OpenAction" not in root and "/AA" not in root
    assert "/JavaScript" not in root.get("/Names", {})
    assert not any("/Annots" in page for page in reader.pages)


def test_the_sheet_stays_legible_too(attacked):
    for _, boxes, picture in pages(attacked[0][1]):
        assert_legible(boxes, picture)


def test_ids_never_become_paths(attacked, hostile_folder):
    paths, _ = attacked
    folder = paths[0].parent
    assert all(path.parent == folder and path.is_file() for path in paths)
    assert [p.name for p in folder.parent.iterdir()] == [folder.name]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert len(paths) == 2 + 2 * len(TEXTS) and len(IDS) < len(TEXTS)


def test_what_the_font_lacks_is_said(attacked):
    paths, notes = attacked
    lacking = chinese_font().missing("😀𠮷𬺰")
    text = pages(paths[0])[list(TEXTS).index("emoji")][0]
    assert "😀" in lacking and "😀" not in text and "站emoji□" in text
    ((zh, en),) = notes
    for character in lacking:
        assert f"U+{ord(character):04X}" in zh and f"U+{ord(character):04X}" in en
    rare = pages(paths[0])[list(TEXTS).index("rare")][0]
    for character in set(TEXTS["rare"]) - chinese_font().missing(TEXTS["rare"]):
        assert character in rare


# --- how it is written ----------------------------------------------------------------------------


def test_the_same_plan_gives_the_same_bytes(made, plan, tmp_path):
    again = write_signs(plan, tmp_path)
    digests = [[hashlib.sha256(p.read_bytes()).digest() for p in paths] for paths in (made, again)]
    assert digests[0] == digests[1]
    about = pypdf.PdfReader(made[0]).metadata
    assert about is not None and about.creation_date is None
    assert about.title == "河谷市（虚构）"


def test_progress_is_told_and_a_stop_leaves_nothing(plan, tmp_path):
    told: list[tuple[int, int]] = []
    paths = write_signs(plan, tmp_path, png=False, progress=lambda *step: told.append(step))
    assert told == [(k, 5) for k in range(1, 6)]
    before = {p: p.read_bytes() for p in paths}

    def stop(done, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_signs(plan, tmp_path, progress=stop)
    assert {p: p.read_bytes() for p in paths[0].parent.iterdir()} == before
    assert list(tmp_path.iterdir()) == [paths[0].parent]
    fewer = dataclasses.replace(plan, stations=plan.stations.head(2))
    assert sorted(write_signs(fewer, tmp_path, png=False)) == sorted(paths[0].parent.iterdir())


def test_many_stations_come_in_parts(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(signs_writing, "PART", 2)
    told: list[tuple[int, int]] = []
    paths = write_signs(plan, tmp_path, png=False, progress=lambda *step: told.append(step))
    assert [path.name for path in paths[:6]] == [
        f"{name}-{part}.pdf" for part in (1, 2, 3) for name in ("all", "sheet")
    ]
    assert [len(pypdf.PdfReader(path).pages) for path in paths[0:6:2]] == [2, 2, 1]
    assert told == [(k, 5) for k in range(1, 6)]
    links = [codes_of(page[2])[0].text for path in paths[0:6:2] for page in pages(path)]
    assert len(set(links)) == 5 and sorted(paths) == sorted(paths[0].parent.iterdir())


def test_errors_say_how_to_mend_it(plan, tmp_path, monkeypatch):
    with pytest.raises(OutputError, match="a3"):
        write_signs(plan, tmp_path, paper="letter")
    with pytest.raises(OutputError, match="gaode"):
        write_signs(plan, tmp_path, link="else")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_signs(plan, tmp_path / "file")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    with pytest.raises(OutputError, match=VARIABLE):
        write_signs(plan, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_colours_keep_their_contrast_in_grey(made):
    _, _, picture = pages(made[0])[0]
    pixels = np.asarray(picture)
    band = pixels[round(20 / 25.4 * 150), round(20 / 25.4 * 150)]
    assert band < 90  # white letters stand on it
    panel = pixels[round(200 / 25.4 * 150) :, round(12 / 25.4 * 150)]
    assert 225 < panel.min() < 250 or np.median(panel) > 225
