"""The report's pictures: what is drawn where, by other mathematics than what draws it.

Places are turned into pixels from two station signs and web Mercator by pyproj; lengths are
pyproj's, on the ellipsoid. Colours are the plan's, mixed here with the paper below them.
"""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pyproj import Geod, Transformer
from scipy import ndimage

from plans import EXISTING, demand_row, main_street, place, saved, site_row
from report_cases import CROSSED, DISTRICTS, Judge, Read, said, share, written
from servicecircle.export.export_plan import read_plan
from servicecircle.export.fonts import chinese_font
from servicecircle.export.report import charts, write_report
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.ground import Ground, ground_of
from servicecircle.export.report.map_pictures import DPI, Maps

Colour = tuple[int, int, int]
BLUE, GREEN, LIGHT_BLUE = (11, 79, 138), (0, 115, 79), (59, 130, 196)
ORANGE, PAPER, INK = (213, 94, 0), (247, 246, 243), (30, 30, 30)
PALE_BAR = (185, 203, 220)  # today, in the chart
MERCATOR = Transformer.from_crs(4326, 3857, always_xy=True)


# --- readers --------------------------------------------------------------------------------------


def near(picture: Image.Image, colour: Colour, within: int) -> NDArray[np.bool_]:
    """Which pixels have about a colour."""
    return np.abs(np.asarray(picture.convert("RGB"), int) - colour).max(axis=2) < within


def blobs(picture: Image.Image, colour: Colour, size: int, within: int = 30) -> list[Any]:
    """Middles (x, y) of patches of a colour at least so many pixels wide, left to right.

    The middle is that of the patch's box: there are white letters inside.
    """
    solid = ndimage.binary_opening(near(picture, colour, within), np.ones((size, size)))
    labels, _ = ndimage.label(ndimage.binary_dilation(solid, np.ones((15, 15))))
    boxes = ndimage.find_objects(labels)
    return sorted(((x.start + x.stop) / 2, (y.start + y.stop) / 2) for y, x in boxes)


def mixed(colour: Colour, opacity: float) -> Colour:
    """A colour on the paper."""
    r, g, b = (round(opacity * c + (1 - opacity) * p) for c, p in zip(colour, PAPER, strict=True))
    return r, g, b


@dataclass(frozen=True)
class Places:
    """Where places are in a picture, found from the signs of the first and last of some."""

    left: tuple[float, float]  # pixel, and Mercator metres, of one place
    metres: tuple[float, float]
    scale: float  # pixels per Mercator metre

    @classmethod
    def seen(cls, signs: Sequence[tuple[float, float]], at: Sequence[Sequence[float]]) -> Places:
        x, y = MERCATOR.transform(*np.transpose(at))
        scale = (signs[-1][0] - signs[0][0]) / (x[-1] - x[0])
        return cls(signs[0], (float(x[0]), float(y[0])), float(scale))

    def pixel(self, lng: float, lat: float) -> tuple[float, float]:
        x, y = MERCATOR.transform(lng, lat)
        return self.of_metres(x, y)

    def of_metres(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.left[0] + (x - self.metres[0]) * self.scale,
            self.left[1] - (y - self.metres[1]) * self.scale,
        )


# --- maps -----------------------------------------------------------------------------------------

STANDING = [(0.001, 0.0), (0.022, 0.0042), (0.05, -0.004)]  # stations of today, west to east
ROUND = {"today": ((0.012, 0.0005), 250.0), "plan": ((0.038, 0.0005), 330.0)}  # middle, Mercator m
DOTS = {"t1": (0.0045, 0.003), "t2": (0.006, -0.003), "o1": (0.026, 0.002), "o2": (0.0475, 0.004)}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Maps:
    """A plan whose circles are two round ones of known size, nothing below them.

    Dots lie beside the circles: t1, t2 are covered today, o1, o2 by nothing.
    """
    base = tmp_path_factory.mktemp("maps")
    existing = [
        {**EXISTING[0], "site_id": name, "name": name, "lng": x, "lat": y}
        for name, (x, y) in zip("abc", STANDING, strict=True)
    ]
    demand = [demand_row(name, 0, 10) | {"lng": x, "lat": y} for name, (x, y) in DOTS.items()]
    path = main_street(base / "town", existing=existing, demand=demand, new_sites=1, minutes=30.0)
    folder = saved(path, base / "plan")
    features = []
    for name, ((lng, lat), radius) in ROUND.items():
        x, y = MERCATOR.transform(lng, lat)
        turn = np.linspace(0, 2 * np.pi, 181)
        ring = MERCATOR.transform(
            x + radius * np.cos(turn), y + radius * np.sin(turn), direction="INVERSE"
        )
        geometry = {"type": "Polygon", "coordinates": [np.transpose(ring).tolist()]}
        about = {"set": name, "minutes": 6.0, "main": True}
        features.append({"type": "Feature", "properties": about, "geometry": geometry})
    layer = json.dumps({"type": "FeatureCollection", "features": features})
    (folder / "circles.geojson").write_text(layer, encoding="utf-8")
    facts = Facts(read_plan(folder))
    facts.kinds = {  # asked of the drawing, not of the town: which dots are which
        "today": np.array([name[0] == "t" for name in DOTS]),
        "gained": np.zeros(4, bool),
        "open": np.array([name[0] == "o" for name in DOTS]),
        "beyond": np.zeros(4, bool),
    }
    return Maps(facts, Ground(None, None, None), chinese_font(), "zh")


def opened(maps: Maps, kind: Any) -> tuple[Image.Image, Places]:
    """A picture, and where places are in it."""
    picture = Image.open(io.BytesIO(maps.picture(kind, 150.0, 150.0))).convert("RGB")
    signs = [at for at in blobs(picture, BLUE, 4) if at[1] < 0.9 * picture.height]
    assert len(signs) == len(STANDING)
    return picture, Places.seen(signs, STANDING)


@pytest.mark.parametrize(
    ("kind", "colour", "other"), [("today", BLUE, "plan"), ("plan", GREEN, "today")]
)
def test_a_map_has_its_own_circles_with_their_rims_in_place(drawn, kind, colour, other):
    picture, places = opened(drawn, kind)
    pixels = np.asarray(picture, int)
    inside, rim = mixed(colour, 0.22), mixed(colour, 0.9)

    def along(name: str, beyond: float, turn: float) -> NDArray[Any]:
        """The pixel so far beyond a circle's rim."""
        (lng, lat), radius = ROUND[name]
        x, y = MERCATOR.transform(lng, lat)
        far = radius + beyond / places.scale
        at = places.of_metres(x + far * math.cos(turn), y + far * math.sin(turn))
        return pixels[int(at[1]), int(at[0])]

    def share_of(name: str, beyond: Sequence[float], wanted: Colour, within: int) -> float:
        turns = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        return float(np.mean([
            min(np.abs(along(name, b, turn) - wanted).max() for b in beyond) < within
            for turn in turns
        ]))  # fmt: skip

    # signs and dots may cover a little of it
    assert share_of(kind, [-6], inside, 12) > 0.9 and share_of(kind, [6], PAPER, 8) > 0.9
    assert share_of(kind, np.arange(-2, 2.5, 0.5), rim, 40) > 0.9
    for beyond in (-40, -6, 0, 6):
        assert share_of(other, [beyond], PAPER, 8) > 0.9


@pytest.mark.parametrize(
    ("kind", "colour", "first"),
    [("today", LIGHT_BLUE, "t"), ("today", ORANGE, "o"), ("plan", ORANGE, "o")],
)
def test_demand_dots_stand_where_the_demand_is(drawn, kind, colour, first):
    picture, places = opened(drawn, kind)
    found = blobs(picture, mixed(colour, 0.9), 3)
    for name, (lng, lat) in DOTS.items():
        if name[0] == first:
            x, y = places.pixel(lng, lat)
            assert any(math.hypot(a - x, b - y) < 2.5 for a, b in found), (name, x, y, found)


def test_letters_stand_where_most_uncovered_demand_is(tmp_path):
    """The letters are read: each is the likest of A, B, C, drawn here in white."""
    existing = [site_row("a", 0), site_row("b", 5900)]
    spots = {"A": (3950, 90), "B": (1010, 40), "C": (2480, 15)}  # metres east, weight
    demand = [demand_row(name, east, heavy) for name, (east, heavy) in spots.items()]
    demand.append(demand_row("near", 200, 1))
    sites = [site_row("C1", 5800, 1)]
    path = main_street(
        tmp_path / "town", existing=existing, demand=demand, candidates=sites, new_sites=0
    )
    facts = Facts(read_plan(saved(path, tmp_path / "plan")))
    maps = Maps(facts, Ground(None, None, None), chinese_font(), "zh")
    today = Image.open(io.BytesIO(maps.picture("today", 150.0, 150.0))).convert("RGB")
    picture = Image.open(io.BytesIO(maps.picture("uncovered", 150.0, 150.0))).convert("RGB")
    signs = [at for at in blobs(today, BLUE, 4) if at[1] < 0.75 * today.height]
    places = Places.seen(signs, [tuple(place(0).values()), tuple(place(5900).values())])
    found = [at for at in blobs(picture, ORANGE, 6) if at[1] < 0.75 * picture.height]
    assert len(found) == len(spots)
    shapes = {letter: white_letter(letter) for letter in spots}
    for (letter, (east, _)), (x, y) in zip(
        sorted(spots.items(), key=lambda item: item[1]), found, strict=True
    ):
        wanted = places.pixel(*place(east).values())
        assert (x, y) == pytest.approx(wanted, abs=2.5), letter
        seen = np.asarray(picture, float)[:, :, 2]  # orange has no blue, white has
        like = {
            name: max(
                np.corrcoef(shape, seen[top : top + 18, left : left + 18].ravel())[0, 1]
                for top in range(round(y) - 12, round(y) - 5)
                for left in range(round(x) - 12, round(x) - 5)
            )
            for name, shape in shapes.items()
        }
        assert max(like, key=like.__getitem__) == letter, like


def white_letter(letter: str) -> NDArray[np.float64]:
    """A letter as large as in a sign, in the middle of 18 × 18 pixels."""
    font = chinese_font()
    size = round(0.6 * 4.4 / 25.4 * DPI)
    drawn_with = ImageFont.truetype(str(font.bold_path), size, index=font.bold_index)
    tile = Image.new("L", (18, 18))
    ImageDraw.Draw(tile).text((9, 9), letter, font=drawn_with, fill=255, anchor="mm")
    return np.asarray(tile, float).ravel()


def test_the_scale_bar_is_as_long_as_it_says(drawn, monkeypatch):
    told: list[str] = []
    text = ImageDraw.ImageDraw.text

    def heard(self: Any, xy: Any, words: str, *rest: Any, **more: Any) -> None:
        told.append(str(words))
        text(self, xy, words, *rest, **more)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", heard)
    picture, places = opened(drawn, "plan")
    (label,) = {words for words in told if re.fullmatch(r"[\d.]+ k?m", words)}
    assert "6 分钟服务圈" in told  # as in the other exports
    amount, unit = label.split()
    metres = float(amount) * {"m": 1, "km": 1000}[unit]
    dark = near(picture, INK, 25)
    dark[: picture.height // 2] = False
    longest = 0
    for row in dark:
        ends = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]])))
        longest = max([longest, *(ends[1::2] - ends[::2])])
    (west, lat), (east, _) = (0.0, 0.004), (0.05, 0.004)
    _, _, ground = Geod(ellps="WGS84").inv(west, lat, east, lat)
    per_metre = (places.pixel(east, lat)[0] - places.pixel(west, lat)[0]) / ground
    assert longest / per_metre == pytest.approx(metres, rel=0.03)
    assert 100 < longest < 300  # legible, and shorter than the map


def test_station_signs_stand_where_the_stations_are(tmp_path):
    """Pixels between three signs, against metres of web Mercator by pyproj."""
    existing = [{**EXISTING[0], "site_id": s, "name": s} for s in ("a", "b", "c")]
    places = [(0.001, 0.0), (0.02, 0.012), (0.05, -0.004)]
    existing = [row | {"lng": x, "lat": y} for row, (x, y) in zip(existing, places, strict=True)]
    demand = [demand_row("d1", 100, 10), demand_row("d2", 5800, 1)]
    path = main_street(tmp_path / "town", existing=existing, demand=demand, new_sites=0)
    facts = Facts(read_plan(saved(path, tmp_path / "plan")))
    assert facts.stations["far"].sum() == 1  # drawn all the same
    maps = Maps(facts, ground_of(facts), chinese_font(), "zh")
    picture = Image.open(io.BytesIO(maps.picture("today", 150.0, 150.0)))
    assert picture.info["dpi"][0] == pytest.approx(DPI, abs=0.1)
    found = blobs(picture, BLUE, 4)
    signs = [at for at in found if at[1] < 0.9 * picture.height]  # the legend has one, too
    assert len(signs) == 3
    x, y = Transformer.from_crs(4326, 3857, always_xy=True).transform(*np.transpose(places))
    scale = (signs[2][0] - signs[0][0]) / (x[2] - x[0])
    for i, (column, row) in enumerate(signs):
        assert column == pytest.approx(signs[0][0] + (x[i] - x[0]) * scale, abs=2)
        assert row == pytest.approx(signs[0][1] - (y[i] - y[0]) * scale, abs=2)


def test_without_its_files_the_map_has_no_streets_and_says_so(tmp_path):
    path = main_street(tmp_path / "town", new_sites=2, districts=DISTRICTS)
    folder = saved(path, tmp_path / "plan")
    whole = ground_of(Facts(read_plan(folder)))
    assert whole.network is not None and list(whole.districts["district"]) == list(DISTRICTS)
    paper, _ = written(folder, tmp_path / "a")
    assert "已不在原处" not in paper.text
    with_streets = [picture.tobytes() for picture in paper.pictures()]
    (tmp_path / "town" / "town.osm").write_text("<osm version='0.6'></osm>")  # another file now
    (tmp_path / "town" / "districts.geojson").unlink()
    paper, _ = written(folder, tmp_path / "b")
    assert "图上没有画街道、区界" in paper.text
    assert [picture.tobytes() for picture in paper.pictures()] != with_streets


def test_a_paper_stays_small_and_its_pictures_sharp(crossed, tmp_path):
    docx, _ = write_report(read_plan(crossed), tmp_path)
    assert docx.stat().st_size < 6_000_000
    for picture in Read(docx).pictures():
        assert picture.width >= 158 / 25.4 * 200 - 2


# --- the chart ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crossed(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("town")
    path = main_street(base / "town", new_sites=2, existing=CROSSED, districts=DISTRICTS)
    return saved(path, base / "plan")


def test_the_chart_shows_today_and_the_plan(crossed, tmp_path, monkeypatch):
    """The bars as matplotlib has them, then their lengths in pixels."""
    figures: list[Any] = []
    png = charts._png

    def kept(figure: Any) -> bytes:
        figures.append(figure)
        return png(figure)

    monkeypatch.setattr(charts, "_png", kept)
    paper, _ = written(crossed, tmp_path)
    judge = Judge(crossed)
    counted = {
        row["district"]: judge.district(row["district"]) for row in said(crossed)["districts"]
    }
    before, after = ([d[key] for d in counted.values()] for key in ("before", "after"))
    ((axes,),) = (figure.axes for figure in figures)
    bars = {group.get_label(): group.patches for group in axes.containers}
    assert {name: [bar.get_width() for bar in group] for name, group in bars.items()} == {
        "现状": pytest.approx(before), "方案": pytest.approx(after),
    }  # fmt: skip
    assert [label.get_text() for label in axes.get_yticklabels()] == list(counted)
    for i, at in enumerate(axes.get_yticks()):
        for group in bars.values():
            assert abs(group[i].get_y() + group[i].get_height() / 2 - at) < 0.5
    assert [text.get_text() for text in axes.texts] == [share(value) for value in before + after]
    for handle, text in zip(*axes.get_legend_handles_labels(), strict=True):
        assert {b.get_facecolor() for b in bars[text]} == {handle.patches[0].get_facecolor()}
    (picture,) = (p for p in paper.pictures() if near(p, PALE_BAR, 6).sum() > 3000)
    today, plan = lengths(picture, PALE_BAR), lengths(picture, GREEN)
    assert len(today) == len(plan) == len(counted)
    unit = plan[0] / after[0]
    assert plan == pytest.approx([unit * value for value in after], abs=3)
    assert today == pytest.approx([unit * value for value in before], abs=3)


def lengths(picture: Image.Image, colour: Colour) -> list[int]:
    """Widths in pixels of a colour's bars, from above; the legend's patch is left out."""
    labels, _ = ndimage.label(ndimage.binary_opening(near(picture, colour, 6), np.ones((5, 5))))
    boxes = sorted(ndimage.find_objects(labels), key=lambda box: box[0].start)
    return [x.stop - x.start for _, x in boxes[1:]]


def test_the_workbooks_chart_takes_the_right_columns(crossed, tmp_path):
    _, xlsx = written(crossed, tmp_path)
    with zipfile.ZipFile(xlsx) as book:
        chart = book.read("xl/charts/chart1.xml").decode()
    names = re.findall(r"<c:tx>.*?<c:v>(.*?)</c:v>", chart)
    columns = re.findall(r"<c:val>.*?<c:f>(.*?)</c:f>", chart)
    assert dict(zip(names, columns, strict=False)) == {
        "现状": "行政区!$E$2:$E$3",
        "方案": "行政区!$F$2:$F$3",
    }
