"""The first page: title, the answer in one paragraph, the figures that matter, the map."""

from __future__ import annotations

import math

from servicecircle.export.report.document import TEXT_WIDTH_MM, Column
from servicecircle.export.report.numbers import change, clean, number
from servicecircle.export.report.report import FRONT_MAP_MM, Report

PAGE_MM, SPARE_MM, LEAST_FRONT_MM = 247.0, 12.0, 70.0


def front(report: Report) -> None:
    """What a reader of the first page alone has to know."""
    facts, paper, say = report.facts, report.paper, report.say
    below = [clean(facts.plan.federation, 60), say("服务站点规划报告", "Plan of service stations")]
    paper.title(facts.plan.title, say("　", " · ").join(part for part in below if part))
    answer = _answer(report)
    paper.text(*answer)
    head = (
        ("指标", "现状", "方案", "变化")
        if report.lang == "zh"
        else ("figure", "today", "plan", "change")
    )
    columns = [Column(head[0], 5), *(Column(name, 3, "right") for name in head[1:])]
    rows, remark = _figures(report), _remark(report)
    paper.table(say("主要指标", "The main figures"), columns, rows)
    if remark:
        paper.text(remark, style="Remark")
    words = "".join(run if isinstance(run, str) else run[0] for run in answer)
    high = _room_mm(facts.plan.title, words, len(rows), remark)
    picture = report.maps.picture("plan", TEXT_WIDTH_MM, high)
    caption = say("规划方案", "The plan")
    paper.figure(picture, caption, width_mm=TEXT_WIDTH_MM, alt=_alt(report))


def _room_mm(title: str, answer: str, rows: int, remark: str) -> float:
    """What the rest of the first page leaves to its map, whatever font stands in for ours."""
    used = 14 * _lines(clean(title, 80), 17) + 14 + 7.7 * _lines(answer, 36) + 7 + 6.6 * (rows + 1)
    used += 6.2 * _lines(remark, 44) + 9
    return min(FRONT_MAP_MM, max(LEAST_FRONT_MM, PAGE_MM - SPARE_MM - used))


def _lines(text: str, per_line: float) -> int:
    """Lines of so many Chinese characters; Latin ones take half as much."""
    wide = sum(1.0 if ord(c) > 0x2E7F else 0.47 for c in text)
    return max(1, math.ceil(wide / per_line)) if text else 0


def contents(report: Report) -> None:
    """The table of contents, on a page of its own with what follows."""
    report.paper.page_break()
    report.paper.contents(report.say("目　录", "Contents"))


def _answer(report: Report) -> list[str | tuple[str, bool]]:
    facts, say = report.facts, report.say
    said, new, old = facts.said, facts.new, facts.old
    before, after = report.share(facts.today.share), report.share(said["covered_share"])
    amount = f"{report.weight(said['covered_weight'])} / {report.weight(said['total_weight'])}"
    zh = [
        f"现有 {report.count(old)} 个站点，{report.within}走得到站点的需求占全部需求的 {before}。"
        if old
        else "目前没有站点。",
        f"本方案新建 {report.count(new)} 个站点，共 {report.count(old + new)} 个，覆盖率"
        if new
        else "本方案不新建站点，覆盖率",
    ]
    en = [
        f"Today there are {report.things(old, 'station')}; {before} of all demand reaches one "
        f"{report.within}. "
        if old
        else "There are no stations today. ",
        f"The plan opens {report.things(new, 'new station')}, {report.count(old + new)} in all, "
        "and covers "
        if new
        else "The plan opens none, and covers ",
    ]
    grown = old and said["covered_share"] > facts.today.share
    grows = say("提高到 " if grown else "为 ", "")
    rest = say(
        f"（{amount} {report.unit}），有两个及以上站点可走到的占 "
        f"{report.share(said['cross_covered_share'])}。",
        f" ({amount} {report.unit}); {report.share(said['cross_covered_share'])} of the demand "
        "reaches two stations or more. ",
    )
    served = facts.counts == "served"
    return [
        *_served(report),
        "".join(zh) if report.lang == "zh" else "".join(en),
        (grows + after, not served),
        rest,
        "" if served else _objective(report),
        _cost(report),
        (verdict(report), True),
        _left(report),
    ]


def _served(report: Report) -> list[str | tuple[str, bool]]:
    """Where stations have capacities, what they can serve comes first: reach alone is no answer."""
    if report.facts.counts != "served":
        return []
    said = report.facts.said
    share = said["objective"] / said["total_weight"] if said["total_weight"] else 0.0
    amount = f"{report.weight(said['objective'])} {report.unit}"
    left = f"{report.weight(said['total_weight'] - said['objective'])} {report.unit}"
    return [
        (
            report.say(
                f"按站点容量能服务 {amount}，占全部需求的 {report.share(share)}；"
                f"其余 {left}超出容量或走不到。",
                f"Within their capacities the stations serve {amount}, {report.share(share)} of "
                f"all demand; {left} are beyond capacity or reach. ",
            ),
            True,
        )
    ]


def _objective(report: Report) -> str:
    """What was optimised, where it is no covered weight."""
    value, counts = report.facts.said["objective"], report.facts.counts
    minutes, weight = number(value, "walk"), f"{report.weight(value)} {report.unit}"
    zh, en = {
        "mean_minutes": (
            f"选址的目标是平均步行时间最短，方案为 {minutes} 分钟。",
            f"The aim was the shortest mean walk: {minutes} minutes. ",
        ),
        "most_minutes": (
            f"选址的目标是最远步行时间最短，方案为 {minutes} 分钟。",
            f"The aim was the shortest longest walk: {minutes} minutes. ",
        ),
        "credited": (
            f"选址的目标是折算覆盖最多，方案为 {weight}。",
            f"The aim was most credit: {weight}. ",
        ),
    }.get(counts, ("", ""))
    return report.moving(report.say(zh, en))


def _cost(report: Report) -> str:
    cost, facts = report.facts.said["cost"], report.facts
    if not facts.new:
        return ""
    if cost is None:
        return report.say(
            "新建费用未知（有站点没有给出费用）。",
            "The cost is not known (some stations have none given). ",
        )
    yuan = number(cost, "yuan")
    return report.say(f"新建费用 {yuan} 元。", f"The new stations cost {yuan} yuan. ")


def verdict(report: Report) -> str:
    """Whether anything could be better, and by how much."""
    said = report.facts.said
    if said["proven"]:
        return report.word("verdict_proven")
    return report.word("verdict_gap", gap=_gap(report))


def _gap(report: Report) -> str:
    gap = number(report.facts.said["gap"], "gap")
    return report.say(gap.replace("< ", "不到 "), gap)


def _left(report: Report) -> str:
    rest = report.uncovered
    total = report.facts.said["total_weight"]
    if not rest > 1e-9 * max(total, 1.0):
        return report.say("所有需求都已覆盖。", " All demand is covered.")
    part = report.share(1 - report.facts.said["covered_share"])
    return report.say(
        f"仍有 {report.weight(rest)} {report.unit}（{part}）的需求没有覆盖，"
        "在哪里见“未覆盖的需求”。",
        f" {report.weight(rest)} {report.unit} ({part}) stay uncovered; see “Uncovered demand”.",
    )


def _figures(report: Report) -> list[tuple[str, str, str, str]]:
    """Rows of the first page's table: what, today, plan, change."""
    facts, say = report.facts, report.say
    said, today = facts.said, facts.today
    rows = [
        (
            report.word("stations"),
            report.count(facts.old),
            report.count(facts.old + facts.new),
            change(facts.old, facts.old + facts.new, "count"),
        ),
        (
            report.word("covered_share"),
            report.share(today.share),
            report.share(said["covered_share"]),
            points(report, today.share, said["covered_share"]),
        ),
        (
            report.word("covered_weight", unit=report.unit),
            report.weight(today.weight),
            report.weight(said["covered_weight"]),
            change(today.weight, said["covered_weight"], "weight"),
        ),
        (
            report.word("cross"),
            report.share(today.cross),
            report.share(said["cross_covered_share"]),
            points(report, today.cross, said["cross_covered_share"]),
        ),
    ]
    rows += objective_rows(report)
    if said["cost"] is not None and facts.new:
        rows.append((report.word("cost"), "", number(said["cost"], "yuan"), ""))
    if said["proven"]:
        gap = report.word("optimal")
    else:
        gap = _gap(report)
        gap = gap if gap.startswith(("不", "<")) else say("至多 ", "at most ") + gap
    rows.append((report.word("gap"), "", gap, ""))
    return rows


def points(report: Report, before: float, after: float) -> str:
    """How much a share grows, in percentage points."""
    grown = change(before, after, "share")
    return report.say(f"{grown} 个百分点", f"{grown} points")


def objective_rows(report: Report) -> list[tuple[str, str, str, str]]:
    """The objective, where no other figure tells it."""
    counts, value = report.facts.counts, report.facts.said["objective"]
    if counts in ("mean_minutes", "most_minutes"):
        return [(report.word(counts), "", number(value, "walk"), "")]
    if counts in ("credited", "served"):
        return [(report.word(counts, unit=report.unit), "", report.weight(value), "")]
    return []


def _remark(report: Report) -> str:
    """What the weights are, where they are not people."""
    return {
        "relative": report.say(
            "注：没有需求点表，需求由地图推算，是相对值，不是人数；比例可以比较，"
            "绝对数不能当人数用。",
            "Note: demand is derived from the map, in relative units, not people: shares can be "
            "compared, amounts are no head counts.",
        ),
        "points": report.say(
            "注：需求点表没有人数，每个点按 1 计。",
            "Note: the demand table has no head counts; every point counts as 1.",
        ),
    }.get(str(report.facts.said["weight_unit"]), "")


def _alt(report: Report) -> str:
    facts = report.facts
    return report.say(
        f"规划方案地图：已建站点 {facts.old} 个，新建站点 {facts.new} 个，服务圈与需求点",
        f"Map of the plan: {facts.old} existing and {facts.new} new stations, service circles, "
        "demand",
    )
