"""The map's panel: headline figures, legend and list of new stations, in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from servicecircle.map_layers import safe
from servicecircle.plan import Plan
from servicecircle.profiles import PROFILES
from servicecircle.steps import UNITS
from servicecircle.summary import gap_text, objective_lines

FONTS = '"Noto Sans CJK SC", "Source Han Sans SC", "Microsoft YaHei", "PingFang SC", sans-serif'

# colour-blind safe (after Okabe and Ito), and of different lightness; shapes differ as well
BLUE, GREEN, ORANGE, DARK, GREY = "#0b4f8a", "#00734f", "#d55e00", "#3a3a3a", "#6b7280"
LIGHT_BLUE, SITE_COLOUR = "#3b82c4", "#9a7bb5"

_ICONS = {
    "existing": (
        f'<rect x="2" y="2" width="20" height="20" rx="3" fill="{BLUE}" stroke="#fff" '
        'stroke-width="2"/>',
        "#fff",
    ),
    "new": (
        f'<circle cx="12" cy="12" r="11.2" fill="#fff" stroke="{GREEN}" stroke-width="1.4"/>'
        f'<circle cx="12" cy="12" r="8.8" fill="{GREEN}"/>',
        "#fff",
    ),
    "rejected": (
        '<path d="M12 1.2 22.8 12 12 22.8 1.2 12Z" fill="#fff" '
        f'stroke="{DARK}" stroke-width="1.3"/>',
        DARK,
    ),
    "closed": (
        f'<rect x="3" y="3" width="18" height="18" rx="3" fill="#fff" stroke="{GREY}" '
        f'stroke-width="1.6" stroke-dasharray="3 2"/><path d="M7 7 17 17M7 17 17 7" '
        f'stroke="{GREY}" stroke-width="2"/>',
        "none",
    ),
}


def icon(kind: str, label: str = "", size: int = 24) -> str:
    """A station's sign as SVG: ``existing``, ``new``, ``rejected`` or ``closed``."""
    shape, ink = _ICONS[kind]
    font = {0: 12, 1: 12, 2: 10.5}.get(len(label), 8.5)
    text = (
        f'<text x="12" y="12" dy=".36em" text-anchor="middle" font-size="{font}" '
        f'font-weight="700" fill="{ink}">{safe(label)}</text>'
        if label and ink != "none"
        else ""
    )
    return (
        f'<svg viewBox="0 0 24 24" width="{size}" height="{size}" aria-hidden="true">'
        f"{shape}{text}</svg>"
    )


def dot(shape: str, colour: str) -> str:
    """The swatch of a kind of demand point."""
    drawn = {
        "disc": f'<circle cx="12" cy="12" r="6" fill="{colour}"/>',
        "diamond": f'<path d="M12 4 20 12 12 20 4 12Z" fill="{colour}"/>',
        "cross": f'<path d="M6 6 18 18M6 18 18 6" stroke="{colour}" stroke-width="3.4"/>',
    }[shape]
    return f'<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true">{drawn}</svg>'


def patch(fill: str, stroke: str, *, opacity: float = 0.3, dashes: str = "") -> str:
    """The swatch of an area or an outline."""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        '<svg viewBox="0 0 24 24" width="16" height="16" aria-hidden="true"><rect x="2" y="4" '
        f'width="20" height="16" fill="{fill}" fill-opacity="{opacity}" stroke="{stroke}" '
        f'stroke-width="2.5"{dashed}/></svg>'
    )


def both(zh: str, en: str) -> str:
    """Chinese with the English beside it, smaller."""
    return f'{zh} <span class="sc-en" lang="en">{en}</span>'


def panel(
    plan: Plan, dots: Sequence[tuple[str, str]], new: Sequence[dict[str, Any]], out: int
) -> str:
    """The panel's HTML.

    ``dots`` are (swatch, HTML name) of the kinds of demand points, ``new`` the records of the new
    stations' markers, ``out`` the number of points that lie outside the drawn area.
    """
    before, after = f"{plan.covered_share_before:.2%}", f"{plan.covered_share:.2%}"
    return f"""
<aside id="sc-panel" lang="zh-CN" aria-label="规划结果 plan">
<header><button id="sc-toggle" type="button" aria-expanded="true" aria-controls="sc-body"
 aria-label="收起或展开 collapse or expand"><span></span></button>
<div><h1>{safe(plan.scenario.title)}</h1>
<p>覆盖率 {before} → <b>{after}</b></p></div></header>
<div id="sc-body">
<table id="sc-figures">{_figures(plan, out)}</table>
{_notes(plan)}
<h2>{both("图例", "Legend")}</h2>
<ul class="sc-legend">{_legend(plan, dots)}</ul>
{_list(new)}
</div></aside>
<script>if (window.innerWidth < 700) {{
 document.getElementById("sc-panel").className = "sc-collapsed";
 document.getElementById("sc-toggle").setAttribute("aria-expanded", "false"); }}</script>
"""


# --- figures --------------------------------------------------------------------------------------


def _figure(name: str, value: object, text: str) -> str:
    """A figure with its raw value, so that nobody has to read it back from rounded text."""
    return f'<span id="fig-{name}" data-value="{safe(value)}">{safe(text)}</span>'


def _row(zh: str, en: str, value: str) -> str:
    label = f'{zh}<br><span class="sc-en" lang="en">{en}</span>'
    return f"<tr><th>{label}</th><td>{value}</td></tr>"


def _figures(plan: Plan, out: int) -> str:
    covered = plan.times_covered > 0
    share = {
        name: _figure(name, repr(float(value)), f"{value:.2%}")
        for name, value in (
            ("covered-share-before", plan.covered_share_before),
            ("covered-share", plan.covered_share),
            ("cross-covered-share", plan.cross_covered_share),
        )
    }
    count = {
        name: _figure(name, int(value), f"{int(value):,}")
        for name, value in (
            ("existing-stations", len(plan.existing)),
            ("new-stations", len(plan.new)),
            ("covered-points", covered.sum()),
            ("total-points", len(covered)),
        )
    }
    unit_zh, unit_en = UNITS[plan.weight_unit]
    rows = [
        _row("服务标准", "standard", _standard(plan)),
        _row(
            "站点", "stations",
            f"已建 {count['existing-stations']} + 新建 {count['new-stations']}",
        ),
        _row(
            "覆盖率", "covered share",
            f"{share['covered-share-before']} → <b>{share['covered-share']}</b>"
            f"<small>占全部需求权重 {weight_text(plan.weight.sum())} {unit_zh}<br>"
            f'<span class="sc-en" lang="en">of all demand weight ({unit_en})</span></small>',
        ),
        _row(
            "覆盖需求点", "covered points",
            f"{count['covered-points']} / {count['total-points']}",
        ),
        _row("交叉覆盖率", "within reach of two or more", share["cross-covered-share"]),
        *_objective(plan),
        _row("与最优的差距", "gap to the optimum", _gap(plan)),
        *_left_out(plan, out),
    ]  # fmt: skip
    if plan.cost is not None:
        cost = _figure("cost", repr(plan.cost), f"{plan.cost:,.0f}")
        rows.insert(2, _row("新建费用", "cost of new ones", f"{cost} 元"))
    return "".join(rows)


def _standard(plan: Plan) -> str:
    minutes = " / ".join(f"{m:g}" for m in np.unique(plan.minutes_required)[:4])
    more = " …" if len(np.unique(plan.minutes_required)) > 4 else ""
    profile = PROFILES[plan.scenario.network.profile].zh
    return f"{profile} {minutes}{more} 分钟（{plan.scenario.network.speed_kmh:g} km/h）"


def _objective(plan: Plan) -> list[str]:
    """What was optimised, where no other row tells it."""
    value = repr(float(plan.selection.objective))
    return [
        _row(
            *label,
            _figure("objective", value, text) + f'<br><span class="sc-en" lang="en">{en}</span>',
        )
        for label, (text, en) in objective_lines(plan)
    ]


def _gap(plan: Plan) -> str:
    gap = float(plan.selection.gap)
    return (
        f"{_figure('gap', repr(gap), f'{gap:.3%}')}"
        f'<small><span id="fig-proof" data-value="{safe(plan.selection.proof)}" '
        f'data-proven="{str(bool(plan.selection.proven)).lower()}">{safe(gap_text(plan, "zh"))}'
        f'</span><br><span class="sc-en" lang="en">{safe(gap_text(plan, "en"))}</span></small>'
    )


def _left_out(plan: Plan, out: int) -> list[str]:
    snapped = np.asarray(plan.demand["snapped"], bool)
    far, far_sites = int((~snapped).sum()), int((~np.asarray(plan.sites["snapped"], bool)).sum())
    beyond = snapped & ~plan.reachable
    weight = float(plan.weight[beyond].sum())
    unsnapped = _figure("unsnapped-demand", far, f"{far:,}")
    unsnapped_sites = _figure("unsnapped-sites", far_sites, f"{far_sites:,}")
    unreachable = _figure("unreachable-weight", repr(weight), weight_text(weight))
    points = _figure("unreachable-points", int(beyond.sum()), f"{int(beyond.sum()):,}")
    rows = [
        _row(
            "离路过远", "too far from a street",
            f"需求点 {unsnapped}，站点 {unsnapped_sites}",
        ),
        _row("无站可达", "no site within reach", f"权重 {unreachable}，需求点 {points}"),
    ]  # fmt: skip
    if out:
        rows.append(_row("图外的点", "outside the drawn area", _figure("outside", out, f"{out:,}")))
    return rows


def weight_text(value: float) -> str:
    """People or relative weight: whole numbers without decimals, small ones with."""
    whole = abs(value - round(value)) < 1e-9 or abs(value) >= 1000
    return f"{value:,.0f}" if whole else f"{value:,.2f}"


# --- notes, legend, list --------------------------------------------------------------------------


def _notes(plan: Plan) -> str:
    if not plan.notes:
        return ""
    items = "".join(
        f'<li>{safe(zh)}<br><span class="sc-en" lang="en">{safe(en)}</span></li>'
        for zh, en in plan.notes
    )
    title = f"{both('说明', 'Notes')}（{len(plan.notes)}）"
    return f"<details><summary>{title}</summary><ul>{items}</ul></details>"


def _legend(plan: Plan, dots: Sequence[tuple[str, str]]) -> str:
    signs = [
        (icon("existing", "E1", 18), both("已建站点", "existing station")),
        (icon("new", "1", 18), both("新建站点", "new station")),
        (icon("rejected", "1", 18), both("未入选备选点，前几名", "best sites not chosen")),
        (dot("disc", SITE_COLOUR), both("其余备选点", "other candidate sites")),
        (patch(BLUE, BLUE, dashes="6 4"), both("现有服务圈", "today's service circles")),
        (patch(GREEN, GREEN), both("规划服务圈", "the plan's service circles")),
    ]
    if closed_stations(plan).any():
        signs.insert(1, (icon("closed", size=18), both("已关闭站点", "closed station")))
    return "".join(f"<li>{sign}<span>{name}</span></li>" for sign, name in [*signs, *dots])


def closed_stations(plan: Plan) -> np.ndarray:
    """Which sites exist but are closed (boolean): in the existing table, and forbidden."""
    if "layer" not in plan.sites:
        return np.zeros(len(plan.sites), bool)
    closed = (plan.sites["layer"] == "existing") & (plan.sites["status"] == "forbidden")
    return np.asarray(closed, bool)


def _list(new: Sequence[dict[str, Any]]) -> str:
    if not new:
        return ""
    items = "".join(
        f'<li><button type="button" data-key="{safe(s["key"])}">{s["icon"]}'
        f"<span>{s['name']}</span><em>{s['value']}</em></button></li>"
        for s in new
    )
    return (
        f"<h2>{both('新建站点', 'New stations')}</h2>"
        '<p class="sc-en">数字：没有它就失去的权重 '
        '<span lang="en">weight lost without it</span></p>'
        f'<ol class="sc-list">{items}</ol>'
    )


STYLE = f"""
html, body {{ height: 100%; margin: 0; }}
body {{ display: flex; font: 14px/1.4 {FONTS}; color: #1f2937; }}
.folium-map {{ flex: 1 1 0; min-width: 0; min-height: 0; width: auto !important;
  height: auto !important; background: #f7f6f3; }}
.leaflet-container {{ font: 13px/1.4 {FONTS} !important; }}
#sc-panel {{ flex: 0 0 auto; width: 330px; box-sizing: border-box; overflow-y: auto;
  background: #fff; border-right: 1px solid #d1d5db; padding: 10px 14px; }}
#sc-panel header {{ display: flex; gap: 10px; align-items: flex-start; position: sticky; top: -10px;
  background: #fff; padding: 10px 0 8px; margin-top: -10px; z-index: 1; }}
#sc-panel h1 {{ font-size: 17px; line-height: 1.3; margin: 0; overflow-wrap: anywhere; }}
#sc-panel header p {{ margin: 2px 0 0; }}
#sc-panel h2 {{ font-size: 14px; margin: 14px 0 4px; }}
#sc-panel p.sc-en {{ margin: 0 0 4px; }}
#sc-toggle {{ flex: none; width: 36px; height: 36px; border: 1px solid #9ca3af; border-radius: 6px;
  background: #fff; cursor: pointer; padding: 0; }}
#sc-toggle span, #sc-toggle span::before, #sc-toggle span::after {{ content: ""; display: block;
  width: 18px; height: 2px; background: #374151; margin: 0 auto; position: relative; }}
#sc-toggle span::before {{ top: -6px; }} #sc-toggle span::after {{ top: 4px; }}
.sc-collapsed #sc-body {{ display: none; }}
.sc-en {{ color: #5b6472; font-size: 12px; }}
#sc-figures {{ border-collapse: collapse; width: 100%; }}
#sc-figures th {{ text-align: left; font-weight: 500; line-height: 1.15; width: 38%; }}
#sc-figures th, #sc-figures td {{ padding: 4px 6px 4px 0; border-top: 1px solid #e5e7eb;
  vertical-align: top; overflow-wrap: anywhere; }}
#sc-figures small {{ display: block; font-size: 12px; line-height: 1.3; }}
#sc-panel details {{ margin-top: 8px; }}
#sc-panel details ul {{ padding-left: 18px; margin: 4px 0; }}
.sc-legend, .sc-list {{ list-style: none; margin: 0; padding: 0; }}
.sc-legend li {{ display: flex; gap: 8px; align-items: center; padding: 2px 0; }}
.sc-legend svg {{ flex: 0 0 18px; }}
.sc-list button {{ display: flex; gap: 8px; align-items: center; width: 100%; border: 0;
  background: none; font: inherit; color: inherit; text-align: left; padding: 3px 0;
  cursor: pointer; }}
.sc-list button:hover, .sc-list button:focus {{ background: #eef2f7; }}
.sc-list svg {{ flex: none; width: 20px; height: 20px; }}
.sc-list span {{ flex: 1; overflow-wrap: anywhere; }} .sc-list em {{ font-style: normal; }}
.sc-icon svg {{ display: block; width: 100%; height: 100%;
  filter: drop-shadow(0 1px 1px rgba(0,0,0,.45)); transform: scale(var(--sc-scale, 1)); }}
.sc-crowded .sc-rejected svg, .sc-crowded .sc-closed svg {{ opacity: .85;
  transform: scale(calc(var(--sc-scale, 1) * .7)); }}
.sc-label span {{ position: absolute; transform: translate(-50%, -50%); white-space: nowrap;
  color: #4b2a6b; font-weight: 600; text-shadow: 0 0 3px #fff, 0 0 3px #fff, 0 0 3px #fff; }}
.sc-popup {{ border-collapse: collapse; }}
.sc-popup caption {{ text-align: left; font-weight: 700; font-size: 14px; padding-bottom: 4px;
  overflow-wrap: anywhere; }}
.sc-popup th {{ text-align: left; font-weight: 500; padding: 1px 10px 1px 0; color: #4b5563;
  line-height: 1.2; vertical-align: top; }}
.sc-popup td {{ overflow-wrap: anywhere; min-width: 70px; vertical-align: top; }}
.leaflet-tooltip {{ white-space: normal; width: max-content; max-width: 240px;
  overflow-wrap: anywhere; }}
.leaflet-control-layers label {{ margin: 2px 0; }}
.leaflet-control-layers label span {{ display: inline-flex; align-items: center; gap: 4px; }}
.leaflet-control-layers-expanded {{ max-height: 70vh; overflow-y: auto; }}
@media (min-width: 700px) {{
  #sc-panel.sc-collapsed {{ width: 57px; }} .sc-collapsed header div {{ display: none; }}
}}
@media (max-width: 699px) {{
  body {{ flex-direction: column; }}
  #sc-panel {{ order: 2; width: auto; max-height: 55%; border-right: 0;
    border-top: 1px solid #d1d5db; }}
  .sc-collapsed h1 {{ white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }}
  #sc-panel header div {{ min-width: 0; }}
}}
"""
