"""The command line, ``servicecircle plan | check | export | app``: a thin shell over the rooms.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import functools
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from servicecircle.errors import Lang, PlannerError

if TYPE_CHECKING:
    from servicecircle.plan import Plan
    from servicecircle.steps import Progress

BAD_INPUT, INTERRUPTED = 2, 130
MOST_LISTED = 8  # files of one folder that are named one by one
PAPERS = ("a4", "a3")

app = typer.Typer(
    name="servicecircle",
    help="服务圈规划 · plan walkable service stations, with a proof.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
out = Console(highlight=False, emoji=False, markup=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, emoji=False, markup=False, soft_wrap=True)
_lang: Lang = "zh"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):  # a console that lacks a character shows "?"
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


def _mendable(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with one message and an exit code for what a planner can mend, or Ctrl-C."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except PlannerError as error:
            _print(err, _say("错误：", "Error: ") + error.text(_lang))
            raise typer.Exit(BAD_INPUT) from None
        except KeyboardInterrupt:
            _print(
                err,
                _say(
                    "已中断，没有留下不完整的结果；瓦片再次运行会从断点继续。",
                    "Interrupted; nothing half-written. Tiles go on from here at the next run.",
                )
                if command.__name__ == "export"
                else _say("已中断，没有留下不完整的结果。", "Interrupted; nothing half-written."),
            )
            raise typer.Exit(INTERRUPTED) from None

    return run


@app.callback()
def _options(
    lang: Annotated[str, typer.Option(help="语言 / language: zh | en")] = "",
) -> None:
    """服务圈规划 · plan walkable service stations, with a proof."""
    global _lang  # noqa: PLW0603 (one process, one language)
    chosen = lang or os.environ.get("SERVICECIRCLE_LANG") or ("zh" if _shows_chinese() else "en")
    if chosen not in ("zh", "en"):
        raise typer.BadParameter("zh | en", param_hint="--lang")
    _lang = "en" if chosen == "en" else "zh"


def _shows_chinese() -> bool:
    """Whether the terminal can: where it would print question marks, English is better."""
    try:
        "服务圈".encode(sys.stderr.encoding or "utf-8")
        return True
    except (UnicodeEncodeError, LookupError):
        return False


@app.command()
@_mendable
def plan(
    scenario: Annotated[Path | None, typer.Argument(help="方案文件 / scenario file (TOML)")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="输出文件夹 / output folder")
    ] = None,
    osm: Annotated[
        Path | None, typer.Option(help="路网文件 / streets (.osm.pbf, .osm, .graphml, .gpkg …)")
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="按地名下载路网 / fetch the streets of a place")
    ] = None,
    demand: Annotated[Path | None, typer.Option(help="需求点表 / demand table")] = None,
    demand_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    candidates: Annotated[Path | None, typer.Option(help="备选点表 / candidates table")] = None,
    candidates_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    existing: Annotated[Path | None, typer.Option(help="已建站点表 / existing stations")] = None,
    existing_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    districts: Annotated[Path | None, typer.Option(help="行政区图层 / districts layer")] = None,
    districts_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    model: Annotated[
        str | None, typer.Option(help="mclp | lscp | partial_cover | p_median | p_center")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="标准，分钟 / standard, minutes")] = None,
    new_sites: Annotated[int | None, typer.Option(help="新建站点数 / number of new sites")] = None,
    budget: Annotated[float | None, typer.Option(help="预算，元 / budget, yuan")] = None,
    share: Annotated[float | None, typer.Option(help="覆盖率目标 0–1 / share to cover")] = None,
    decay_to_minutes: Annotated[
        float | None,
        typer.Option(
            help="超出标准后递减到 0 的分钟数 / credit beyond the standard, 0 from here on"
        ),
    ] = None,
    capacities: Annotated[
        bool | None,
        typer.Option(
            "--capacities/--no-capacities", help="站点容量有限 / stations serve their capacity"
        ),
    ] = None,
    speed_kmh: Annotated[float | None, typer.Option(help="速度 / speed, km/h")] = None,
    profile: Annotated[str | None, typer.Option(help="foot 步行 | ebike 电动自行车")] = None,
    walk_filter: Annotated[
        str | None, typer.Option(help="道路规则 / which ways: osmnx | china | ebike")
    ] = None,
    barriers: Annotated[
        Path | None, typer.Option(help="不可进入的面 / polygons closed to walkers")
    ] = None,
    links: Annotated[
        Path | None, typer.Option(help="新增通道的线 / extra links, such as a footbridge")
    ] = None,
    dem: Annotated[Path | None, typer.Option(help="高程 / heights (GeoTIFF): slopes count")] = None,
    legs_avoid: Annotated[
        str | None,
        typer.Option(help="路外段不可穿越 / legs may not cross: water,railway,motorway"),
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="求解时限，秒 / seconds")] = None,
    seed: Annotated[int | None, typer.Option(help="随机种子 / seed")] = None,
    cached: Annotated[
        bool, typer.Option("--cache/--no-cache", help="使用缓存 / use what was computed before")
    ] = True,
) -> None:
    """规划站点 · make a plan and write it into a folder.

    不给任何文件时，规划自带的虚构城市“河谷市”。
    Without any file, the bundled fictional city is planned.
    """
    from servicecircle import plan_folder  # noqa: PLC0415
    from servicecircle.cli_scenario import scenario_of  # noqa: PLC0415
    from servicecircle.maps import map_html  # noqa: PLC0415
    from servicecircle.plan import make_plan  # noqa: PLC0415

    network = {
        "osm": osm, "place": place, "profile": profile, "walk_filter": walk_filter,
        "speed_kmh": speed_kmh, "barriers": barriers, "links": links, "dem": dem,
        "legs_avoid": _words(legs_avoid) if legs_avoid else None,
    }  # fmt: skip
    question = {
        "model": model, "minutes": minutes, "new_sites": new_sites, "budget": budget,
        "share": share, "time_limit": time_limit, "seed": seed,
        "decay_to_minutes": decay_to_minutes, "capacities": capacities,
    }  # fmt: skip
    tables = {
        "demand": (demand, demand_datum),
        "candidates": (candidates, candidates_datum),
        "existing": (existing, existing_datum),
        "districts": (districts, districts_datum),
    }
    asked = scenario_of(scenario, network, tables, question)
    folder = out_dir or plan_folder.default_folder(asked.title)
    plan_folder.require_writable(folder)
    with _progress() as tell:
        made = make_plan(asked, progress=tell, cached=cached)
        tell("write", None)
        plan_folder.save(made, folder, map_html=map_html)
    _show(made, folder)


@app.command()
@_mendable
def check(
    folder: Annotated[Path, typer.Argument(help="规划结果文件夹 / plan folder")],
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="从 OSM 和表格重算 / redo reach from the OSM file and the tables"
        ),
    ] = False,
) -> None:
    """复核结果 · prove a plan's claims again, from its folder alone.

    退出码 exit codes: 0 全部成立 every claim proved again · 3 仅求解器保证 coverage holds, but the
    bound is only the solver's word · 1 有不实之处 a claim is false · 2 读不了 unreadable.
    """
    from servicecircle import check as checking  # noqa: PLC0415

    report = checking.check_folder(folder)
    if rebuild:
        from servicecircle.check_streets import rebuild as redo  # noqa: PLC0415

        redo(folder, report)
    shown = report.failed or report.claims
    _print(out, checking.summary(shown, _lang))
    _print(out, _verdict(report))
    raise typer.Exit(report.exit_code)


@app.command()
@_mendable
def export(
    folder: Annotated[Path, typer.Argument(help="规划结果文件夹 / plan folder")],
    to: Annotated[
        str,
        typer.Option(
            help="gaode | baidu | tencent | tianditu | kml | ovital | geojson | gpkg | xlsx | "
            "signs | report；可用逗号并列 / several with commas"
        ),
    ],
    area: Annotated[
        str, typer.Option(help="偏移适用范围 / where the shift applies: mainland | all | none")
    ] = "mainland",
    federation: Annotated[
        str, typer.Option(help="工会名称（标牌、报告）/ the federation's name")
    ] = "",
    bands: Annotated[
        str, typer.Option(help="服务圈，分钟，如 5,10,15 / circles to draw, minutes")
    ] = "",
    tiles: Annotated[bool, typer.Option("--tiles/--no-tiles", help="瓦片 / tiles")] = True,
    zoom: Annotated[str, typer.Option(help="瓦片级别，如 10-17 / zooms of the tiles")] = "",
    sharp: Annotated[
        bool, typer.Option("--sharp", help="另存 512 像素瓦片 / tiles of 512 pixels too")
    ] = False,
    mbtiles: Annotated[bool, typer.Option("--mbtiles", help="另存 MBTiles / too")] = False,
    pmtiles: Annotated[bool, typer.Option("--pmtiles", help="另存 PMTiles / too")] = False,
    paper: Annotated[str, typer.Option(help="标牌纸张 / paper of the signs: a4 | a3")] = "a4",
) -> None:
    """导出 · tables, tiles, pages, layers, signs and the report of a plan, into its export/."""
    from servicecircle.coordinates import AREAS  # noqa: PLC0415
    from servicecircle.export.targets import TARGETS, Options  # noqa: PLC0415
    from servicecircle.export.targets import export as write  # noqa: PLC0415

    wanted = list(dict.fromkeys(_words(to)))
    for given, known, name in (
        (wanted or [""], TARGETS, "--to"), ([area], AREAS, "--area"), ([paper], PAPERS, "--paper"),
    ):  # fmt: skip
        if not set(given) <= set(known):
            raise typer.BadParameter(" | ".join(known), param_hint=name)
    if (mbtiles or pmtiles) and not (tiles and set(wanted) & {"gaode", "tencent", "tianditu"}):
        raise typer.BadParameter(
            "--to gaode | tencent | tianditu", param_hint="--mbtiles/--pmtiles"
        )
    options = Options(
        area, federation, _minutes(bands), tiles, _zooms(zoom), sharp,
        tuple(name for name, asked in (("mbtiles", mbtiles), ("pmtiles", pmtiles)) if asked),
        paper, _lang,
    )  # fmt: skip
    for target in wanted:
        with _progress() as tell:
            done = write(folder, target, options, tell)
        for note in done.notes:
            _print(err, "⚠ " + _say(*note))
        for line in _listed(done.paths):
            _print(out, line)


@app.command()
@_mendable
def fetch(
    place: Annotated[str, typer.Argument(help="地名，如“西宁市城东区” / name of a place")],
    margin_m: Annotated[float, typer.Option(help="外扩，米 / metres around it")] = 3000.0,
    nominatim_url: Annotated[str | None, typer.Option(help="地名服务器 / geocoder")] = None,
    overpass_url: Annotated[str | None, typer.Option(help="地图服务器 / map server")] = None,
    timeout: Annotated[float, typer.Option(help="时限，秒 / seconds")] = 180.0,
    refresh: Annotated[bool, typer.Option("--refresh", help="重新下载 / download anew")] = False,
) -> None:
    """下载某地的地图 · fetch the map of a place, once; plan it with plan --place.

    只有这个命令和 plan --place 联网。Only this command and plan --place use the network.
    """
    from servicecircle.fetching.fetch import fetch_place  # noqa: PLC0415

    with _progress() as tell:
        fetched = fetch_place(
            place, margin_m=margin_m, nominatim_url=nominatim_url, overpass_url=overpass_url,
            timeout=timeout, refresh=refresh, progress=tell,
        )  # fmt: skip
    _print(out, _say(*fetched.note))
    for zh, en, path in (("地图", "map", fetched.osm), ("边界", "outline", fetched.outline)):
        _print(out, _say(f"{zh}：{path}", f"{en}: {path}"))


@app.command(name="app")
@_mendable
def dashboard(
    port: Annotated[int, typer.Option(help="端口 / port")] = 8501,
    browser: Annotated[bool, typer.Option(help="打开浏览器 / open a browser")] = True,
) -> None:
    """打开规划页面 · open the planning page in a browser, on this machine only."""
    from servicecircle.dashboard.launch import launch  # noqa: PLC0415

    launch(port=port, open_browser=browser)


def _verdict(report: Any) -> str:
    n, bad = len(report.claims), len(report.failed)
    return {
        0: _say(
            f"全部 {n} 项成立，界已重新证明。", f"All {n} claims hold; the bound is proved again."
        ),
        1: _say(f"{n} 项中有 {bad} 项不成立。", f"{bad} of {n} claims are false."),
        3: _say(
            f"{n} 项成立，但界只有求解器的说法，未能独立证明。",
            f"{n} claims hold, but the bound is only the solver's word.",
        ),
    }[report.exit_code]


def _listed(written: list[Path]) -> list[str]:
    """A line per file; many in one folder are counted."""
    folders: dict[Path, list[Path]] = {}
    for path in written:
        folders.setdefault(path.parent, []).append(path)
    lines = []
    for parent, paths in folders.items():
        if len(paths) > MOST_LISTED:
            n = len(paths)
            lines.append(_say(f"已写出：{parent}（{n} 个文件）", f"written: {parent} ({n} files)"))
        else:
            lines += [_say(f"已写出：{path}", f"written: {path}") for path in paths]
    return lines


def _minutes(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(word) for word in _words(text))
    except ValueError:
        raise typer.BadParameter("5,10,15", param_hint="--bands") from None


def _zooms(text: str) -> tuple[int, int] | None:
    """``10-17``, or ``16`` for one; nothing for what suits the data."""
    if not text.strip():
        return None
    found = re.fullmatch(r"\s*(\d{1,2})(?:\s*[-–—~]\s*(\d{1,2}))?\s*", text)
    if found is None:
        raise typer.BadParameter("10-17", param_hint="--zoom")
    low = int(found[1])
    return low, int(found[2] or low)


def _words(text: str) -> list[str]:
    """The words of a list as people type it."""
    return [word for word in re.split(r"[,;，；、\s]+", text) if word]


# --- what the planner sees ------------------------------------------------------------------------


def _say(zh: str, en: str) -> str:
    return zh if _lang == "zh" else en


def _print(console: Console, text: str) -> None:
    """Print text from files without what could steer the terminal."""
    console.print(_CONTROLS.sub("�", text))


@contextmanager
def _progress() -> Iterator[Progress]:
    from servicecircle.cli_progress import progress  # noqa: PLC0415

    with progress(err, lambda line: _print(err, line), _lang) as tell:
        yield tell


def _show(made: Plan, folder: Path) -> None:
    from servicecircle.summary import summary_lines  # noqa: PLC0415

    for note in made.notes:
        _print(err, "⚠ " + _say(*note))
    lines = [*summary_lines(made, _lang), (_say("地图", "map"), str(folder / "map.html"))]
    for label, value in lines:
        _print(out, label + _say("：", ": ") + value)


if __name__ == "__main__":
    main()
