"""Who is covered: as it stands today, with the plan, and district by district."""

from __future__ import annotations

from typing import Any

from servicecircle.export.report.charts import MAX_BARS, district_chart
from servicecircle.export.report.document import TEXT_WIDTH_MM, Column
from servicecircle.export.report.facts import rows_of
from servicecircle.export.report.map_pictures import Kind
from servicecircle.export.report.numbers import NONE, change, clean, number
from servicecircle.export.report.report import PAGE_MAP_MM, Report
from servicecircle.export.report.section_front import objective_rows, points


def today(report: Report) -> None:
    """Existing stations alone: figures and map."""
    facts, paper, say = report.facts, report.paper, report.say
    paper.heading(say("现状", "As it stands today"))
    if not facts.old:
        paper.text(
            say(
                "目前没有站点，所有需求都没有覆盖。",
                "There are no stations today: no demand is covered.",
            )
        )
        return
    now, total = facts.today, facts.said["total_points"]
    paper.text(
        say(
            f"现有 {report.count(facts.old)} 个站点。{report.within}走得到站点的需求有 "
            f"{report.weight(now.weight)} {report.unit}，占全部需求的 {report.share(now.share)}；"
            f"需求点 {report.count(now.points)} 个，共 {report.count(total)} 个。"
            f"有两个及以上站点可走到的需求占 {report.share(now.cross)}。",
            f"{report.things(facts.old, 'station')} today. {report.weight(now.weight)} "
            f"{report.unit} reach one {report.within}, {report.share(now.share)} of all demand, "
            f"on {report.count(now.points)} of {report.count(total)} demand points. "
            f"{report.share(now.cross)} of the demand reaches two or more.",
        )
    )
    draw(report, "today", say("现有站点及其服务圈", "Today's stations and their service circles"))


def plan(report: Report) -> None:
    """New stations, figures before and after, map."""
    facts, paper, say = report.facts, report.paper, report.say
    paper.heading(say("规划方案", "The plan"))
    if facts.new:
        paper.text(
            say(
                f"方案新建 {report.count(facts.new)} 个站点"
                + (f"，已建的 {report.count(facts.old)} 个全部保留" if facts.old else "")
                + "。前后对照如下。",
                f"The plan opens {report.things(facts.new, 'station')}"
                + (f" and keeps all {report.count(facts.old)} of today" if facts.old else "")
                + ". Before and after:",
            ),
            keep=True,
        )
    else:
        paper.text(
            say("方案不新建站点，各项指标与现状相同。", "The plan opens no station."), keep=True
        )
    head = (
        ("指标", "现状", "方案", "变化")
        if report.lang == "zh"
        else ("figure", "today", "plan", "change")
    )
    columns = [Column(head[0], 5), *(Column(name, 3, "right") for name in head[1:])]
    paper.table(say("建设前后对照", "Before and after"), columns, before_after(report))
    paper.text(
        say(
            "覆盖率的分母是全部需求，包括离路太远、怎么都走不到站点的。"
            "交叉覆盖指有两个及以上站点可走到。各数已四舍五入，变化按未取整的数计算。",
            "Shares are of all demand, what is too far from any street or station included. "
            "Cross-covered is what reaches two stations or more. Figures are rounded; changes are "
            "those of the unrounded ones.",
        ),
        style="Remark",
    )
    if not report.front_map_is_whole:
        draw(report, "plan", say("规划方案（大图）", "The plan, larger"))


def before_after(report: Report) -> list[tuple[str, str, str, str]]:
    """Rows: what, today, plan, change."""
    facts, said, now = report.facts, report.facts.said, report.facts.today
    total = report.say("（共 {}）", " (of {})")
    rows = [
        (report.word("stations"), facts.old, facts.old + facts.new, "count", ""),
        (report.word("covered_share"), now.share, said["covered_share"], "share", ""),
        (
            report.word("covered_weight", unit=report.unit),
            now.weight,
            said["covered_weight"],
            "weight",
            total.format(report.weight(said["total_weight"])),
        ),
        (
            report.word("covered_points"),
            now.points,
            said["covered_points"],
            "count",
            total.format(report.count(said["total_points"])),
        ),
        (report.word("cross"), now.cross, said["cross_covered_share"], "share", ""),
    ]
    shown = [
        (
            label + of,
            number(before, kind),
            number(after, kind),
            points(report, before, after) if kind == "share" else change(before, after, kind),
        )
        for label, before, after, kind, of in rows
    ]
    return shown + objective_rows(report)


def draw(report: Report, kind: Kind, caption: str) -> None:
    """A map in the text's width."""
    facts, say = report.facts, report.say
    picture = report.maps.picture(kind, TEXT_WIDTH_MM, PAGE_MAP_MM)
    report.paper.figure(picture, caption, width_mm=TEXT_WIDTH_MM, alt=caption)
    missing = []
    if report.maps.ground.network is None:
        missing.append(say("街道", "streets"))
    if facts.has_outlines and report.maps.ground.districts is None:
        missing.append(say("区界", "districts"))
    if missing:
        names = say("、", " and ").join(missing)
        report.paper.text(
            say(
                f"注：规划用的数据文件已不在原处或已改动，图上没有画{names}。",
                "Note: files that were planned on are not at their place any more, or changed; "
                f"{names} are not drawn.",
            ),
            style="Remark",
        )


def districts(report: Report) -> None:
    """Who is covered, district by district: table and chart."""
    facts, paper, say = report.facts, report.paper, report.say
    paper.heading(say("分区情况", "District by district"))
    rows = facts.districts
    nobody = (rows["district"] == "") & (rows["weight"] == 0)
    rows = rows[~nobody | ((rows["stations"] > 0) & facts.stations_located)]
    if rows.empty:
        paper.text(
            say(
                "没有行政区资料，不能分区统计。",
                "No districts are known, so there are no figures per district.",
            )
        )
        return
    best, worst = _extremes(report)
    paper.text(
        say(
            f"各区按本区的需求计算覆盖率。方案之后覆盖率最高的是{best}，最低的是{worst}。",
            f"Each share is of the district's own demand. With the plan, {best} is covered best "
            f"and {worst} least.",
        )
        if best != worst
        else say("各区按本区的需求计算覆盖率。", "Each share is of the district's own demand.")
    )
    columns = [
        Column(report.word("col_district"), 26),
        Column(report.word("col_minutes"), 17, "right"),
        Column(say(f"需求（{report.unit}）", f"Demand ({report.unit})"), 22, "right"),
        Column(report.word("col_covers", unit=report.unit), 24, "right"),
        Column(say("现状覆盖率", "Covered today"), 20, "right"),
        Column(say("方案覆盖率", "Covered, plan"), 20, "right"),
        Column(report.word("col_stations"), 14, "right"),
        Column(say("其中新建", "of them new"), 14, "right"),
    ]
    paper.table(
        say("各区覆盖情况", "Coverage by district"),
        columns,
        [district_row(report, row) for row in rows_of(rows)],
    )
    if not facts.stations_located:
        paper.text(
            say(
                "注：不知道站点在哪个区，表中没有分区的站点数。",
                "Note: it is not known which district the stations are in.",
            ),
            style="Remark",
        )
    shown = rows[rows["weight"] > 0]
    if not len(shown):
        return
    most = shown["weight"].rank(method="first", ascending=False) <= MAX_BARS
    named = shown[most].assign(district=[n or report.outside for n in shown[most]["district"]])
    picture = district_chart(named, report.font, report.lang, width_mm=TEXT_WIDTH_MM)
    caption = say("各区覆盖率，现状与方案", "Covered share by district, today and with the plan")
    if not most.all():
        caption += say(f"（需求最多的 {MAX_BARS} 个区）", f" (the {MAX_BARS} of most demand)")
    paper.figure(picture, caption, width_mm=TEXT_WIDTH_MM, alt=caption)


def district_row(report: Report, row: Any) -> tuple[str, ...]:
    """One district as the paper writes it."""
    return (
        clean(row.district, 20) or report.outside,
        number(row.minutes, "minutes"),
        report.weight(row.weight),
        report.weight(row.covered_weight),
        report.share(row.share_before),
        report.share(row.covered_share),
        report.count(row.stations) if report.facts.stations_located else NONE,
        report.count(row.new) if report.facts.stations_located else NONE,
    )


def _extremes(report: Report) -> tuple[str, str]:
    """The districts covered best and least, with their shares."""
    rows = report.facts.districts.dropna(subset=["covered_share"])
    rows = rows[rows["district"] != ""]
    if not len(rows):
        return NONE, NONE
    ranked = rows_of(rows.sort_values("covered_share", kind="stable"))
    named = [
        f"{clean(row.district, 20)}{report.say('（', ' (')}{report.share(row.covered_share)}"
        f"{report.say('）', ')')}"
        for row in (ranked[-1], ranked[0])
    ]
    return named[0], named[1]
