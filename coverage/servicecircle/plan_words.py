"""What a plan is called, in Chinese and English: its question, figures, columns and proof.

Markdown where a word is strong; ``{…}`` are values.
"""

from __future__ import annotations

PLAN_WORDS: dict[str, tuple[str, str]] = {
    "asked_new_sites": (
        "**{city}**：新建至多 **{n:,} 个**站点，{aim}。",
        "**{city}**: open at most **{n:,}** new stations so that {aim}.",
    ),
    "asked_budget": (
        "**{city}**：用不超过 **{n:,.0f} 元**新建站点，{aim}。",
        "**{city}**: spend at most **{n:,.0f} yuan** on new stations so that {aim}.",
    ),
    "aim_covered": (
        "让尽可能多的人步行 {minutes:g} 分钟（{speed:g} 公里/小时）内走到",
        "as many people as possible reach one within {minutes:g} minutes on foot ({speed:g} km/h)",
    ),
    "aim_credited": (
        "让尽可能多的人步行 {minutes:g} 分钟（{speed:g} 公里/小时）内走到，再远的逐分钟递减，"
        "{end:g} 分钟起不计",
        "as many people as possible reach one within {minutes:g} minutes on foot ({speed:g} km/h), "
        "those farther off counting less by the minute and not at all from {end:g} on",
    ),
    "aim_served": (
        "让步行 {minutes:g} 分钟（{speed:g} 公里/小时）内、站点容得下的人尽可能多",
        "they can serve, within their capacities, as many people as possible who are within "
        "{minutes:g} minutes on foot ({speed:g} km/h)",
    ),
    "aim_mean_minutes": (
        "让人们到最近站点的平均步行时间（{speed:g} 公里/小时）最短",
        "the mean walk to the nearest station ({speed:g} km/h) is as short as possible",
    ),
    "aim_most_minutes": (
        "让走得最远的人到最近站点的步行时间（{speed:g} 公里/小时）最短",
        "the longest walk to the nearest station ({speed:g} km/h) is as short as possible",
    ),
    "asked_share": (
        "**{city}**：用最少的新站点，让 **{n:g}%** 的需求步行 {minutes:g} 分钟"
        "（{speed:g} 公里/小时）内走到。",
        "**{city}**: the fewest new stations so that **{n:g}%** of the demand reaches one within "
        "{minutes:g} minutes on foot ({speed:g} km/h).",
    ),
    "asked_all": (
        "**{city}**：用最少的新站点，让所有走得到的人步行 {minutes:g} 分钟"
        "（{speed:g} 公里/小时）内走到。",
        "**{city}**: the fewest new stations so that everyone who can reach any within "
        "{minutes:g} minutes on foot ({speed:g} km/h) does.",
    ),
    "demand": ("需求点", "Demand points"),
    "candidates": ("备选点", "Candidate sites"),
    "existing": ("已建站点", "Existing stations"),
    "districts": ("行政区", "Districts"),
    "network": ("路网", "Streets"),
    "gcj02": ("高德、腾讯（GCJ-02）", "Gaode, Tencent (GCJ-02)"),
    "bd09": ("百度（BD-09）", "Baidu (BD-09)"),
    "wgs84": ("GPS、天地图（WGS-84）", "GPS, Tianditu (WGS-84)"),
    "people": ("人", "people"),
    "points": ("个需求点", "points"),
    "relative": ("相对单位", "relative units"),
    "stations": ("站点（个）", "Stations"),
    "covered_share": ("覆盖率", "Covered share"),
    "covered_weight": ("覆盖（{unit}）", "Covered ({unit})"),
    "covered_points": ("覆盖需求点（个）", "Covered demand points"),
    "cross": ("交叉覆盖率", "Cross-covered"),
    "cost": ("新建费用（元）", "New stations (yuan)"),
    "mean_minutes": ("平均步行时间（分钟）", "Mean walk (minutes)"),
    "most_minutes": ("最远步行时间（分钟）", "Longest walk (minutes)"),
    "credited": ("折算覆盖（{unit}）", "Credited ({unit})"),
    "served": ("按容量能服务（{unit}）", "Served within capacities ({unit})"),
    "objective_minutes": ("所有走得到站点的人", "of all who can walk to a station"),
    "objective_weight": ("优化的目标", "what was optimised"),
    "gap": ("与最优的差距", "Gap to the optimum"),
    "optimal": ("最优", "optimal"),
    "verdict_proven": (
        "**已证明最优**：在这些数据和设置下，没有比它更好的方案。",
        "**Proved optimal**: with these data and settings no plan is better.",
    ),
    "verdict_gap": (
        "**接近最优**：任何方案最多比它好 {gap}。延长优化时限可能缩小这个差距。",
        "**Near the optimum**: no plan is better by more than {gap}. A longer time limit may "
        "narrow this.",
    ),
    "proof_multipliers": (
        "证明随结果保存，任何人都能用“servicecircle check”复算。",
        "The proof is kept with the result; anyone can recompute it with `servicecircle check`.",
    ),
    "proof_tree": (
        "证明（分支树）随结果保存，任何人都能用“servicecircle check”复算。",
        "The proof (a search tree) is kept with the result; anyone can recompute it with "
        "`servicecircle check`.",
    ),
    "proof_solver": (
        "这一结论只有求解器的说法，没有可独立复算的证明。",
        "This rests on the solver's word; there is no proof that others could recompute.",
    ),
    "col_label": ("图上编号", "On the map"),
    "col_new": ("状态", "Status"),
    "col_name": ("名称", "Name"),
    "col_kind": ("类型", "Kind"),
    "col_covers": ("覆盖（{unit}）", "Covers ({unit})"),
    "col_only": ("只有它覆盖（{unit}）", "Only it covers ({unit})"),
    "col_cost": ("费用（元）", "Cost (yuan)"),
    "col_district": ("区", "District"),
    "col_address": ("地址", "Address"),
    "col_lng": ("经度", "Longitude"),
    "col_lat": ("纬度", "Latitude"),
    "col_id": ("编号", "Id"),
    "col_weight": ("人数", "People"),
    "col_status": ("状态", "Status"),
    "col_minutes": ("标准（分钟）", "Standard (minutes)"),
    "col_share": ("覆盖率（%）", "Covered (%)"),
    "col_stations": ("站点（个）", "Stations"),
    "outside": ("区外", "outside"),
    "left_out": ("没有算进覆盖的", "Not counted as covered"),
    "left_unsnapped": (
        "离道路太远的需求点 {demand:,} 个，站点 {sites:,} 个",
        "Too far from any street: {demand:,} demand points, {sites:,} sites",
    ),
    "left_unreachable": (
        "标准时间内任何站点都够不着的需求：{weight:,.0f} {unit}",
        "Demand that no site reaches within the standard: {weight:,.0f} {unit}",
    ),
    "left_far": (
        "离最近道路 100 米以上的需求占 {share:.1%}",
        "Demand more than 100 m from any street: {share:.1%}",
    ),
    "left_islands": (
        "不与主路网相连的路段 {count:,} 处，共 {km:,.1f} 公里，不参与计算",
        "Street bits apart from the main network: {count:,}, {km:,.1f} km, left out",
    ),
    "col_role": ("用途", "For"),
    "col_file": ("文件", "File"),
    "col_datum": ("坐标", "Datum"),
    "col_rows": ("行数（路网：路段数）", "Rows (streets: edges)"),
    "col_date": ("OSM 日期", "OSM date"),
    "col_sha": ("校验码 SHA-256（前 12 位）", "SHA-256 (first 12)"),
    "derived": ("{file}（推算）", "{file} (derived)"),
}
