"""The workbook behind the paper: the same figures as numbers, with everything that the paper cuts.

Text stays text, whatever it begins with; there are no formulas and no links.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from servicecircle.export.export_plan import SOURCE_WORDS, STATUS_WORDS
from servicecircle.export.report.facts import rows_of
from servicecircle.export.report.numbers import EXCEL
from servicecircle.export.report.report import Report
from servicecircle.export.report.section_front import verdict
from servicecircle.export.report.section_question import asked, input_row, model_words
from servicecircle.export.report.section_stations import reason, why_uncovered
from servicecircle.export.workbook import Book, Field

MAX_UNCOVERED = 5000  # demand points that stay uncovered, the heaviest
CHART_ROWS = 60


def write_workbook(report: Report, path: Path) -> None:
    """Write the workbook. Raises `OSError` and `xlsxwriter`'s errors."""
    book = Book(path, EXCEL, footer=report.facts.plan.licence, lang=report.lang)
    say = report.say
    book.pairs(
        say("说明", "About"),
        report.facts.plan.about("wgs84", say("规划报告的数据", "data behind the report")),
    )
    _totals(book, report)
    _districts(book, report)
    _stations(book, report)
    _uncovered(book, report)
    _inputs(book, report)
    book.pairs(say("方法与证明", "Method and proof"), _proof(report))
    book.close()


#: one figure of the totals: what, unit, today, plan, kind of number
Total = tuple[str, str, float | None, float | None, str]


def _totals(book: Book, report: Report) -> None:
    say = report.say
    rows = [*_covered(report), *_optimised(report), *_left_out(report)]
    fields = [
        Field(say("指标", "figure")),
        Field(say("单位", "unit")),
        Field(say("现状", "today"), "plain"),
        Field(say("方案", "plan"), "plain"),
    ]
    names = [(name, unit, None, None) for name, unit, *_ in rows]
    sheet = book.sheet(say("总体指标", "Totals"), fields, names)
    for i, (_, _, before, after, kind) in enumerate(rows, start=1):
        book.write(sheet, i, 2, before, kind)
        book.write(sheet, i, 3, after, kind)
    sheet.set_column(2, 3, 16)


def _covered(report: Report) -> list[Total]:
    """Who is covered, today and with the plan."""
    facts, said, say, now = report.facts, report.facts.said, report.say, report.facts.today
    number, people, points = say("个", "number"), said["total_weight"], said["total_points"]
    cross = said["cross_covered_share"]
    return [
        (say("站点", "stations"), number, facts.old, facts.old + facts.new, "count"),
        (report.word("covered_share"), "%", now.share, said["covered_share"], "share"),
        (
            say("覆盖的需求", "covered demand"),
            report.unit,
            now.weight,
            said["covered_weight"],
            "weight",
        ),
        (say("全部需求", "all demand"), report.unit, people, people, "weight"),
        (
            say("覆盖的需求点", "covered points"),
            number,
            now.points,
            said["covered_points"],
            "count",
        ),
        (say("全部需求点", "all points"), number, points, points, "count"),
        (report.word("cross"), "%", now.cross, cross, "share"),
    ]


def _optimised(report: Report) -> list[Total]:
    """What the plan costs, what was optimised, and how good it is."""
    said, say, unit = report.facts.said, report.say, _objective_unit(report)
    yuan = say("元", "yuan")
    return [
        (say("新建费用", "cost of new stations"), yuan, None, said["cost"], "yuan"),
        (say("目标值", "objective"), unit, None, said["objective"], "plain"),
        (say("目标值的界", "bound"), unit, None, said["bound"], "plain"),
        (report.word("gap"), "%", None, said["gap"], "gap"),
    ]


def _left_out(report: Report) -> list[Total]:
    """What no plan could count, or hardly."""
    said, say = report.facts.said, report.say
    number, islands = say("个", "number"), said["islands"]
    beyond, far = said["unreachable_weight"], said["far_weight_share"]
    rows: list[tuple[str, str, float, str]] = [
        (say("够不着的需求", "demand beyond every site"), report.unit, beyond, "weight"),
        (
            say("离路过远的需求点", "unsnapped demand points"),
            number,
            said["unsnapped_demand"],
            "count",
        ),
        (say("离路过远的站点", "unsnapped sites"), number, said["unsnapped_sites"], "count"),
        (
            say("离路 100 米以上的需求占比", "demand over 100 m from a street"),
            "%",
            far,
            "share",
        ),
        (say("孤立路段", "islands"), say("处", "number"), islands["count"], "count"),
        (say("孤立路段长度", "islands' length"), say("米", "metres"), islands["metres"], "weight"),
    ]
    return [(name, unit, None, value, kind) for name, unit, value, kind in rows]


def _objective_unit(report: Report) -> str:
    return {
        "stations": report.say("个", "number"),
        "cost": report.say("元", "yuan"),
        "mean_minutes": report.say("分钟", "minutes"),
        "most_minutes": report.say("分钟", "minutes"),
    }.get(report.facts.counts, report.unit)


def _districts(book: Book, report: Report) -> None:
    facts, say, unit = report.facts, report.say, report.unit
    name = report.word("districts")
    fields = [
        Field(report.word("col_district")),
        Field(report.word("col_minutes"), "minutes"),
        Field(say(f"需求（{unit}）", f"demand ({unit})"), "weight"),
        Field(report.word("col_covers", unit=unit), "weight"),
        Field(say("现状覆盖率（%）", "covered today (%)"), "share"),
        Field(say("方案覆盖率（%）", "covered, plan (%)"), "share"),
        Field(report.word("col_stations"), "count"),
        Field(say("其中新建（个）", "of them new"), "count"),
    ]
    rows = facts.districts.assign(
        district=[name or report.outside for name in facts.districts["district"]]
    )
    sheet = book.sheet(name, fields, rows_of(rows))
    if 0 < len(rows) <= CHART_ROWS:
        book.chart(
            sheet,
            name,
            title=say("各区覆盖率", "Covered share by district"),
            axis=say("占本区需求权重", "of the district's demand"),
            series=[(say("现状", "today"), 4, "#B9CBDC"), (say("方案", "plan"), 5, "#00734F")],
            rows=len(rows),
        )


def _stations(book: Book, report: Report) -> None:
    say, unit = report.say, report.unit
    fields = [
        Field(report.word("col_label")),
        Field(report.word("col_id")),
        Field(report.word("col_name")),
        Field(report.word("col_status")),
        Field(report.word("col_kind")),
        Field(report.word("col_district")),
        Field(report.word("col_address")),
        Field(say("经度（WGS-84）", "lng (WGS-84)"), "degrees"),
        Field(say("纬度（WGS-84）", "lat (WGS-84)"), "degrees"),
        Field(say("服务项目", "services")),
        Field(say("开放时间", "hours")),
        Field(say("联系电话", "phone")),
        Field(say("共建单位", "partner")),
        Field(say("备注", "remarks")),
        Field(say("面积（平方米）", "area (m²)"), "weight"),
        Field(report.word("col_cost"), "yuan"),
        Field(report.word("col_covers", unit=unit), "weight"),
        Field(say(f"没有它就失去（{unit}）", f"lost without it ({unit})"), "weight"),
        Field(say("为什么", "why")),
        Field(say("来源", "source")),
    ]
    own, osm = say(SOURCE_WORDS[0], "the planner"), SOURCE_WORDS[1]
    rows = [
        (
            r.label,
            r.site_id,
            r.name,
            say(STATUS_WORDS.get(r.status, r.status), r.status),
            r.kind,
            r.district,
            r.address,
            r.lng,
            r.lat,
            r.services,
            r.hours,
            r.phone,
            r.partner,
            r.remarks,
            r.area_m2,
            r.cost,
            r.covers_weight,
            r.only_covers_weight,
            reason(report, r),
            osm if r.from_osm else own,
        )
        for r in rows_of(report.facts.stations)
    ]
    book.sheet(say("站点", "Stations"), fields, rows)


def _uncovered(book: Book, report: Report) -> None:
    """Uncovered demand points, the heaviest first."""
    facts, say, unit = report.facts, report.say, report.unit
    demand = facts.stored.demand
    rows = np.flatnonzero(facts.kinds["open"] | facts.kinds["beyond"])
    rows = rows[np.argsort(-facts.stored.weight[rows], kind="stable")]
    reasons = [name for name, *_ in why_uncovered(report)]
    why = np.where(facts.kinds["open"], 0, np.where(facts.snapped, 1, 2))
    fields = [
        Field(say("需求点", "demand point")),
        Field(report.word("col_district")),
        Field(say("经度（WGS-84）", "lng (WGS-84)"), "degrees"),
        Field(say("纬度（WGS-84）", "lat (WGS-84)"), "degrees"),
        Field(say(f"需求（{unit}）", f"demand ({unit})"), "weight"),
        Field(report.word("col_minutes"), "minutes"),
        Field(say("到最近站点（分钟）", "to the nearest station (minutes)"), "walk"),
        Field(say("原因", "reason")),
    ]
    found = [
        (
            str(demand["demand_id"][i]),
            str(demand["district"][i]),
            demand["lng"][i],
            demand["lat"][i],
            facts.stored.weight[i],
            demand["minutes_required"][i],
            demand["minutes"][i],
            reasons[why[i]],
        )
        for i in rows[:MAX_UNCOVERED].tolist()
    ]
    sheet = book.sheet(say("未覆盖", "Uncovered"), fields, found)
    if len(rows) > MAX_UNCOVERED:
        text = say(
            f"只列出权重最大的 {MAX_UNCOVERED} 个，共 {len(rows)} 个；全部见 demand.parquet。",
            f"The heaviest {MAX_UNCOVERED} of {len(rows)}; demand.parquet has them all.",
        )
        sheet.write_string(len(found) + 2, 0, text)


def _inputs(book: Book, report: Report) -> None:
    say = report.say
    fields = [
        Field(report.word("col_role")),
        Field(report.word("col_file")),
        Field(report.word("col_datum")),
        Field(report.word("col_rows"), "count"),
        Field(report.word("col_date")),
        Field("SHA-256"),
    ]
    rows = []
    for entry in report.facts.said["inputs"]:
        role, file, datum, _, date, _ = input_row(report, entry)
        rows.append((role, file, datum, entry["rows"], date, entry["sha256"]))
    book.sheet(say("输入数据", "Inputs"), fields, rows)


def _proof(report: Report) -> list[tuple[str, str]]:
    said, say = report.facts.said, report.say
    name, aim = model_words(report)
    return [
        (say("问题", "question"), asked(report)),
        (say("模型", "model"), f"{name}: {aim}"),
        ("plan.json: model", str(said["model"])),
        (say("结论", "verdict"), verdict(report)),
        (say("依据", "proof"), report.word(f"proof_{said['proof']}")),
        *((say("提示", "note"), note[report.lang]) for note in said["notes"]),
    ]
