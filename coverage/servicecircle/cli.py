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

from servicecircle import bundled
from servicecircle.errors import Lang, PlannerError, ScenarioError

if TYPE_CHECKING:
    from servicecircle.plan import Plan, Progress
    from servicecircle.scenario import Scenario

BAD_INPUT, INTERRUPTED = 2, 130

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
                err, _say("已中断，没有留下不完整的结果。", "Interrupted; nothing half-written.")
            )
            raise typer.Exit(INTERRUPTED) from None

    return run


@app.callback()
def _options(
    lang: Annotated[str, typer.Option(help="语言 / language: zh | en")] = "",
) -> None:
    """服务圈规划 · plan walkable service stations, with a proof."""
    global _lang  # noqa: PLW0603 (one process, one language)
    chosen = lang or os.environ.get("SERVICECIRCLE_LANG", "zh")
    if chosen not in ("zh", "en"):
        raise typer.BadParameter("zh | en", param_hint="--lang")
    _lang = "en" if chosen == "en" else "zh"


@app.command()
@_mendable
def plan(
    scenario: Annotated[Path | None, typer.Argument(help="方案文件 / scenario file (TOML)")] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="输出文件夹 / output folder")
    ] = None,
    osm: Annotated[Path | None, typer.Option(help="OSM 路网 / OSM file (.osm.pbf, .osm …)")] = None,
    demand: Annotated[Path | None, typer.Option(help="需求点表 / demand table")] = None,
    demand_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    candidates: Annotated[Path | None, typer.Option(help="备选点表 / candidates table")] = None,
    candidates_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    existing: Annotated[Path | None, typer.Option(help="已建站点表 / existing stations")] = None,
    existing_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    districts: Annotated[Path | None, typer.Option(help="行政区图层 / districts layer")] = None,
    districts_datum: Annotated[str | None, typer.Option(help="wgs84 | gcj02 | bd09")] = None,
    model: Annotated[str | None, typer.Option(help="mclp | lscp | partial_cover")] = None,
    minutes: Annotated[float | None, typer.Option(help="标准，分钟 / standard, minutes")] = None,
    new_sites: Annotated[int | None, typer.Option(help="新建站点数 / number of new sites")] = None,
    budget: Annotated[float | None, typer.Option(help="预算，元 / budget, yuan")] = None,
    share: Annotated[float | None, typer.Option(help="覆盖率目标 0–1 / share to cover")] = None,
    speed_kmh: Annotated[float | None, typer.Option(help="步行速度 / walking speed, km/h")] = None,
    time_limit: Annotated[float | None, typer.Option(help="求解时限，秒 / seconds")] = None,
    seed: Annotated[int | None, typer.Option(help="随机种子 / seed")] = None,
) -> None:
    """规划站点 · make a plan and write it into a folder.

    不给任何文件时，规划自带的虚构城市“河谷市”。
    Without any file, the bundled fictional city is planned.
    """
    from servicecircle import plan_folder  # noqa: PLC0415
    from servicecircle.maps import map_html  # noqa: PLC0415
    from servicecircle.plan import make_plan  # noqa: PLC0415

    question = {
        "model": model, "minutes": minutes, "new_sites": new_sites, "budget": budget,
        "share": share, "time_limit": time_limit, "seed": seed,
    }  # fmt: skip
    tables = {
        "demand": (demand, demand_datum),
        "candidates": (candidates, candidates_datum),
        "existing": (existing, existing_datum),
        "districts": (districts, districts_datum),
    }
    asked = _scenario(scenario, osm, speed_kmh, tables, question)
    folder = out_dir or plan_folder.default_folder(asked.title)
    plan_folder.require_writable(folder)
    with _progress() as tell:
        made = make_plan(asked, progress=tell)
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
    to: Annotated[str, typer.Option(help="gaode | baidu")],
    area: Annotated[
        str, typer.Option(help="偏移适用范围 / where the shift applies: mainland | all | none")
    ] = "mainland",
) -> None:
    """导出站点表 · station tables in a map provider's datum (XLSX and CSV)."""
    from servicecircle.export.station_tables import PROVIDERS, export_stations  # noqa: PLC0415

    if to not in PROVIDERS:
        raise typer.BadParameter(" | ".join(PROVIDERS), param_hint="--to")
    if area not in ("mainland", "all", "none"):
        raise typer.BadParameter("mainland | all | none", param_hint="--area")
    for path in export_stations(folder, to, area=area):
        _print(out, _say(f"已写出：{path}", f"written: {path}"))


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


# --- the scenario, with the options in place of its own lines -------------------------------------


def _scenario(
    file: Path | None,
    osm: Path | None,
    speed_kmh: float | None,
    tables: dict[str, tuple[Path | None, str | None]],
    question: dict[str, Any],
) -> Scenario:
    from servicecircle.scenario import TARGETS, load_scenario, make_scenario  # noqa: PLC0415

    data: dict[str, Any] = {}
    folder = Path()
    if file is None and osm is None and not any(table for table, _ in tables.values()):
        file = bundled.city()
    if file is not None:
        loaded = load_scenario(file)
        folder, data = loaded.folder, loaded.model_dump(exclude_none=True)
    network = data.setdefault("network", {})
    if osm is not None:
        network["osm"] = str(osm.absolute())
        network.pop("sha256", None)
        data.setdefault("title", osm.name.split(".")[0])
    if speed_kmh is not None:
        network["speed_kmh"] = speed_kmh
    for name, (table, datum) in tables.items():
        _replace_table(data, name, table, datum)
    given = {key: value for key, value in question.items() if value is not None}
    old = data.setdefault("question", {})
    # another target takes the old one's place; so does the model that has none
    if any(key in given for key in TARGETS) or given.get("model") == "lscp":
        for key in (*TARGETS, "model"):
            old.pop(key, None)
    old.update(given)
    return make_scenario(data, folder=folder, source=str(file or ""))


def _replace_table(data: dict[str, Any], name: str, file: Path | None, datum: str | None) -> None:
    if file is None and datum is None:
        return
    parent = data.setdefault("sites", {}) if name in ("candidates", "existing") else data
    part = parent.setdefault(name, {})
    if file is not None:
        part.clear()  # another table has its own columns and sheets
        part["file"] = str(file.absolute())
    if datum is not None:
        part["datum"] = datum
    if "file" not in part:
        raise ScenarioError(
            f"给了 --{name}-datum，但没有 {name} 表：请同时用 --{name} 给出文件。",
            f"--{name}-datum was given, but there is no {name} table: hand one in with --{name}.",
        )


# --- what the planner sees ------------------------------------------------------------------------


def _say(zh: str, en: str) -> str:
    return zh if _lang == "zh" else en


def _print(console: Console, text: str) -> None:
    """Print text from files without what could steer the terminal."""
    console.print(_CONTROLS.sub("�", text))


@contextmanager
def _progress() -> Iterator[Progress]:
    """A progress display on standard error: one line per step, plain where there is no terminal."""
    from servicecircle.plan import STEPS  # noqa: PLC0415

    words = {**STEPS, "write": ("绘制地图、写出结果", "draw the map, write the plan")}
    shown = _bars(words) if err.is_terminal else _lines(words)
    with shown as tell:
        yield tell


@contextmanager
def _lines(words: dict[str, tuple[str, str]]) -> Iterator[Progress]:
    told: set[str] = set()

    def tell(step: str, done: float | None) -> None:
        if step not in told:
            told.add(step)
            _print(err, _say(*words[step]) + " …")

    yield tell


@contextmanager
def _bars(words: dict[str, tuple[str, str]]) -> Iterator[Progress]:
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    bars = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(),
        console=err,
    )  # fmt: skip
    tasks: dict[str, Any] = {}
    with bars:

        def tell(step: str, done: float | None) -> None:
            if step not in tasks:
                for task in tasks.values():
                    bars.update(task, total=1.0, completed=1.0)
                tasks[step] = bars.add_task(_say(*words[step]), total=None)
            if done is not None:
                bars.update(tasks[step], total=1.0, completed=done)

        yield tell
        for task in tasks.values():
            bars.update(task, total=1.0, completed=1.0)


def _show(made: Plan, folder: Path) -> None:
    from servicecircle.summary import summary_lines  # noqa: PLC0415

    for note in made.notes:
        _print(err, "⚠ " + _say(*note))
    lines = [*summary_lines(made, _lang), (_say("地图", "map"), str(folder / "map.html"))]
    for label, value in lines:
        _print(out, label + _say("：", ": ") + value)


if __name__ == "__main__":
    main()
