"""``export --to …``: what is written for whom. A plan folder in, files under its ``export/`` out.

    gaode baidu tencent tianditu   station tables, links and QR codes, tiles and their pages
    kml ovital geojson gpkg xlsx   stations (and circles) for other programs
    signs report                   for the door, and for the decision

Each target has a folder of its own, the datum in its name: ``export/gaode-gcj02/``.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from servicecircle.errors import Lang, Note, PlannerError
from servicecircle.export.bands import bands_of, coloured
from servicecircle.export.export_plan import ExportPlan, cannot_write, read_plan
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.tiles.metadata import Metadata
from servicecircle.export.tiles.outlines import Band
from servicecircle.steps import Progress, silent
from servicecircle.stored_plan import EXPORTS


@dataclass(frozen=True)
class Options:
    """How to export. Everything has a default that suits most.

    ``area`` and ``federation`` as in `read_plan`; ``bands``: minutes of the circles to draw, by
    default the plan's standards; ``tiles``: whether to draw them at all; ``zooms``: (least, most)
    of the tiles, by default after the data; ``sharp``: also tiles of 512 pixels, for fine screens;
    ``archives``: of ``mbtiles``, ``pmtiles``; ``paper``: of the signs, a4 or a3.
    """

    area: str = "mainland"
    federation: str = ""
    bands: tuple[float, ...] = ()
    tiles: bool = True
    zooms: tuple[int, int] | None = None
    sharp: bool = False
    archives: tuple[str, ...] = ()
    paper: str = "a4"
    lang: Lang = "zh"


@dataclass(frozen=True)
class Run:
    """One export under way; ``notes`` collects what the planner should know."""

    plan: ExportPlan
    options: Options
    progress: Progress
    notes: list[Note]

    def counted(self, step: str) -> Callable[[int, int], None]:
        """A listener of (done, total) that tells the progress of a step."""
        return lambda done, total: self.progress(step, done / max(total, 1))


class Exported(NamedTuple):
    """What there is to open, files and folders, and what to know about it."""

    paths: list[Path]
    notes: list[Note]


Write = Callable[[Run], list[Path]]

#: targets that know no other datum: whether one is shifted makes no difference to them
WGS84_ALONE = frozenset({"kml", "gpkg", "report"})


def export(
    folder: str | Path, to: str, options: Options | None = None, progress: Progress | None = None
) -> Exported:
    """Write one of `TARGETS` into ``<folder>/export/``.

    An export of the same kind is replaced; what is not asked for again (tiles, say) stays. Raises
    `OutputError` where the folder is no plan or cannot be written, `QuestionError` for zooms that
    cannot be drawn, and `KeyError` for an unknown target.
    """
    write = TARGETS[to]
    options = options or Options()
    plan = read_plan(folder, area=options.area, federation=options.federation)
    run = Run(plan, options, progress or silent, [])
    if to not in WGS84_ALONE and not plan.shifted:
        run.notes.append(_NOT_SHIFTED if plan.asked == "none" else _OUTSIDE)
    try:
        return Exported(write(run), run.notes)
    except PlannerError:
        exports = plan.folder / EXPORTS
        for made in (*exports.glob("*"), exports):
            with suppress(OSError):
                made.rmdir()  # what is empty
        raise


_OUTSIDE: Note = (
    "站点不在大陆范围内：坐标按 WGS-84 写出，没有偏移。若当地地图有偏移，请用 --area all。",
    "The stations lie outside the mainland: positions are WGS-84, without a shift. Where the local "
    "map is shifted, use --area all.",
)
_NOT_SHIFTED: Note = (
    "按 --area none，坐标以 WGS-84 写出，没有偏移。",
    "As --area none says, positions are WGS-84, without a shift.",
)


def _provider(to: str) -> Write:
    def write(run: Run) -> list[Path]:
        from servicecircle.export.qr import write_qr  # noqa: PLC0415

        # first what may fail for want of circles or streets, or for zooms: then nothing is written
        options = run.options
        bands = coloured(run.plan, bands_of(run.plan, options.bands)) if options.tiles else []
        folder = run.plan.target(f"{to}-{run.plan.datum(PROVIDERS[to].datum)}")
        drawn = _tiles(run, folder, to, bands) if options.tiles else []
        written = _station_tables(run, folder, to)
        if to != "tianditu":  # which has no links that open a place by its coordinates
            run.progress("codes", None)
            written += write_qr(run.plan, folder, to=to)
        return written + drawn

    return write


def _station_tables(run: Run, folder: Path, to: str) -> list[Path]:
    from servicecircle.export.stations.tables import write_tables  # noqa: PLC0415

    run.progress("stations", None)
    return write_tables(run.plan, folder, to=to, notes=run.notes)


def _tiles(run: Run, folder: Path, to: str, bands: list[Band]) -> list[Path]:
    """Tiles in the provider's grid, the pages that show them, and archives where asked for."""
    from servicecircle.export.tiles import archives  # noqa: PLC0415
    from servicecircle.export.tiles.grids import GRIDS  # noqa: PLC0415
    from servicecircle.export.tiles.pyramid import write_tiles  # noqa: PLC0415
    from servicecircle.export.viewers import SHARP_FOLDER, write_viewers  # noqa: PLC0415

    plan, options, datum = run.plan, run.options, PROVIDERS[to].datum
    for name in ("index.html", "offline.html"):  # their legends are the older tiles'
        _remove(folder / name)
    written = []
    for scale, name in ((2, SHARP_FOLDER), (1, "tiles")) if options.sharp else ((1, "tiles"),):
        run.progress("tiles", None)
        tiles = write_tiles(
            bands, folder / name, GRIDS[datum], shifted=plan.shifted, zooms=options.zooms,
            scale=scale, metadata=_metadata(plan, datum), progress=run.counted("tiles"),
        )  # fmt: skip
        written.append(folder / name)
    run.progress("pages", None)
    written += write_viewers(plan, folder, to=to, datum=datum, tiles=tiles)
    packers = {"mbtiles": archives.write_mbtiles, "pmtiles": archives.write_pmtiles}
    for name, pack in packers.items():
        path = folder / f"{plan.stem}-{plan.datum(datum)}.{name}"
        _remove(path)  # an earlier export's
        if name in options.archives and not GRIDS[datum].is_xyz:
            run.notes.append(_NO_ARCHIVE)
        elif name in options.archives:
            run.progress("archives", None)
            pack(tiles, path)
            written.append(path)
    return written


_NO_ARCHIVE: Note = (
    "百度的瓦片网格装不进 MBTiles 和 PMTiles，请直接用瓦片文件夹。",
    "MBTiles and PMTiles cannot hold Baidu's own grid: use the folder of tiles.",
)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from error


def _metadata(plan: ExportPlan, datum: str) -> Metadata:
    about = plan.about(datum, "服务圈瓦片 tiles of the service circles")
    return Metadata(plan.title, plan.licence, "\n".join(f"{name}：{text}" for name, text in about))


def _layer(to: str) -> Write:
    def write(run: Run) -> list[Path]:
        from servicecircle.export import layers  # noqa: PLC0415

        run.progress("layers", None)
        return {
            "kml": layers.write_kml,
            "ovital": layers.write_ovital,
            "geojson": layers.write_geojson,
            "gpkg": layers.write_geopackage,
        }[to](run.plan, run.plan.target(to))

    return write


def _tables(run: Run) -> list[Path]:
    return _station_tables(run, run.plan.target("xlsx"), "xlsx")


def _signs(run: Run) -> list[Path]:
    from servicecircle.export.signs import write_signs  # noqa: PLC0415
    from servicecircle.export.stations.hours import parse_hours  # noqa: PLC0415

    run.progress("signs", None)
    unclear = [bool(parse_hours(text).problems) for text in run.plan.stations["hours"]]
    if n := sum(unclear):
        run.notes.append(
            (
                f"{n} 个站点的开放时间没有读懂，标牌上照原文印；站点表的“待补正”写明了是哪些。",
                f"The opening hours of {n} stations are unclear and printed as they are: the "
                "sheet 待补正 of the station tables names them.",
            )
        )
    return write_signs(
        run.plan, run.plan.target("signs"), paper=run.options.paper,
        progress=run.counted("signs"), notes=run.notes,
    )  # fmt: skip


def _report(run: Run) -> list[Path]:
    from servicecircle.export.report import write_report  # noqa: PLC0415

    folder = run.plan.target("report")
    return write_report(run.plan, folder, lang=run.options.lang, progress=run.progress)


TARGETS: dict[str, Write] = {
    **{name: _provider(name) for name in PROVIDERS},
    **{name: _layer(name) for name in ("kml", "ovital", "geojson", "gpkg")},
    "xlsx": _tables,
    "signs": _signs,
    "report": _report,
}
