"""A plan in a few plain lines, for the command line and the map's panel."""

from __future__ import annotations

from servicecircle.errors import Lang, Note
from servicecircle.plan import Plan
from servicecircle.reasons import reasons, sole_coverage
from servicecircle.steps import ENDED, UNITS, plain


def summary_lines(plan: Plan, lang: Lang = "zh") -> list[tuple[str, str]]:
    """(label, value) lines: stations, coverage before and after, proof, what was left out."""
    zh = lang == "zh"
    unit = UNITS[plan.weight_unit][0 if zh else 1]
    covered, total = plan.weight[plan.times_covered > 0].sum(), plan.weight.sum()
    shares = f"{plan.covered_share_before:.2%} → {plan.covered_share:.2%}"
    people = f"{covered:,.0f} / {total:,.0f} {unit}"
    points = f"{int((plan.times_covered > 0).sum()):,} / {len(plan.demand):,}"
    old, new = len(plan.existing), len(plan.new)
    cross = f"{plan.cross_covered_share:.2%}"
    if zh:
        lines = [
            ("站点", f"已建 {old} + 新建 {new}"),
            ("覆盖率（占全部需求权重）", f"{shares}（{people}）"),
            ("覆盖需求点", points),
            ("交叉覆盖率", cross),
            ("与最优的差距", gap_text(plan, lang)),
        ]
    else:
        lines = [
            ("stations", f"{old} existing + {new} new"),
            ("covered share (of all demand weight)", f"{shares} ({people})"),
            ("covered points", points),
            ("cross-covered share", cross),
            ("gap to the optimum", gap_text(plan, lang)),
        ]
    if plan.cost is not None:
        lines.insert(
            1, ("新建费用", f"{plan.cost:,.0f} 元") if zh else ("cost", f"{plan.cost:,.0f} yuan")
        )
    side = 0 if zh else 1
    lines[-1:-1] = [(label[side], value[side]) for label, value in objective_lines(plan)]
    return lines + _irreplaceable(plan, lang) + _left_out(plan, lang) + _districts(plan, lang)


def objective_lines(plan: Plan) -> list[tuple[Note, Note]]:
    """(label, value), in both languages, of an objective that no other line tells; else none."""
    s, q = plan.selection, plan.scenario.question
    unit, unit_en = UNITS[plan.weight_unit]
    minutes = (f"{s.objective:,.2f} 分钟", f"{s.objective:,.2f} minutes")
    weight = (f"{s.objective:,.1f} {unit}", f"{s.objective:,.1f} {unit_en}")
    end = q.decay_to_minutes
    known: dict[str, tuple[Note, Note]] = {
        "mean_minutes": (
            ("到最近站点的平均步行时间", "mean walk to the nearest station"), minutes,
        ),
        "most_minutes": (
            ("到最近站点的最远步行时间", "longest walk to the nearest station"), minutes,
        ),
        "credited": (
            (f"折算覆盖（超出标准递减，{end:g} 分钟为 0）" if end else "",
             f"credited (falling beyond the standard, 0 at {end:g} minutes)" if end else ""),
            weight,
        ),
        "served": (("按站点容量能服务", "served within the stations' capacities"), weight),
    }  # fmt: skip
    return [known[q.counts]] if q.counts in known else []


def _irreplaceable(plan: Plan, lang: Lang) -> list[tuple[str, str]]:
    """How many new stations nothing could replace, and why for the one that matters most."""
    sole = sole_coverage(plan)
    if not sole:
        return []
    first = max(sole, key=lambda site: plan.weight[sole[site]].sum())
    name = plan.sites["site_id"].iloc[first]
    why = reasons(plan)[first][0 if lang == "zh" else 1]
    if lang == "zh":
        return [("不可替代的新站点", f"{len(sole)} 个，如 {name}：{why}")]
    return [("new stations that nothing replaces", f"{len(sole)}, such as {name}: {why}")]


def gap_text(plan: Plan, lang: Lang = "zh") -> str:
    """The gap, and what proves it, in plain words."""
    s = plan.selection
    carried = {
        "multipliers": ("乘子证书，任何人可复算", "multipliers that anyone can recompute"),
        "tree": ("分支树证书，任何人可复算", "a search tree that anyone can recompute"),
        "solver": ("仅求解器保证", "the solver's word only"),
    }[s.proof][0 if lang == "zh" else 1]
    early = not s.proven and s.stopped in ("time", "interrupt")
    ended = ENDED[s.stopped][0 if lang == "zh" else 1] if early else ""
    if lang == "zh":
        ended = f"；{ended}" if ended else ""
        verdict = (
            "已证明最优"
            if s.proven
            else f"至多 {s.gap:.3%}（目标 {plain(s.objective)}，界 {plain(s.bound)}{ended}）"
        )
        return f"{verdict}；依据：{carried}"
    ended = f"; {ended}" if ended else ""
    verdict = (
        "proven optimal"
        if s.proven
        else f"at most {s.gap:.3%} (objective {plain(s.objective)}, bound {plain(s.bound)}{ended})"
    )
    return f"{verdict}; proof: {carried}"


def _left_out(plan: Plan, lang: Lang) -> list[tuple[str, str]]:
    snapped = plan.demand["snapped"].to_numpy(bool)
    beyond = f"{plan.weight[snapped & ~plan.reachable].sum():,.0f}"
    demand, sites = int((~snapped).sum()), int((~plan.sites["snapped"]).sum())
    count, km = plan.network.islands, plan.network.island_metres / 1000
    if lang == "zh":
        return [
            ("离路过远（未匹配）", f"需求点 {demand}，站点 {sites}"),
            ("标准时间内任何站点都够不着的权重", beyond),
            ("未计入的孤立路段", f"{count} 处，{km:,.1f} 公里"),
        ]
    return [
        ("too far from any street (unsnapped)", f"{demand} demand points, {sites} sites"),
        ("weight that no site reaches within the standard", beyond),
        ("islands left out", f"{count}, {km:,.1f} km"),
    ]


def _districts(plan: Plan, lang: Lang) -> list[tuple[str, str]]:
    lines = []
    for row in plan.district_table():
        if not row["district"] and plan.districts is None:
            continue
        name = row["district"] or ("区外" if lang == "zh" else "outside")
        share = "—" if row["covered_share"] is None else f"{row['covered_share']:.1%}"
        if lang == "zh":
            text = f"{row['minutes']:g} 分钟标准，覆盖 {share}，站点 {row['stations']}"
        else:
            text = f"{row['minutes']:g} min, covered {share}, stations {row['stations']}"
        lines.append((name, text))
    return lines
