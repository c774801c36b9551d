"""A plan, shown: figures before and after, map, stations, districts, sources, downloads."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from servicecircle.dashboard.words import WORDS, Say
from servicecircle.dashboard.worker import Result
from servicecircle.steps import percent

MAP_HEIGHT = 640
ROW_PX, LIST_ROWS = 35, 16  # a list shows so many rows, and scrolls beyond
NOTES_OPEN = 2  # more notes than these start folded


def show(say: Say, result: Result, below: Callable[[Result], None]) -> None:
    """Draw a result; ``below`` its downloads stands what else can be had of it."""
    st.subheader(say("result", title=result.title))
    _figures(say, result)
    _notes(say, result)
    _downloads(say, result)
    below(result)
    # not in a tab: a map that is laid out while it is hidden has no size, and breaks
    st.iframe(framed(result.page), height=MAP_HEIGHT, alt=" ".join(WORDS["map_alt"]))
    names = ("stations", "districts", "data")
    tabs = st.tabs([say(f"tab_{name}") for name in names], key="tabs")
    for tab, draw in zip(tabs, (_stations, _districts, _data), strict=True):
        with tab:
            draw(say, result)


def framed(page: str) -> str:
    """The map in a sandbox inside a frame: nothing in it can touch this page or send anything.

    Streamlit's own frame would give it this page's origin; an address of its own (data:) may not
    be longer than 2 MB in Chromium.
    """
    style = "html, body { margin: 0; height: 100% } iframe { border: 0; width: 100%; height: 100% }"
    return (
        f"<!doctype html><title>{WORDS['map_alt'][1]}</title><style>{style}</style>"
        '<iframe sandbox="allow-scripts allow-popups allow-popups-to-escape-sandbox" '
        f'title="{" ".join(WORDS["map_alt"])}" srcdoc="{html.escape(page)}"></iframe>'
    )


def _unit(say: Say, result: Result) -> str:
    return say(result.figures["weight_unit"])


# --- figures --------------------------------------------------------------------------------------


def _figures(say: Say, result: Result) -> None:
    with st.container(horizontal=True, key="figures"):
        for label, value, below, hint in _cards(say, result):
            st.metric(
                label, value, below, delta_color="off", delta_arrow="off", help=hint, border=True
            )
    f = result.figures
    verdict = say("verdict_proven") if f["proven"] else say("verdict_gap", gap=percent(f["gap"]))
    st.markdown(f"{verdict} {say('proof_' + f['proof'])}")


def _cards(say: Say, result: Result) -> list[tuple[str, str, str, str | None]]:
    """(label, value, what stands below, help) of the headline figures, before → after."""
    f, before = result.figures, result.before
    new, total = len(f["new_sites"]), f"{f['total_weight']:,.0f}"
    old = len(f["chosen"]) - new
    share, cross = f["covered_share_before"], before.cross
    cards: list[tuple[str, str, str, str | None]] = [
        (say("stations"), f"{old:,} → {old + new:,}", say("stations_new", n=new), None),
        (
            say("covered_share"), f"{share:.2%} → {f['covered_share']:.2%}",
            say("points_more", n=100 * (f["covered_share"] - share)), say("covered_share_help"),
        ),
        (
            say("covered_weight", unit=_unit(say, result)),
            f"{before.weight:,.0f} → {f['covered_weight']:,.0f}", say("of_all", n=total), None,
        ),
        (
            say("covered_points"), f"{before.points:,} → {f['covered_points']:,}",
            say("of_all", n=f"{f['total_points']:,}"), None,
        ),
        (
            say("cross"), f"{cross:.2%} → {f['cross_covered_share']:.2%}",
            say("points_more", n=100 * (f["cross_covered_share"] - cross)), say("cross_help"),
        ),
        (
            say("gap"), say("optimal") if f["proven"] else f"≤ {f['gap']:.3%}",
            say("gap_proven" if f["proven"] else "gap_bound"), say("gap_help"),
        ),
    ]  # fmt: skip
    cards[-1:-1] = _objective(say, result)
    if f["cost"] is not None and new:
        each = say("cost_each", n=f["cost"] / new)
        cards.insert(1, (say("cost"), f"{f['cost']:,.0f}", each, None))
    return cards


def _objective(say: Say, result: Result) -> list[tuple[str, str, str, str | None]]:
    """A card of the objective, where no other card tells it."""
    value, counts = result.figures["objective"], result.counts
    if counts in ("mean_minutes", "most_minutes"):
        return [(say(counts), f"{value:,.2f}", say("objective_minutes"), None)]
    if counts in ("credited", "served"):
        label = say(counts, unit=_unit(say, result))
        return [(label, f"{value:,.1f}", say("objective_weight"), None)]
    return []


def _notes(say: Say, result: Result) -> None:
    """What was assumed or looks wrong; it may decide whether the plan is worth anything."""
    notes = result.figures["notes"]
    if notes:
        title = say("notes", n=len(notes))
        with st.expander(title, expanded=len(notes) <= NOTES_OPEN, key="notes"):
            for note in notes:
                st.warning(result.own_names(note[say.lang]))


# --- downloads ------------------------------------------------------------------------------------


def _downloads(say: Say, result: Result) -> None:
    name, plan = result.file_name, result.plan
    with st.container(horizontal=True, key="downloads"):
        for key, end, mime, data in (
            ("zip", f"{say('file_all')}.zip", "application/zip", result.archive.read_bytes),
            ("map", f"{say('file_map')}.html", "text/html", (plan / "map.html").read_bytes),
            ("stations", f"{say('file_stations')}-WGS84.csv", "text/csv",
             (plan / "stations.csv").read_bytes),
            ("scenario", f"{say('file_scenario')}.toml", "application/toml",
             (plan / "scenario.toml").read_bytes),
        ):  # fmt: skip
            st.download_button(
                say(f"get_{key}"), data, f"{name}-{end}", mime, key=f"get_{key}",
                help=say(f"get_{key}_help"), on_click="ignore",
                type="primary" if key == "zip" else "secondary",
            )  # fmt: skip


# --- tables ---------------------------------------------------------------------------------------


def _stations(say: Say, result: Result) -> None:
    st.caption(say("stations_hint"))
    unit = _unit(say, result)
    table = result.stations
    number = st.column_config.NumberColumn
    columns: dict[str, tuple[str, Any]] = {
        "label": (say("col_label"), None),
        "new": (say("col_new"), None),
        "name": (say("col_name"), None),
        "kind": (say("col_kind"), None),
        "covers_weight": (say("col_covers", unit=unit), number(format="localized")),
        "only_covers_weight": (say("col_only", unit=unit), number(format="localized")),
        "cost": (say("col_cost"), number(format="localized")),
        "district": (say("col_district"), None),
        "address": (say("col_address"), None),
        "lng": (say("col_lng"), number(format="%.6f")),
        "lat": (say("col_lat"), number(format="%.6f")),
        "site_id": (say("col_id"), None),
    }
    kept = [c for c in columns if c in table and not _blank(table[c])]
    shown = table[kept].copy()
    shown["new"] = [say("is_new") if new else say("is_existing") for new in shown["new"]]
    for name in ("covers_weight", "only_covers_weight"):
        shown[name] = shown[name].round(1)
    shown.columns = [columns[c][0] for c in kept]
    config = {columns[c][0]: columns[c][1] for c in kept if columns[c][1] is not None}
    height = ROW_PX * (min(len(shown), LIST_ROWS) + 1) + 3
    st.dataframe(
        shown, hide_index=True, height=height, column_config=config, key="stations", placeholder="—"
    )


def _blank(cells: pd.Series) -> bool:
    return bool((cells.isna() | (cells == "")).all())


def _districts(say: Say, result: Result) -> None:
    rows = result.figures["districts"]
    if all(not row["district"] for row in rows):
        st.caption(say("no_districts"))
        return
    table = pd.DataFrame(
        {
            say("col_district"): [row["district"] or say("outside") for row in rows],
            say("col_minutes"): [row["minutes"] for row in rows],
            say("col_share"): [
                None if row["covered_share"] is None else round(100 * row["covered_share"], 2)
                for row in rows
            ],
            say("col_stations"): [row["stations"] for row in rows],
        }
    )
    share = st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.1f%%")
    st.dataframe(
        table,
        hide_index=True,
        column_config={say("col_share"): share},
        key="districts",
        placeholder="—",
    )


def _data(say: Say, result: Result) -> None:
    f = result.figures
    st.markdown(f"##### {say('left_out')}")
    islands = f["islands"]
    left = (
        say("left_unsnapped", demand=f["unsnapped_demand"], sites=f["unsnapped_sites"]),
        say("left_unreachable", weight=f["unreachable_weight"], unit=_unit(say, result)),
        say("left_far", share=f["far_weight_share"]),
        say("left_islands", count=islands["count"], km=islands["metres"] / 1000),
    )
    st.markdown("\n".join(f"- {line}" for line in left))
    st.markdown(f"##### {say('provenance')}")
    _sources(say, result)
    st.caption(
        "  \n".join(
            [
                *([say("fictional")] if result.asked.base is not None else []),
                f["attribution"],
                say("took", seconds=sum(f["seconds"].values())),
            ]
        )
    )


def _sources(say: Say, result: Result) -> None:
    streets = result.figures["inputs"][0]["file"]

    def name(source: dict[str, Any]) -> str:
        file = result.own_names(source["file"])
        taken = source["role"] != "network" and source["file"] == streets
        return say("derived", file=file) if taken else file

    rows = [
        {
            say("col_role"): say(source["role"]),
            say("col_file"): name(source),
            say("col_datum"): say(source["datum"]),
            say("col_rows"): source["rows"],
            say("col_date"): (source["osm_date"] or "")[:10],
            say("col_sha"): (source["sha256"] or "")[:12],
        }
        for source in result.figures["inputs"]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="sources")
