"""The command line: ``servicecircle plan | check``; a thin shell over the rooms behind it.

Heavy libraries are imported inside the commands, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

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
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)
_lang: Lang = "zh"


def main() -> None:
    """Run the command line; what a planner can mend is one message and exit code 2."""
    try:
        app()
    except PlannerError as error:
        err.print(("错误：" if _lang == "zh" else "Error: ") + error.text(_lang), markup=False)
        sys.exit(BAD_INPUT)
    except KeyboardInterrupt:
        err.print(_say("已中断，没有写入任何文件。", "Interrupted; nothing was written."))
        sys.exit(INTERRUPTED)


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
    """规划站点 · make a plan and write it into a folder."""
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
def check(
    folder: Annotated[Path, typer.Argument(help="规划结果文件夹 / plan folder")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="从 OSM 重算步行时间 / redo reach from the OSM file")
    ] = False,
) -> None:
    """复核结果 · prove a plan's claims again, from its folder alone.

    退出码 exit codes: 0 全部成立 every claim proved again · 3 仅求解器保证 coverage holds, but the
    bound is only the solver's word · 1 有不实之处 a claim is false · 2 读不了 unreadable.
    """
    from servicecircle import check as checking  # noqa: PLC0415

    report = checking.check_folder(folder)
    if rebuild:
        checking.rebuild(folder, report)
    shown = report.failed or report.claims
    out.print(checking.summary(shown), markup=False)
    out.print(_verdict(report), markup=False)
    raise typer.Exit(report.exit_code)


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
    if any(key in given for key in TARGETS):  # another target takes the old one's place
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


@contextmanager
def _progress() -> Iterator[Progress]:
    """A progress display on standard error: one line per step."""
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    from servicecircle.plan import STEPS  # noqa: PLC0415

    words = {**STEPS, "write": ("绘制地图、写出结果", "draw the map, write the plan")}
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
        err.print("⚠ " + _say(*note), markup=False)
    for label, value in summary_lines(made, _lang):
        out.print(f"{label}：{value}" if _lang == "zh" else f"{label}: {value}", markup=False)
    out.print(
        _say("地图", "map") + ("：" if _lang == "zh" else ": ") + str(folder / "map.html"),
        markup=False,
    )


if __name__ == "__main__":
    main()
