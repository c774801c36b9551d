"""The stations: what they cost, which they are and why, and what stays uncovered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from servicecircle.errors import Note
from servicecircle.export.report.document import Column
from servicecircle.export.report.facts import rows_of
from servicecircle.export.report.numbers import NONE, clean, number
from servicecircle.export.report.report import Report
from servicecircle.export.report.section_coverage import draw

MAX_ROWS = 300  # stations in a list on paper; the workbook has them all


def cost(report: Report) -> None:
    """What the new stations cost, as far as that is known."""
    facts, paper, say = report.facts, report.paper, report.say
    paper.heading(say("费用", "Cost"))
    if not facts.new:
        paper.text(
            say("方案不新建站点，没有新建费用。", "The plan opens no station and costs nothing.")
        )
        return
    rows = facts.stations[facts.stations["new"]]
    known = rows["cost"].notna()
    if not known.any():
        paper.text(
            say(
                "备选点没有给出费用，新建费用未知。要按费用比较，"
                "请在备选点表里填写“费用”列后重新规划。",
                "No candidate has a cost, so the cost is not known. Fill in the cost column of the "
                "candidates' table and plan again to compare.",
            )
        )
        return
    total = facts.said["cost"]
    if total is None:
        part = number(float(rows["cost"].sum()), "yuan")
        paper.text(
            say(
                f"{report.count(int((~known).sum()))} 个新建站点没有给出费用，总费用未知；"
                f"其余 {report.count(int(known.sum()))} 个合计 {part} 元。",
                f"{report.count(int((~known).sum()))} new stations have no cost given, so the "
                f"total is not known; the other {report.count(int(known.sum()))} cost {part} yuan.",
            )
        )
    else:
        each = number(total / facts.new, "yuan")
        paper.text(
            say(
                f"新建 {report.count(facts.new)} 个站点共 {number(total, 'yuan')} 元，平均每个 "
                f"{each} 元。",
                f"{report.things(facts.new, 'new station')}: {number(total, 'yuan')} yuan in all, "
                f"{each} each on average.",
            )
            + _budget(report)
        )
    _by_kind(report, rows)


def _budget(report: Report) -> str:
    budget = report.facts.scenario.question.budget
    if budget is None:
        return ""
    rest = number(max(0.0, budget - report.facts.said["cost"]), "yuan")
    return report.say(
        f"预算 {number(budget, 'yuan')} 元，结余 {rest} 元。",
        f" The budget is {number(budget, 'yuan')} yuan; {rest} remain.",
    )


def _by_kind(report: Report, rows: pd.DataFrame) -> None:
    say = report.say
    if not any(clean(kind) for kind in rows["kind"]):
        return
    kinds = rows.assign(kind=[clean(kind, 20) or NONE for kind in rows["kind"]]).groupby("kind")
    table = [
        (
            str(kind),
            report.count(len(part)),
            report.count(int(part["cost"].notna().sum())),
            number(float(part["cost"].sum()), "yuan") if part["cost"].notna().any() else NONE,
        )
        for kind, part in kinds
    ]
    columns = [
        Column(report.word("col_kind"), 4),
        Column(say("新建（个）", "New"), 2, "right"),
        Column(say("已知费用（个）", "Cost known"), 2, "right"),
        Column(say("费用合计（元）", "Cost (yuan)"), 3, "right"),
    ]
    report.paper.table(
        say("新建费用，按类型", "Cost of new stations by kind"), columns, table[:MAX_ROWS]
    )


def stations(report: Report) -> None:
    """All stations, numbered as on the map; of the new ones, why they are there."""
    facts, paper, say = report.facts, report.paper, report.say
    paper.heading(say("站点清单", "Stations"))
    paper.text(
        say(
            "图上编号与地图一致。“没有它就失去”是去掉这个站点、别的不变时不再覆盖的需求：越大，"
            f"越少不了它；为 0 的站点，其服务范围内的需求都另有站点可走到，{_worth(report)[0]}",
            "Numbers are those of the map. “Lost without it” is the demand that would no longer be "
            "covered if the station alone were taken out; where it is 0, all demand around it "
            f"reaches another station too: {_worth(report)[1]}",
        )
    )
    rows = facts.stations
    new, old = rows[rows["new"]], rows[~rows["new"]]
    if len(new):
        paper.heading(say("新建站点", "New stations"), 2)
        _list(report, new, say("新建站点", "New stations"))
    if len(old):
        paper.heading(say("已建站点", "Existing stations"), 2)
        _list(report, old, say("已建站点", "Existing stations"))


def _worth(report: Report) -> Note:
    """What a station is for that no demand depends on alone."""
    counts = report.facts.counts
    if counts == "served":
        return "它的作用是容纳更多的人。", "it is there to take more people in."
    if counts in ("mean_minutes", "most_minutes"):
        return report.moving("它的作用是让步行更短。"), "it is there to shorten walks."
    return "它的作用是交叉覆盖。", "it is there for cross-coverage."


def _list(report: Report, rows: pd.DataFrame, caption: str) -> None:
    shown = rows.head(MAX_ROWS)
    say, new = report.say, bool(rows["new"].iloc[0])
    fields: list[tuple[Column, Any]] = [
        (Column(report.word("col_label"), 11, "center"), lambda r: r.label),
        (Column(report.word("col_name"), 30, limit=40), lambda r: r.name),
        (Column(report.word("col_address"), 30, limit=48), lambda r: r.address),
        (Column(report.word("col_kind"), 16, limit=14), lambda r: r.kind),
        (Column(report.word("col_district"), 16, limit=14), lambda r: r.district),
        (
            Column(report.word("col_covers", unit=report.unit), 18, "right"),
            lambda r: report.weight(r.covers_weight),
        ),
        (
            Column(say("没有它就失去", "Lost without it"), 18, "right"),
            lambda r: report.weight(r.only_covers_weight),
        ),
    ]
    if new and rows["cost"].notna().any():
        fields.append(
            (Column(report.word("col_cost"), 18, "right"), lambda r: number(r.cost, "yuan"))
        )
    if new:
        fields.append((Column(say("为什么", "Why"), 42, limit=90), lambda r: reason(report, r)))
    records = rows_of(shown)
    cells = {i: [clean(get(r)) for r in records] for i, (_, get) in enumerate(fields)}
    kept = [i for i in cells if any(text not in ("", NONE) for text in cells[i])]
    report.paper.table(
        caption,
        [fields[i][0] for i in kept],
        [[cells[i][k] for i in kept] for k in range(len(records))],
    )
    if len(shown) < len(rows):
        report.paper.text(
            say(
                f"只列出前 {MAX_ROWS} 个，全部 {report.count(len(rows))} 个见随附的工作簿。",
                f"The first {MAX_ROWS} of {report.count(len(rows))}; the workbook has them all.",
            ),
            style="Remark",
        )


def reason(report: Report, row: Any) -> str:
    """Why a new station is there, where that can be said; else a dash."""
    parts = []
    if row.status == "required":
        parts.append(report.say("必选", "required"))
    if row.sole:
        ids, count, weight = row.sole
        amount = f"{report.weight(weight)} {report.unit}"
        first = clean(ids[0], 20)
        if count == 1:
            said = report.say(
                f"只有它能覆盖需求点 {first}（{amount}）",
                f"no other allowed site covers demand point {first} ({amount})",
            )
        else:
            said = report.say(
                f"只有它能覆盖 {first} 等 {count} 个需求点（{amount}）",
                f"no other allowed site covers {count} demand points such as {first} ({amount})",
            )
        parts.append(said)
    if row.far:
        parts.append(report.say("离路过远，不参与计算", "too far from any street"))
    return report.say("；", "; ").join(parts) or NONE


def uncovered(report: Report) -> None:
    """How much demand stays uncovered, why, and where most of it lies."""
    facts, paper, say, said = report.facts, report.paper, report.say, report.facts.said
    paper.heading(say("未覆盖的需求", "Uncovered demand"))
    kinds = facts.kinds
    out = kinds["open"] | kinds["beyond"]
    if not out.any():
        paper.text(say("所有需求点都已覆盖。", "Every demand point is covered."))
        return
    share = report.share(report.uncovered / said["total_weight"] if said["total_weight"] else 0.0)
    paper.text(
        say(
            f"方案之后仍有 {report.weight(report.uncovered)} {report.unit}（{share}）"
            f"的需求没有覆盖，分布在 {report.count(int(out.sum()))} 个需求点，原因如下。",
            f"With the plan {report.weight(report.uncovered)} {report.unit} ({share}) stay "
            f"uncovered, on {report.count(int(out.sum()))} demand points, for these reasons:",
        ),
        keep=True,
    )
    columns = [
        Column(say("原因", "reason"), 9),
        Column(say(f"需求（{report.unit}）", f"demand ({report.unit})"), 3, "right"),
        Column(say("需求点（个）", "points"), 3, "right"),
        Column(say("占全部需求", "of all demand"), 3, "right"),
    ]
    paper.table(say("没有覆盖的原因", "Why demand is uncovered"), columns, why_uncovered(report))
    _places(report)


def why_uncovered(report: Report) -> list[tuple[str, str, str, str]]:
    """Rows: reason, weight, points, share of all demand."""
    facts, said, say = report.facts, report.facts.said, report.say
    beyond, far = facts.kinds["beyond"] & facts.snapped, facts.kinds["beyond"] & ~facts.snapped
    total = said["total_weight"]
    rows = [
        (
            say("有备选点可以覆盖，但本次没有建", "a site could cover it, but was not chosen"),
            facts.weight_of(facts.kinds["open"]),
            int(facts.kinds["open"].sum()),
        ),
        (
            say("标准时间内任何可用站点都够不着", "no allowed site reaches it within the standard"),
            float(said["unreachable_weight"]),
            int(beyond.sum()),
        ),
        (say("离道路太远", "too far from any street"), facts.weight_of(far), int(far.sum())),
    ]
    return [
        (
            name,
            report.weight(weight),
            report.count(count),
            report.share(weight / total if total else 0.0),
        )
        for name, weight, count in rows
    ]


def _places(report: Report) -> None:
    places, paper, say = report.facts.clusters, report.paper, report.say
    if not len(places):
        return
    with_district = bool(np.any(places["district"] != ""))
    columns = [
        Column(say("字母", "letter"), 12, "center"),
        *([Column(report.word("col_district"), 22, limit=20)] if with_district else []),
        Column(say("经度", "Longitude"), 24, "right"),
        Column(say("纬度", "Latitude"), 20, "right"),
        Column(say(f"未覆盖（{report.unit}）", f"uncovered ({report.unit})"), 24, "right"),
        Column(say("其中够不着的", "beyond every site"), 22, "right"),
        Column(say("需求点（个）", "points"), 18, "right"),
    ]
    rows = [
        (
            row.letter,
            *([row.district or report.outside] if with_district else []),
            number(row.lng, "degrees"),
            number(row.lat, "degrees"),
            report.weight(row.weight),
            report.weight(row.beyond),
            report.count(row.points),
        )
        for row in rows_of(places)
    ]
    paper.text(
        say(
            f"未覆盖的需求最集中的 {len(places)} 处如下（边长 1 公里的方格，坐标为 WGS-84），"
            "下次选点可优先考虑。",
            f"The {len(places)} squares of 1 km with most uncovered demand (WGS-84); candidates "
            "there would help most.",
        ),
        keep=True,
    )
    paper.table(say("未覆盖需求集中的地方", "Where uncovered demand lies"), columns, rows)
    draw(report, "uncovered", say("没有覆盖的需求", "Uncovered demand"))
