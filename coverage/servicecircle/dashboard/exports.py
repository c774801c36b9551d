"""Exports of a finished plan: what for, a few choices, progress, one ZIP to take away."""

from __future__ import annotations

import streamlit as st

from servicecircle.coordinates import AREAS
from servicecircle.dashboard.words import WORDS, Say
from servicecircle.dashboard.worker import Result
from servicecircle.dashboard.workspace import Workspace
from servicecircle.errors import PlannerError
from servicecircle.export.providers import PROVIDERS
from servicecircle.export.targets import TARGETS, WGS84_ALONE, Options
from servicecircle.steps import EXPORT_STEPS

POLL_S = 0.5


def show(say: Say, space: Workspace, result: Result) -> None:
    """The box of exports under a result."""
    with st.expander(say("export"), key="export"):
        to, options = _choices(say, result)
        job = space.export
        if st.button(
            say("export_start"), key="export_start", disabled=job is not None and not job.finished
        ):
            space.start_export(to, options)
            st.rerun()
        if job is None:
            return
        if not job.finished:
            _progress(say, space)
        elif job.archive is not None:
            for note in job.notes:
                st.warning(say.pick(note))
            st.download_button(
                say("export_get", what=say(f"to_{job.to}")), job.archive.read_bytes,
                f"{result.file_name}-{job.to}.zip", "application/zip", key="export_get",
                on_click="ignore", type="primary",
            )  # fmt: skip
        elif job.error is not None or job.crashed:
            error = job.error or PlannerError(*WORDS["unexpected"])
            st.error(result.own_names(error.text(say.lang)))


def _choices(say: Say, result: Result) -> tuple[str, Options]:
    to = st.selectbox(
        say("export_to"), list(TARGETS), format_func=lambda name: say(f"to_{name}"), key="export_to"
    )
    federation, paper, tiles, area = "", "a4", True, "mainland"
    if to in ("signs", "report"):
        federation = st.text_input(
            say("export_federation"), key="export_federation", help=say("export_federation_help")
        )
    if to == "signs":
        papers = {"a4": "A4", "a3": "A3"}
        paper = st.radio(
            say("export_paper"), list(papers), format_func=papers.__getitem__, horizontal=True,
            key="export_paper",
        )  # fmt: skip
    if to in PROVIDERS:
        tiles = st.checkbox(say("export_tiles"), value=True, key="export_tiles")
    if to not in WGS84_ALONE:
        area = st.selectbox(
            say("export_area"), list(AREAS), format_func=lambda name: say(f"area_{name}"),
            key="export_area", help=say("export_area_help"),
        )  # fmt: skip
    return to, Options(
        area=area, federation=federation.strip(), tiles=tiles, paper=paper, lang=say.lang
    )


@st.fragment(run_every=POLL_S)
def _progress(say: Say, space: Workspace) -> None:
    job = space.export
    if job is None or job.finished:
        st.rerun()
    name = say.pick(EXPORT_STEPS[job.step]) if job.step else say("export_begins")
    st.progress(job.done or 0.0, text=name)
    if st.button(say("cancel"), key="export_cancel"):
        space.cancel_export()
        st.rerun()
