"""How it was computed, what is proved, what the data cannot tell, and whose they are."""

from __future__ import annotations

from servicecircle.export.report.numbers import clean, number
from servicecircle.export.report.report import Report
from servicecircle.export.report.section_front import verdict
from servicecircle.export.report.section_question import model_words
from servicecircle.steps import ENDED, OBJECTIVES, plain


def method(report: Report) -> None:
    """How walks, coverage and the choice are computed, and what proves the result."""
    paper, say, facts = report.paper, report.say, report.facts
    paper.heading(say("方法与证明", "Method and proof"))
    paper.heading(say("怎么算的", "How it was computed"), 2)
    speed = f"{facts.said['speed_kmh']:g}"
    seconds = sum(facts.said["seconds"].values())
    paper.bullets(
        [
            report.moving(
                say(
                    f"步行时间：从需求点到最近的道路，沿道路走，再到站点，全程按 {speed} "
                    "公里/小时。沿真实道路计算，不是直线距离。",
                    "Walks lead from the demand point to the nearest street, along the streets, "
                    f"and to the station, at {speed} km/h: real ways, not straight lines.",
                )
            ),
            say(
                "覆盖：需求点到某个开放站点的时间不超过它的标准，就算覆盖。"
                "覆盖率按需求的权重计算。",
                "A demand point is covered where its way to an open station takes no longer than "
                "its standard. Shares are weighted.",
            ),
            say(f"选址：{model_words(report)[1]}。", f"The choice: {model_words(report)[1]}."),
            say(f"全部计算用时 {seconds:.1f} 秒。", f"All computing took {seconds:.1f} seconds."),
        ]
    )
    paper.heading(say("证明了什么", "What is proved"), 2)
    paper.text(*_bound(report))
    paper.text(_carried(report))
    paper.text(_check(report))


def objective_words(report: Report, value: float) -> str:
    """An objective or a bound with what it counts."""
    words, _, _ = OBJECTIVES[report.facts.counts]
    return report.pick(words).format(v=plain(value), u=report.unit)


def _bound(report: Report) -> list[str | tuple[str, bool]]:
    said, say = report.facts.said, report.say
    _, (zh, en), _ = OBJECTIVES[report.facts.counts]
    side = report.say(zh, en)
    early = not said["proven"] and said.get("stopped") in ("time", "interrupt")
    why = (
        say(f"（{ENDED[said['stopped']][0]}）", f" ({ENDED[said['stopped']][1]})") if early else ""
    )
    return [
        say(
            f"本方案的目标值是：{objective_words(report, said['objective'])}。任何方案的{side}是 "
            f"{plain(said['bound'])}，两者相差 {number(said['gap'], 'gap')}{why}。",
            f"The plan's objective: {objective_words(report, said['objective'])}. Any plan's is "
            f"{side} {plain(said['bound'])}; the gap is {number(said['gap'], 'gap')}{why}. ",
        ),
        (verdict(report), True),
    ]


def _carried(report: Report) -> str:
    """What the proof rests on, in plain words."""
    proof, say = report.facts.said["proof"], report.say
    if proof == "multipliers":
        return say(
            "依据是“乘子”：给每个需求点配一个数，用这些数做加减和排序，"
            "就能算出一个任何方案都越不过的界。界与本方案相等（或相差如上），"
            "就说明不存在更好的（或好得更多的）方案。乘子保存在方案文件夹的 certificate.npz 里，"
            "任何人都能复算，不需要求解器，也不需要相信本程序。",
            "The proof is a set of multipliers: one number per demand point. Adding, subtracting "
            "and sorting these gives a bound that no plan can pass; where it meets the plan's "
            "value (or comes as near as said), no plan is better (or better by more). They are "
            "in certificate.npz: anyone can recompute the bound, without a solver.",
        )
    if proof == "tree":
        leaves = max(0, len(report.facts.stored.leaves.get("leaf_indptr", [0])) - 1)
        return say(
            f"依据是“分支树”：把所有可能的方案分成 {report.count(leaves)} "
            "种互不重叠的情形（某个站点建或不建），每种情形各有一组乘子，证明其中没有更好的方案。"
            "整棵树保存在方案文件夹的 certificate.npz 里，任何人都能逐个情形复算，不需要求解器，"
            "也不需要相信本程序。",
            f"The proof is a search tree: all plans are split into {report.count(leaves)} cases "
            "that do not overlap (a site opened, or not), and for each a set of multipliers "
            "shows that it holds nothing better. The tree is in certificate.npz: anyone can "
            "recompute every case, without a solver.",
        )
    return report.word("proof_solver")


def _check(report: Report) -> str:
    solver = report.facts.said["proof"] == "solver"
    zh = (
        "复核方法：运行“servicecircle check 方案文件夹”，程序只凭文件夹里的数据重新点数覆盖、"
        "重算上述的界，并逐项核对本报告所依据的数字"
    )
    en = (
        "To check: run “servicecircle check” on the plan's folder. From its files alone it counts "
        "coverage again, recomputes the bound, and compares every figure that this paper rests on"
    )
    return report.say(
        zh
        + ("（覆盖可以复核，上述的界只能相信求解器）。" if solver else "。")
        + "加 --rebuild 还会从路网文件重新计算步行时间。",
        en
        + (" (the bound remains the solver's word)." if solver else ".")
        + " With --rebuild it also walks the streets again.",
    )


def limits(report: Report) -> None:
    """What has to be kept in mind before anything is built."""
    report.paper.heading(report.say("数据的局限", "Limits of the data"))
    report.paper.bullets([*_of_demand(report), *_of_streets(report), *_of_sites(report)])


def _of_demand(report: Report) -> list[str]:
    said, say = report.facts.said, report.say
    lines = {
        "relative": say(
            "需求是相对值，不是人数：由地图上的餐饮、商店、道路、公交站等推算，各类的权重是假设，"
            "可在方案文件里修改。有调查人数时应换成需求点表重算。",
            "Demand is in relative units, not people: derived from food, shops, streets, bus "
            "stops … on the map, each kind with an assumed weight that the scenario can change. "
            "Replace it by a demand table where people have been counted.",
        ),
        "points": say(
            "需求点表没有人数，每个点按 1 计，人多的地方没有更重。",
            "The demand table has no head counts: every point counts as 1, however many people "
            "are there.",
        ),
        "people": say(
            "人数取自需求点表或给定的总人数，一天中的变化、流动和季节没有考虑。",
            "People are those of the demand table, or a given total spread over the map; how "
            "they move through the day and the year is left out.",
        ),
    }
    found = [lines[said["weight_unit"]]]
    if said["unsnapped_demand"] or said["unsnapped_sites"]:
        found.append(
            report.word(
                "left_unsnapped", demand=said["unsnapped_demand"], sites=said["unsnapped_sites"]
            )
            + say(
                "，都算作没有覆盖（需求点仍在分母里）。",
                "; they count as not covered, and are in the denominator.",
            )
        )
    if said["unreachable_weight"]:
        found.append(
            say(
                f"标准时间内任何站点都够不着的需求：{report.weight(said['unreachable_weight'])} "
                f"{report.unit}。",
                "Demand that no site reaches within the standard: "
                f"{report.weight(said['unreachable_weight'])} {report.unit}.",
            )
        )
    if said["far_weight_share"]:
        far = report.share(said["far_weight_share"])
        found.append(
            say(
                f"离最近道路 100 米以上的需求占 {far}，它们的步行时间较不可靠。",
                f"{far} of the demand is more than 100 m from any street; its walks are less "
                "certain.",
            )
        )
    return found


def _of_streets(report: Report) -> list[str]:
    said, say = report.facts.said, report.say
    lines = []
    if "OpenStreetMap" in report.facts.plan.attribution:
        lines.append(
            say(
                "路网取自 OpenStreetMap，由志愿者绘制，小区内部道路、天桥、出入口可能不全，"
                "新路可能还没有。",
                "Streets are OpenStreetMap's, drawn by volunteers: paths inside compounds, "
                "footbridges, gates and new streets may be missing.",
            )
        )
    if said["islands"]["count"]:
        km = said["islands"]["metres"] / 1000
        lines.append(
            report.word("left_islands", count=said["islands"]["count"], km=km) + say("。", ".")
        )
    avoided = report.facts.scenario.network.legs_avoid
    lines.append(
        say(
            "需求点和站点到道路的一小段按直线计算"
            + (
                "，已避开所列障碍，其余的墙和围栏不知道。"
                if avoided
                else "，途中的墙、河和围栏没有考虑。"
            ),
            "The short legs from demand points and stations to the street are straight"
            + (
                "; they avoid the obstacles listed, but know no other walls."
                if avoided
                else ": walls, rivers and fences on them are not seen."
            ),
        )
    )
    lines.append(
        say(
            "地图上的服务圈只供目视（街道两侧各 100 米以内着色）；覆盖与否一律以步行时间为准，"
            "圈的边缘可能略有出入。",
            "Circles on the maps are for the eye (land within 100 m of a street that is "
            "reached); coverage is counted from walking times alone.",
        )
    )
    return [report.moving(line) for line in lines]


def _of_sites(report: Report) -> list[str]:
    facts, say = report.facts, report.say
    lines = []
    derived = any(facts.stations["from_osm"] & facts.stations["new"])
    if derived:
        lines.append(
            say(
                "新建站点中有从地图上找到的场所（编号形如 node/123），是否愿意共建、有没有地方，"
                "都要逐个现场核实。",
                "Some new stations are places found on the map (ids such as node/123): whether "
                "their hosts agree and have room must be asked on site.",
            )
        )
    if facts.said["cost"] is None and facts.new:
        lines.append(
            say(
                "有的站点没有给出费用，费用没有比较。",
                "Some stations have no cost given, so costs were not compared.",
            )
        )
    if not facts.scenario.question.capacities:
        lines.append(
            say(
                "没有考虑站点能同时容纳多少人。",
                "How many people a station can hold was not considered.",
            )
        )
    lines.append(
        say(
            "没有考虑开放时间：关门的时段里，覆盖会更低。",
            "Opening hours were not considered: coverage is lower while stations are closed.",
        )
    )
    lines.append(
        say(
            "本报告的地图供内部决策参考。公开展示或出版的地图，"
            "按规定须先送自然资源主管部门地图审核，并使用有审图号的底图；边界画法不作划界依据。",
            "The maps are for internal decisions. Maps shown in public in China need map review "
            "and a reviewed base map; boundaries drawn here settle nothing.",
        )
    )
    return lines


def licence(report: Report) -> None:
    """Whose the data are, and what follows for whoever passes them on."""
    paper, say, plan = report.paper, report.say, report.facts.plan
    paper.heading(say("署名与许可", "Attribution and licence"))
    paper.text(say("数据来源：", "Data: ") + clean(plan.attribution, 200))
    if "OpenStreetMap" in plan.attribution:
        paper.text(
            say(
                "出自 OpenStreetMap 的内容按开放数据库许可（ODbL 1.0）使用：转发、"
                "上传或公开本报告的地图和站点表时，须注明“© OpenStreetMap contributors”，"
                "由它改编的数据库须以同样许可提供。",
                "What comes from OpenStreetMap is used under the Open Database Licence (ODbL "
                "1.0): whoever passes on, uploads or publishes these maps and tables names “© "
                "OpenStreetMap contributors”, and offers databases made from it under the same "
                "licence.",
            )
        )
    paper.text(
        say(
            "本报告由 servicecircle（服务圈规划）根据方案文件夹自动生成，每个数字都出自其中的 "
            "plan.json 或由其中的数据点数得出；随附的工作簿列有全部数字。",
            "This paper was written by servicecircle from the plan's folder: every figure is "
            "plan.json's or counted from the folder's data. The workbook beside it has them all.",
        )
    )
