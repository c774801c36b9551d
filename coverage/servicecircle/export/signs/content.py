"""What stands on a sign: texts that can be printed, pictograms and a QR code, as plain data."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from servicecircle.errors import Note
from servicecircle.export.export_plan import ExportPlan
from servicecircle.export.fonts import VARIABLE, Font
from servicecircle.export.links import DATUMS, MAKERS
from servicecircle.export.plain_text import MARK, cut, one_line
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.qr import qr_matrix
from servicecircle.export.stations.hours import parse_hours
from servicecircle.export.stations.services import Service, parse_services

HOTLINE = "12351"  # 全国工会服务热线
WELCOME = "户外劳动者服务站点"
COLOUR = "#a8151c"
MOST_SERVICES = 20  # more would be too small to read from 5 m
BOX = "□"  # stands for what the font cannot draw
_LONGEST = {
    "name": 100, "service": 16, "hours": 100, "address": 100, "place": 48, "phone": 40, "code": 60,
}  # fmt: skip
_LONGEST_LINE = 160  # of the header and the footer
_CHARACTERS = 4  # of a service's name; a character is half as high as the pictogram
_MARKS = 2  # combining marks that may stand on one character
_RUN = 10  # characters of a very long word that stay together
_UNBROKEN = re.compile(
    r"[^\s\u200b\u3000-\u303f\u3400-\u9fff\uff00-\uffef\U00020000-\U0003ffff]{21,}"
)


class Printer:
    """Texts as the font can print them; remembers what it had to leave out, and where."""

    def __init__(self, font: Font) -> None:
        self.font = font
        self.left_out: dict[str, set[str]] = defaultdict(set)  # station → characters

    def text(self, raw: str, most: int, station: str = "") -> str:
        """On one line, at most so many characters; invisible signs go, unknown ones become boxes.

        Very long words (not Chinese ones) get places where they may break.
        """
        words = _bare(cut(one_line(raw[: 20 * most]).replace(MARK, ""), 2 * most))
        missing = self.font.missing(words)
        if missing:
            self.left_out[station] |= missing
            words = re.sub(f"[{re.escape(''.join(sorted(missing)))}]+", self._box, words)
        cut_short = len(raw) > 20 * most
        words = cut(words + ("…" if cut_short and not words.endswith("…") else ""), most)
        return _UNBROKEN.sub(_breakable, words.strip())

    def _box(self, run: re.Match[str]) -> str:
        if all(map(unicodedata.combining, run.group())):
            return ""  # an accent that cannot be drawn leaves the letter under it
        return BOX if not self.font.missing(BOX) else "?"

    def notes(self) -> list[Note]:
        """Which characters were printed as boxes, and on which signs."""
        if not self.left_out:
            return []
        where = "、".join(sorted(filter(None, self.left_out))[:5])
        signs = "".join(sorted(set().union(*self.left_out.values())))[:40]
        codes = " ".join(f"U+{ord(c):04X}" for c in signs)
        return [
            (
                f"字体“{self.font.family}”没有这些字符，标牌上印成 {BOX} 或略去："
                f"{codes}（{where}）。可用环境变量 {VARIABLE} 换一种字体。",
                f"the font {self.font.family} lacks these characters, which the signs show as "
                f"{BOX} or leave out: {codes} ({where}). {VARIABLE} names another font.",
            )
        ]


def _breakable(run: re.Match[str]) -> str:
    word = run.group()
    return "\u200b".join(word[at : at + _RUN] for at in range(0, len(word), _RUN))


def sign_data(plan: ExportPlan, link: str, printer: Printer) -> list[dict[str, Any]]:
    """The signs in the stations' order; ``link`` is a provider of `links.MAKERS`."""
    lng, lat = plan.at(DATUMS[link])
    rows = plan.stations.to_dict("records")
    common = _common(plan, link, printer)
    return [
        common | _sign(plan, row, MAKERS[link], float(x), float(y), printer)
        for row, x, y in zip(rows, lng, lat, strict=True)
    ]


def titles(plan: ExportPlan, printer: Printer) -> dict[str, Any]:
    """The document's title and author, and the heading and footer of the sheet of all."""
    title = printer.text(plan.title, _LONGEST_LINE)
    federation = printer.text(plan.federation, _LONGEST_LINE)
    any_osm = bool(plan.stations["from_osm"].any())
    heading = f"{title} · {WELCOME} {len(plan.stations)} 个"
    return {
        "title": title,
        "author": federation or WELCOME,
        "sheet": {"title": heading, "source": _source(plan, any_osm, printer)},
    }


def _common(plan: ExportPlan, link: str, printer: Printer) -> dict[str, str]:
    federation = printer.text(plan.federation, _LONGEST_LINE)
    zh, en = PROVIDERS[link].words
    return {
        "header": federation or WELCOME,
        "subheader": WELCOME if federation else "",
        "scan": f"{zh}扫码导航",
        "scan_en": f"Scan to find the way ({en})",
    }


def _sign(
    plan: ExportPlan,
    row: Mapping[Any, Any],
    link: Callable[..., str],
    lng: float,
    lat: float,
    printer: Printer,
) -> dict[str, Any]:
    code = str(row["site_id"])

    def words(column: str, raw: str | None = None) -> str:
        return printer.text(row[column] if raw is None else raw, _LONGEST[column], code)

    name = words("name") or WELCOME
    services = _services(parse_services(row["services"]), printer, code)
    hours = words("hours", parse_hours(row["hours"]).text_zh())
    # without the services, which the sign shows, the code stays coarse enough for any phone
    url = link(one_line(row["name"]) or code, lng, lat, shifted=plan.shifted)
    return {
        "name": name,
        "code": words("code", code),
        "place": cut(words("address"), _LONGEST["place"]),
        "services": services,
        "columns": _columns(len(services)),
        "facts": _facts(hours, words("address"), words("phone")),
        "link": url,
        "qr": _qr_svg(url),
        "source": _source(plan, bool(row["from_osm"]), printer),
    }


def _facts(hours: str, address: str, phone: str) -> list[dict[str, Any]]:
    """The lines beside the QR code: what is not known has none. Sizes in units of the sign."""
    lines = (
        ("开放时间", "Opening hours", hours, 8.0, 2),
        ("地址", "Address", address, 5.6, 2),
        ("联系电话", "Telephone", phone, 6.0, 1),
        ("工会热线", "Union hotline", HOTLINE, 7.0, 1),
    )
    names = ("label", "english", "text", "size", "lines")
    return [dict(zip(names, line, strict=True)) for line in lines if line[2]]


def _services(found: list[Service], printer: Printer, code: str) -> list[dict[str, str]]:
    shown = found if len(found) <= MOST_SERVICES else found[: MOST_SERVICES - 1]
    items = [
        {"zh": zh, "en": service.en, "svg": service.svg(COLOUR)}
        for service in shown
        if (zh := printer.text(service.zh, _LONGEST["service"], code))
    ]
    if len(found) > len(shown):
        neutral = Service.of_text(f"另有 {len(found) - len(shown)} 项")
        items.append({"zh": neutral.zh, "en": "and more", "svg": neutral.svg(COLOUR)})
    return items


def _columns(count: int) -> int:
    """So many services in a row that pictograms and words are largest, on 190 × 92 units."""

    def side(columns: int) -> float:
        width, height = 190 / columns, 92 / math.ceil(count / columns)
        return min(width * 0.62, height * 0.52, (width - 2) / _CHARACTERS * 2)

    return max(range(1, count + 1), key=lambda columns: (side(columns), -columns), default=1)


def _source(plan: ExportPlan, from_osm: bool, printer: Printer) -> str:
    dates = [str(e["osm_date"])[:10] for e in plan.stored.said["inputs"] if e.get("osm_date")]
    date = f"（地图数据 {dates[0]}）" if dates else ""
    owner = plan.licence if from_osm else plan.attribution
    title = printer.text(plan.title + date, _LONGEST_LINE)
    return f"{title}\n{printer.text(owner, 2 * _LONGEST_LINE)}"


def _bare(text: str) -> str:
    """Without characters that only steer others (joiners, directions, selectors), few accents."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        kind = unicodedata.category(character)
        if kind == "Cf" or "\ufe00" <= character <= "\ufe0f" or ord(character) >= 0xE0000:
            continue
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if marks <= _MARKS:
            kept.append(character)
    return "".join(kept)


def _qr_svg(link: str) -> str:
    """The code as one path: cells that touch leave no seam when they are drawn together."""
    dark = qr_matrix(link)
    edges = np.diff(np.pad(dark, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(edges == 1)
    ends = np.nonzero(edges == -1)[1]
    runs = zip(rows, starts, ends - starts, strict=True)
    path = "".join(f"M{x} {y}h{width}v1h-{width}z" for y, x, width in runs)
    side = len(dark)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" width="{side}" '
        f'height="{side}"><path fill="#000" d="{path}"/></svg>'
    )
