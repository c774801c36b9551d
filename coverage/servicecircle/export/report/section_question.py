"""What was asked, and of which data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from servicecircle.errors import Note
from servicecircle.export.report.document import Column
from servicecircle.export.report.numbers import NONE, clean, number
from servicecircle.export.report.report import Report

#: what is asked, by what the objective counts: name, and what it wants, in both languages
MODELS: dict[str, tuple[Note, Note]] = {
    "covered": (
        ("最大覆盖（MCLP）", "maximal covering (MCLP)"),
        (
            "在给定的站点数或预算内，让标准时间内走得到站点的需求最多",
            "within so many stations or such a budget, most demand within the standard of one",
        ),
    ),
    "credited": (
        ("最大覆盖，超出标准的递减", "maximal covering with credit that falls beyond the standard"),
        (
            "标准以内算全额，超出后逐分钟减少，让折算的需求最多",
            "full credit within the standard, less by the minute beyond it; most credit in all",
        ),
    ),
    "served": (
        ("最大覆盖，按站点容量", "maximal covering within capacities"),
        (
            "每个站点最多服务它容得下的人，让服务到的需求最多",
            "a station serves at most its capacity; most demand served",
        ),
    ),
    "mean_minutes": (
        ("p-中位（p-median）", "p-median"),
        ("让人们到最近站点的平均步行时间最短", "the shortest mean walk to the nearest station"),
    ),
    "most_minutes": (
        ("p-中心（p-center）", "p-center"),
        (
            "让走得最远的人到最近站点的步行时间最短",
            "the shortest walk for whoever walks farthest to the nearest station",
        ),
    ),
}
_FEWEST: dict[str, tuple[Note, Note]] = {
    "lscp": (
        ("集合覆盖（LSCP）", "set covering (LSCP)"),
        (
            "用最少的新站点，覆盖所有能覆盖的需求",
            "the fewest new stations that cover all that can be",
        ),
    ),
    "partial_cover": (
        ("部分覆盖", "partial covering"),
        (
            "用最少的新站点，达到给定的覆盖率",
            "the fewest new stations that cover the share asked for",
        ),
    ),
}
_ROLES: dict[str, Note] = {
    "barriers": ("禁行区", "Barriers"),
    "links": ("补充道路", "Links"),
    "dem": ("地面高程", "Elevation"),
    "outline": ("规划范围", "Outline"),
}
_OBSTACLES: dict[str, Note] = {
    "water": ("水面", "water"),
    "railway": ("铁路", "railways"),
    "motorway": ("高速公路", "motorways"),
}
_FILTERS: dict[str, Note] = {
    "osmnx": ("通用步行规则（同 OSMnx）", "OSMnx's walk filter"),
    "china": ("国内步行规则", "the filter for China"),
    "ebike": ("电动自行车规则", "the filter for e-bikes"),
}


def model_words(report: Report) -> tuple[str, str]:
    """The model's name, and what it wants."""
    facts = report.facts
    name, aim = MODELS.get(facts.counts) or _FEWEST[str(facts.said["model"])]
    zh, en = aim
    if facts.counts == "cost":
        zh = zh.replace("最少的新站点", "最低的新建费用")
        en = en.replace("the fewest new stations that cover", "the least cost to cover")
    return report.pick(name), report.moving(report.say(zh, en))


def asked(report: Report) -> str:
    """The question in one sentence, in a plan's words."""
    q, facts = report.facts.scenario.question, report.facts
    speed = facts.said["speed_kmh"]
    how = {"minutes": q.minutes, "speed": speed, "city": clean(facts.plan.title, 60)}
    if q.target in ("new_sites", "budget"):
        aim = report.word(f"aim_{facts.counts}", end=q.decay_to_minutes or 0.0, **how)
        n = q.new_sites if q.target == "new_sites" else q.budget
        return report.word(f"asked_{q.target}", n=n, aim=aim, **how)
    if q.target == "share":
        text = report.word("asked_share", n=100 * (q.share or 0.0), **how)
    else:
        text = report.word("asked_all", **how)
    if facts.counts == "cost":
        text = text.replace("最少的新站点", "最低的新建费用")
        text = text.replace("the fewest new stations", "the least cost of new stations")
    return text


def question(report: Report) -> None:
    """What was asked, with every setting that matters."""
    paper, say = report.paper, report.say
    paper.heading(say("要回答的问题", "The question"))
    paper.text(asked(report))
    name, aim = model_words(report)
    paper.text(say(f"所用模型：{name}，{aim}。", f"The model is {name}: {aim}."))
    if len(report.facts.standards) > 1:
        paper.text(
            say(
                f"各地的标准不同，共有 {report.standards} 分钟几种：需求点自带的标准优先，"
                f"其次是所在区的，其余按 {number(report.facts.said['minutes'], 'minutes')} 分钟。",
                f"Standards differ by place ({report.standards} minutes): a demand point's own "
                "comes first, then its district's, else "
                f"{number(report.facts.said['minutes'], 'minutes')} minutes.",
            )
        )
    columns = [
        Column(say("项目", "setting"), 3),
        Column(say("内容", "value"), 8, limit=200),
    ]
    paper.table(say("规划的设定", "Settings"), columns, _settings(report))


def _settings(report: Report) -> list[tuple[str, str]]:
    facts, say = report.facts, report.say
    q, network, stored = facts.scenario.question, facts.scenario.network, facts.stored
    counts = {
        name: int(np.sum(stored.status(name))) for name in ("candidate", "required", "forbidden")
    }
    target = {
        "new_sites": lambda: say(
            f"新建至多 {q.new_sites} 个", f"at most {q.new_sites} new stations"
        ),
        "budget": lambda: say(
            f"不超过 {number(q.budget, 'yuan')} 元", f"at most {number(q.budget, 'yuan')} yuan"
        ),
        "share": lambda: say(
            f"覆盖率至少 {100 * (q.share or 0):g}%", f"at least {100 * (q.share or 0):g}% covered"
        ),
        None: lambda: say("覆盖所有能覆盖的需求", "everyone who can be covered"),
    }[q.target]()
    rows = [
        (say("模型", "model"), model_words(report)[0]),
        (
            say("服务标准", "standard"),
            say(
                f"{report.how} {report.standards} 分钟", f"{report.standards} minutes {report.how}"
            ),
        ),
        (say("速度", "speed"), f"{facts.said['speed_kmh']:g} {say('公里/小时', 'km/h')}"),
        (say("目标", "target"), target),
        (
            say("已建站点", "existing stations"),
            say(f"{facts.old} 个，全部保留", f"{facts.old}, all kept"),
        ),
        (
            say("备选点", "candidate sites"),
            say(
                f"备选 {counts['candidate']:,} 个，必选 {counts['required']:,} 个，排除或关闭 "
                f"{counts['forbidden']:,} 个",
                f"{counts['candidate']:,} candidates, {counts['required']:,} required, "
                f"{counts['forbidden']:,} forbidden or closed",
            ),
        ),
        (say("道路规则", "which streets"), report.pick(_FILTERS[network.walk_filter])),
        (
            say("离路最远", "farthest from a street"),
            say(
                f"{network.max_snap_m:g} 米，再远的不计入",
                f"{network.max_snap_m:g} m; beyond, a point counts as out of reach",
            ),
        ),
    ]
    return rows + _special(report)


def _special(report: Report) -> list[tuple[str, str]]:
    """Settings that most questions leave alone."""
    say, network, q = report.say, report.facts.scenario.network, report.facts.scenario.question
    rows: list[tuple[str, str]] = []
    if network.place:
        rows.append((say("规划范围", "place"), clean(network.place)))
    if q.decay_to_minutes is not None:
        end = number(q.decay_to_minutes, "minutes")
        rows.append(
            (
                say("递减", "falling credit"),
                say(f"到 {end} 分钟为 0", f"none from {end} minutes on"),
            )
        )
    if q.capacities:
        rows.append(
            (say("容量", "capacities"), say("按站点表的“容量”", "those of the site tables"))
        )
    if network.legs_avoid:
        names = say("、", ", ").join(report.pick(_OBSTACLES[kind]) for kind in network.legs_avoid)
        rows.append((say("离路路段不穿过", "legs beside streets avoid"), names))
    files = [
        (_ROLES["barriers"], network.barriers and network.barriers.file),
        (_ROLES["links"], network.links and network.links.file),
        (_ROLES["dem"], network.dem),
    ]
    rows += [(report.pick(name), clean(Path(file).name)) for name, file in files if file]
    if network.steps_factor != 1:
        rows.append(
            (
                say("台阶", "steps"),
                say(
                    f"按 {network.steps_factor:g} 倍长度计",
                    f"count {network.steps_factor:g} times their length",
                ),
            )
        )
    if network.signal_seconds:
        rows.append(
            (
                say("信号灯路口", "signals"),
                say(
                    f"每处等 {network.signal_seconds:g} 秒",
                    f"{network.signal_seconds:g} s of waiting each",
                ),
            )
        )
    return rows


def data(report: Report) -> None:
    """What the plan was made from, and what has to be known about it."""
    paper, say, said = report.paper, report.say, report.facts.said
    paper.heading(say("数据与日期", "Data and their dates"))
    paper.text(
        say(
            "规划用到的文件如下。校验码相同的文件内容相同；坐标已统一换算为 WGS-84 再计算。",
            "The plan was made from these files. Files of equal check sums are equal; all "
            "coordinates were turned into WGS-84 before anything was computed.",
        )
    )
    columns = [
        Column(say("用途", "for"), 15),
        Column(report.word("col_file"), 38),
        Column(report.word("col_datum"), 22),
        Column(say("行数（路段数）", "rows (edges)"), 17, "right"),
        Column(report.word("col_date"), 20),
        Column("SHA-256", 27),
    ]
    paper.table(
        say("输入数据", "Input data"), columns, [input_row(report, e) for e in said["inputs"]]
    )
    if not any(entry["osm_date"] for entry in said["inputs"]):
        paper.text(
            say("路网文件没有写明数据日期。", "The file of the streets does not say its date."),
            style="Remark",
        )
    notes = [note[report.lang] for note in said["notes"]]
    if notes:
        paper.text(say("规划时的提示：", "Notes made while planning:"), keep=True)
        paper.bullets(notes)


def input_row(report: Report, entry: dict[str, object]) -> tuple[str, ...]:
    """One input: what for, file, datum, rows, date, check sum."""
    streets = report.facts.said["inputs"][0]["file"]
    role, file = str(entry["role"]), clean(entry["file"], 60)
    taken = role != "network" and entry["file"] == streets
    rows = entry["rows"]
    return (
        report.pick(_ROLES[role]) if role in _ROLES else report.word(role),
        report.word("derived", file=file) if taken else file,
        {"wgs84": "WGS-84", "gcj02": "GCJ-02", "bd09": "BD-09"}[str(entry["datum"])],
        report.count(float(str(rows))) if rows is not None else NONE,
        str(entry["osm_date"] or NONE)[:10],
        str(entry["sha256"])[:12],
    )
