"""Maps for paper: today, the plan, and what stays uncovered; drawn as the plan's own map is.

Same colours, shapes and station numbers as in ``map.html``. Everything is drawn into one picture,
legend, scale, north and attribution included, so that nothing of it is lost when it is copied.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from servicecircle.errors import Lang
from servicecircle.export.fonts import Font
from servicecircle.export.report.facts import Facts
from servicecircle.export.report.ground import Ground
from servicecircle.export.report.map_signs import DPI, PX_PER_MM, Legend, Signs, drawn, ink
from servicecircle.export.report.numbers import number
from servicecircle.map_images import (
    Colour,
    DotClass,
    Frame,
    dots_png,
    mercator,
    png,
    streets_png,
    water_png,
)
from servicecircle.map_panel import BLUE, DARK, GREEN, LIGHT_BLUE, ORANGE
from servicecircle.maps import label_point

Kind = Literal["today", "plan", "uncovered"]

LEGEND_MM = 36.0  # a legend beside the map
STRIP_MM = 6.0  # per row of a legend below it
LEAST_MM = 45.0  # a map is at least so high
DOTS, MANY_DOTS = 1.2, 0.7  # of the size that demand points have on a screen
MANY = 1000
NEAR = 0.02  # degrees around the streets: what lies farther out does not stretch the map
# around what is shown: half a sign; below also scale and attribution
SIDE_MM, TOP_MM, BOTTOM_MM = 4.0, 4.0, 9.0
MIN_SPAN_M = 800.0
PAPER: Colour = (247, 246, 243)
_PURPLE = "#4b2a6b"
_NAMED_DISTRICTS = 40  # more names than these would cover the map


@dataclass(frozen=True)
class Maps:
    """Draws maps of one plan."""

    facts: Facts
    ground: Ground
    font: Font
    lang: Lang
    _drawn: dict[Frame, tuple[str | None, str | None]] = field(default_factory=dict)

    def picture(self, kind: Kind, width_mm: float, height_mm: float) -> bytes:
        """A PNG so wide on paper, at most so high, at `DPI`."""
        legend = Legend(self._legend(kind), self.font)
        beside = self._aspect > (height_mm / (width_mm - LEGEND_MM)) * 0.8
        below = 0.0 if beside else legend.rows(round(width_mm * PX_PER_MM)) * STRIP_MM
        wide = width_mm - LEGEND_MM if beside else width_mm
        high = self._high(wide) + below
        size = (round(width_mm * PX_PER_MM), round(min(height_mm, high) * PX_PER_MM))
        inner = (round(wide * PX_PER_MM), size[1] - round(below * PX_PER_MM))
        page = Image.new("RGB", size, (255, 255, 255))
        page.paste(self._map(kind, *inner), (0, 0))
        corner = (inner[0], 0) if beside else (0, inner[1])
        legend.draw(page, corner, size)
        ImageDraw.Draw(page).rectangle((0, 0, size[0] - 1, size[1] - 1), outline=(150, 150, 150))
        file = io.BytesIO()
        page.quantize(192, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(
            file, "PNG", optimize=True, dpi=(DPI, DPI)
        )
        return file.getvalue()

    def natural_mm(self, kind: Kind, width_mm: float) -> float:
        """How high a picture of this width would be, its legend below, if it had the room."""
        rows = Legend(self._legend(kind), self.font).rows(round(width_mm * PX_PER_MM))
        return self._high(width_mm) + rows * STRIP_MM

    def _high(self, width_mm: float) -> float:
        inner = (width_mm - 2 * SIDE_MM) * self._aspect
        return max(inner + TOP_MM + BOTTOM_MM, LEAST_MM)

    # --- where ---

    @cached_property
    def _box(self) -> tuple[float, float, float, float]:
        """West, south, east, north of what is shown, in web-Mercator metres."""
        demand, stations = self.facts.stored.demand, self.facts.stations
        lng = np.concatenate([demand["lng"].astype(float), stations["lng"]])
        lat = np.concatenate([demand["lat"].astype(float), stations["lat"]])
        shown = np.concatenate([self.facts.snapped, ~stations["far"].to_numpy(bool)])
        if self.ground.network is not None:
            west, south, east, north = np.add(
                self.ground.network.bounds, [-NEAR, -NEAR, NEAR, NEAR]
            )
            shown |= (lng >= west) & (lng <= east) & (lat >= south) & (lat <= north)
        if not shown.any():
            shown[:] = True
        x, y = mercator(lng[shown], lat[shown])
        return float(x.min()), float(y.min()), float(x.max()), float(y.max())

    @property
    def _stretch(self) -> float:
        """Mercator metres per metre on the ground."""
        _, south, _, north = self._box
        return float(np.cosh((south + north) / 2 / 6378137.0))

    @property
    def _aspect(self) -> float:
        west, south, east, north = self._box
        least = MIN_SPAN_M * self._stretch
        return max(north - south, least) / max(east - west, least)

    def _frame(self, width: int, height: int) -> Frame:
        west, south, east, north = self._box
        least = MIN_SPAN_M * self._stretch
        side, top, bottom = (mm * PX_PER_MM for mm in (SIDE_MM, TOP_MM, BOTTOM_MM))
        pixel = max(
            max(east - west, least) / (width - 2 * side),
            max(north - south, least) / (height - top - bottom),
        )
        middle = (south + north) / 2 + (top - bottom) / 2 * pixel
        return Frame(
            west=(west + east - width * pixel) / 2,
            north=middle + height * pixel / 2,
            pixel=pixel,
            metres=pixel / self._stretch,
            width=width,
            height=height,
        )

    # --- layers ---

    def _map(self, kind: Kind, width: int, height: int) -> Image.Image:
        frame = self._frame(width, height)
        canvas = Image.new("RGBA", (width, height), (*PAPER, 255))
        for address in self._layers(kind, frame):
            if address is not None:
                canvas.alpha_composite(_image(address))
        self._district_names(canvas, frame)
        signs = Signs(canvas, frame, self.font)
        if kind == "uncovered":
            signs.stations(self.facts.stations, quiet=True)
            signs.letters(self.facts.clusters)
        else:
            rows = self.facts.stations
            signs.stations(rows[~rows["new"]] if kind == "today" else rows)
        signs.furniture(self.lang, drawn(self.facts.plan.attribution, 90, self.font))
        return canvas.convert("RGB")

    def _layers(self, kind: Kind, frame: Frame) -> list[str | None]:
        water, streets = self._below(frame)
        name = "today" if kind == "today" else "plan"
        circles = [self._circle(name, main, frame) for main in (False, True)]
        return [water, *circles, streets, self._demand(kind, frame), self._outlines(frame)]

    def _below(self, frame: Frame) -> tuple[str | None, str | None]:
        """Water and streets, drawn once for all maps of a frame."""
        if frame not in self._drawn:
            water, network = self.ground.water, self.ground.network
            self._drawn[frame] = (
                None if water is None else water_png(frame, water),
                None if network is None else streets_png(frame, network),
            )
        return self._drawn[frame]

    def _circle(self, name: str, main: bool, frame: Frame) -> str | None:
        rows = self.facts.plan.circles
        rows = rows[(rows["set"] == name) & (rows["main"] == main)]
        shapes = [shape for shape in rows.geometry if not shape.is_empty]
        if not shapes:
            return None
        colour = ink({"today": BLUE, "plan": GREEN}[name])
        rings = [_rings(shape, frame) for shape in shapes]
        width = 0.35 * PX_PER_MM if main else 0.2 * PX_PER_MM

        def fill(sketch: Any) -> None:
            for polygon in (p for shape in rings for p in shape):
                for i, ring in enumerate(polygon):
                    sketch.area(ring, filled=i == 0)

        def edge(sketch: Any) -> None:
            for ring in (r for shape in rings for polygon in shape for r in polygon):
                sketch.line(ring, width)

        strength = (0.22, 0.9) if main else (0.10, 0.45)
        return png(frame, [(colour, strength[0], fill), (colour, strength[1], edge)])

    def _demand(self, kind: Kind, frame: Frame) -> str:
        facts, demand = self.facts, self.facts.stored.demand
        scale = MANY_DOTS if len(facts.snapped) > MANY else DOTS
        classes = [
            DotClass(which, shape, ink(colour), scale=scale)
            for which, shape, colour, _ in demand_classes(facts, kind, self.lang)
        ]
        return dots_png(
            frame,
            demand["lng"].astype(float),
            demand["lat"].astype(float),
            facts.stored.weight,
            classes,
        )

    def _outlines(self, frame: Frame) -> str | None:
        districts = self.ground.districts
        if districts is None or not len(districts):
            return None
        shared = shapely.union_all(shapely.boundary(districts.geometry.to_numpy()))
        parts = shapely.get_parts(shapely.line_merge(shared))  # what two share is drawn once
        lines = [frame.pixels(*shapely.get_coordinates(part).T) for part in parts]

        def draw(sketch: Any) -> None:
            for line in lines:
                for piece in _dashes(line, 2.2 * PX_PER_MM, 1.2 * PX_PER_MM):
                    sketch.line(piece, 0.3 * PX_PER_MM)

        return png(frame, [(ink(_PURPLE), 0.8, draw)])

    def _district_names(self, canvas: Image.Image, frame: Frame) -> None:
        districts = self.ground.districts
        if districts is None or len(districts) > _NAMED_DISTRICTS:
            return
        draw = ImageDraw.Draw(canvas)
        path, index = self.font.bold_path, self.font.bold_index
        font = ImageFont.truetype(str(path), round(2.5 * PX_PER_MM), index=index)
        for name, shape in zip(districts["district"], districts.geometry, strict=True):
            at = label_point(shape)
            x, y = frame.pixels(np.array([at.x]), np.array([at.y]))[0]
            draw.text(
                (x, y),
                drawn(name, 12, self.font),
                font=font,
                fill=ink(_PURPLE),
                anchor="mm",
                stroke_width=3,
                stroke_fill=(255, 255, 255),
            )

    # --- legend ---

    def _legend(self, kind: Kind) -> list[tuple[str, str, str]]:
        """(shape, colour, words) of what the picture shows."""
        zh = self.lang == "zh"
        facts, entries = self.facts, []
        if kind != "uncovered" and facts.new and kind == "plan":
            entries.append(("new", GREEN, "新建站点" if zh else "new station"))
        if kind != "uncovered" and facts.old:
            entries.append(("existing", BLUE, "已建站点" if zh else "existing station"))
        if kind == "uncovered":
            entries.append(("letter", ORANGE, "未覆盖集中处" if zh else "uncovered place"))
            entries.append(("disc", DARK, "站点" if zh else "station"))
        name = "today" if kind == "today" else "plan"
        rows = facts.plan.circles
        for row in rows[rows["set"] == name].itertuples():
            colour, minutes = (BLUE if name == "today" else GREEN), number(row.minutes, "minutes")
            words = f"{minutes} 分钟服务圈" if zh else f"{minutes}-minute circle"
            entries.append(("patch" if row.main else "light", colour, words))
        entries += [
            (shape, colour, words)
            for which, shape, colour, words in demand_classes(facts, kind, self.lang)
            if which.any()
        ]
        if self.ground.districts is not None and len(self.ground.districts):
            entries.append(("dashes", _PURPLE, "区界" if zh else "district"))
        return entries


def demand_classes(
    facts: Facts, kind: Kind, lang: Lang
) -> list[tuple[NDArray[np.bool_], str, str, str]]:
    """(which points, shape, colour, words) of a picture, the later drawn on top."""
    zh, kinds = lang == "zh", facts.kinds
    beyond = (
        kinds["beyond"],
        "cross",
        DARK,
        "无站可达或离路过远" if zh else "beyond every site",
    )
    missed = "未覆盖需求" if zh else "uncovered demand"
    if kind == "today":
        return [
            (kinds["today"], "disc", LIGHT_BLUE, "已覆盖需求" if zh else "covered demand"),
            (kinds["gained"] | kinds["open"], "diamond", ORANGE, missed),
            beyond,
        ]
    shown = [(kinds["open"], "diamond", ORANGE, missed), beyond]
    if kind == "plan":
        shown[:0] = [
            (kinds["today"], "disc", LIGHT_BLUE, "现有站点已覆盖" if zh else "covered today"),
            (kinds["gained"], "disc", GREEN, "规划后新覆盖" if zh else "newly covered"),
        ]
    return shown


# --- shapes in pixels -----------------------------------------------------------------------------


def _rings(shape: Any, frame: Frame) -> list[list[NDArray[np.float64]]]:
    """Polygons as lists of rings in pixels, outer ring first."""
    found = []
    for polygon in shapely.get_parts(shape):
        if polygon.geom_type == "Polygon":
            rings = (polygon.exterior, *polygon.interiors)
            found.append([frame.pixels(*shapely.get_coordinates(ring).T) for ring in rings])
    return found


def _dashes(ring: NDArray[np.float64], on: float, off: float) -> list[NDArray[np.float64]]:
    """A ring cut into dashes, lengths in pixels."""
    steps = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(ring, axis=0).T))])
    pieces = []
    for start in np.arange(0.0, steps[-1], on + off):
        end = min(start + on, steps[-1])
        inside = (steps > start) & (steps < end)
        ends = [[np.interp(s, steps, ring[:, k]) for k in (0, 1)] for s in (start, end)]
        pieces.append(np.vstack([ends[:1], ring[inside], ends[1:]]))
    return pieces


def _image(address: str) -> Image.Image:
    data = base64.b64decode(address.partition(",")[2])
    return Image.open(io.BytesIO(data)).convert("RGBA")
