"""The settings: which city, which tables, which question."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from servicecircle import tables
from servicecircle.dashboard.asked import GOALS, TABLES, Asked, Upload
from servicecircle.dashboard.words import Say
from servicecircle.dashboard.workspace import (
    TABLE_SUFFIXES,
    Preview,
    Workspace,
    standards,
)
from servicecircle.errors import PlannerError
from servicecircle.scenario import Scenario, load_scenario
from servicecircle.streets.osm_file import OSM_SUFFIXES

OSM_MB, TABLE_MB = 200, 50
DATUMS = ("gcj02", "bd09", "wgs84")
TARGETS = ("new_sites", "budget", "share", "all")
COORDINATE_PX = 92
TIME_LIMIT_S = 20  # what the bundled city asks for


@dataclass(frozen=True)
class Inputs:
    """What is asked, and what still keeps it from being planned (sentences)."""

    asked: Asked
    missing: tuple[str, ...]
    city: str
    own_standards: tuple[float, ...]  # of districts, minutes: they come before the question's


def ask(say: Say, space: Workspace) -> Inputs:
    """Draw the settings and read them."""
    missing: list[str] = []
    base, title, city = _city(say, space, missing)
    uploads = [space.uploads["network"]] if base is None and "network" in space.uploads else []
    st.subheader(say("step_tables"))
    bundled = None if base is None else load_scenario(base)
    for role in TABLES:
        uploads += _table(say, space, role, bundled, missing)
    st.subheader(say("step_question"))
    roles = {upload.role for upload in uploads}
    own = _standards_of(bundled) if "districts" not in roles else space.standards(uploads)
    question = _question(say, derived="demand" not in roles)
    if question["target"] == "budget" and not _has_candidates(roles, bundled):
        missing.append(say("missing_cost"))
    asked = Asked(base=base, title=title, uploads=tuple(uploads), **question)
    return Inputs(asked, tuple(missing), city, own)


def _choose(
    say: Say,
    name: str,
    options: tuple[str, ...],
    *,
    words: str = "{}",
    unit: str = "",
    index: int | None = 0,
    **how: Any,
) -> str | None:
    """One of ``options``, as radio buttons that keep their choice when the language changes.

    Streamlit's radio buttons remember the words of a choice, not its value, so each language has
    buttons of its own, which begin with the choice made in the other.
    """
    kept = f"chosen-{name}-{unit}"
    before = st.session_state.get(kept)
    chosen = st.radio(
        say(name),
        options,
        index=options.index(before) if before in options else index,
        format_func=lambda option: say(words.format(option)),
        key=f"{name}-{unit}-{say.lang}",
        **how,
    )
    st.session_state[kept] = chosen
    return chosen


# --- the city -------------------------------------------------------------------------------------


def _city(say: Say, space: Workspace, missing: list[str]) -> tuple[Path | None, str, str]:
    """The bundled scenario (None for the visitor's own city), the plan's title, the city's name."""
    from servicecircle import bundled  # noqa: PLC0415

    st.subheader(say("step_city"))
    choice = _choose(say, "city", ("bundled", "own"), words="city_{}", label_visibility="collapsed")
    if choice == "bundled":
        st.caption(say("fictional"))
        return bundled.city(), "", say("city_bundled")
    streets = _upload(say, space, "network", say("osm", mb=OSM_MB), say("osm_help"), missing)
    if streets is None and not missing:
        missing.append(say("missing_osm"))
    stem = streets.shown.split(".")[0] if streets else ""
    title = st.text_input(
        say("own_title"), placeholder=stem, key="title", max_chars=60, persist_state="page"
    )
    name = (title or "").strip() or stem
    return None, name, name or say("own_city")


# --- the tables -----------------------------------------------------------------------------------


def _table(
    say: Say, space: Workspace, role: str, bundled: Scenario | None, missing: list[str]
) -> list[Upload]:
    """One table's uploader, datum and preview; the upload where it can be used."""
    with st.expander(say(role), key=f"part_{role}"):
        st.caption(f"{_without(say, role, bundled)}\n\n{say(f'{role}_help')}")
        label = say("upload", table=say(role), mb=TABLE_MB)
        upload = _upload(say, space, role, label, say("formats_help"), missing)
        if upload is None:
            return []
        # a new file is asked about anew: its coordinates may come from elsewhere
        datum = _choose(
            say, "datum", DATUMS, unit=f"{role}-{upload.stamp}", index=None, help=say("datum_help")
        )
        if datum is None:
            st.caption(say("choose_datum"))
            missing.append(say("missing_datum", table=say(role)))
            return []
        found = space.preview(upload, datum)
        if isinstance(found, PlannerError):
            st.error(found.text(say.lang))
            missing.append(say("missing_mend", table=say(role)))
            return []
        _show_preview(say, found)
        return [replace(upload, datum=datum)]


def _without(say: Say, role: str, bundled: Scenario | None) -> str:
    """What is used where nothing is uploaded."""
    if bundled is not None:
        parts = {
            "demand": bundled.demand, "districts": bundled.districts,
            "existing": bundled.sites.existing, "candidates": bundled.sites.candidates,
        }  # fmt: skip
        file = getattr(parts[role], "file", None)
        if file:
            return say("table_bundled", file=Path(file).name)
    return say(f"{role}_none")


def _upload(
    say: Say, space: Workspace, role: str, label: str, help_text: str, missing: list[str]
) -> Upload | None:
    streets = role == "network"
    file = st.file_uploader(  # of any type: what is wrong with it is said below, in the language
        label,
        key=f"file_{role}",
        help=help_text,
        max_upload_size=OSM_MB if streets else TABLE_MB,
    )
    if file is None:
        space.drop(role)
        return None
    upload = space.keep(role, file.name, file.file_id, file.getbuffer())
    if upload is None:
        endings = "、".join(OSM_SUFFIXES if streets else TABLE_SUFFIXES)
        st.error(say("not_osm" if streets else "not_table", file=file.name, known=endings))
        missing.append(say("missing_mend", table=say(role)))
    return upload


def _show_preview(say: Say, found: Preview) -> None:
    st.caption(say("understood", rows=found.rows))
    names = {
        "demand_id": "col_id", "site_id": "col_id", "name": "col_name", "lng": "col_lng",
        "lat": "col_lat", "weight": "col_weight", "district": "col_district", "kind": "col_kind",
        "status": "col_status", "cost": "col_cost", "minutes": "col_minutes",
    }  # fmt: skip
    shown = found.head.rename(columns={name: say(word) for name, word in names.items()})
    degrees = st.column_config.NumberColumn(format="%.6f", width=COORDINATE_PX)
    numbers = {say(name): degrees for name in ("col_lng", "col_lat")}
    st.dataframe(shown, hide_index=True, column_config=numbers)
    if found.total is not None:
        st.caption(say("total_weight", total=found.total))
    for note in found.notes:
        st.info(say.pick(note))


# --- the question ---------------------------------------------------------------------------------


def _has_candidates(roles: set[str], bundled: Scenario | None) -> bool:
    """Whether there is a table of candidates; those out of the map have no cost."""
    part = bundled.sites.candidates if bundled is not None else None
    return "candidates" in roles or (part is not None and part.file is not None)


def _standards_of(bundled: Scenario | None) -> tuple[float, ...]:
    """The standards that the bundled districts bring, minutes."""
    if bundled is None or not bundled.districts.file:
        return ()
    part = bundled.districts
    return _standards_in(bundled.path(part.file or ""), part.datum)


@cache
def _standards_in(path: Path, datum: str) -> tuple[float, ...]:
    return standards(tables.read_districts(path, datum=datum))


def _question(say: Say, *, derived: bool) -> dict[str, Any]:
    minutes = st.number_input(
        say("minutes"), 5, 60, 15, step=5, key="minutes", help=say("minutes_help")
    )
    target = _choose(say, "target", TARGETS) or TARGETS[0]
    value = _target_value(say, target)
    goal, decay = "covered", None
    with st.expander(say("more"), key="part_more"):
        if target in ("new_sites", "budget"):
            goal, decay = _goal(say, minutes)
        speed = st.number_input(
            say("speed"), 1.0, 10.0, 4.0, step=0.1, format="%.1f", key="speed",
            help=say("speed_help"),
        )  # fmt: skip
        limit = st.number_input(
            say("time_limit"),
            5,
            3600,
            TIME_LIMIT_S,
            step=5,
            key="time_limit",
            help=say("time_limit_help"),
        )
        people = None
        if derived:
            people = st.number_input(
                say("total_people"), 1, 100_000_000, None, step=100, key="total_people",
                help=say("total_people_help"), persist_state="page",
            )  # fmt: skip
    return {
        "target": target, "value": value, "minutes": float(minutes), "speed_kmh": float(speed),
        "time_limit": float(limit), "total_people": None if people is None else float(people),
        "goal": goal, "decay_to_minutes": decay,
    }  # fmt: skip


def _goal(say: Say, minutes: float) -> tuple[str, float | None]:
    """What the new stations are best for, and where credit beyond the standard ends."""
    goal = _choose(say, "goal", tuple(GOALS), words="goal_{}", help=say("goal_help")) or "covered"
    if goal != "credited":
        return goal, None
    end = st.number_input(
        say("decay_to"), minutes + 1, 240, 2 * minutes, step=5, key=f"decay_to-{minutes}",
        help=say("decay_to_help"),
    )  # fmt: skip
    return goal, float(end)


def _target_value(say: Say, target: str) -> float:
    if target == "new_sites":
        return st.number_input(
            say("new_sites_value"), 1, 5000, 20, key="new_sites", persist_state="page"
        )
    if target == "budget":
        return float(
            st.number_input(
                say("budget_value"),
                0,
                1_000_000_000,
                255_000,
                step=5000,
                key="budget",
                help=say("budget_help"),
                persist_state="page",
            )
        )
    if target == "share":
        percent = st.number_input(
            say("share_value"), 1.0, 100.0, 90.0, step=1.0, format="%.1f", key="share",
            persist_state="page",
        )  # fmt: skip
        return percent / 100
    return 0.0
