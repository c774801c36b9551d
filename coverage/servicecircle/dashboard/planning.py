"""The page: settings at the side, the question in one sentence, progress, the plan."""

from __future__ import annotations

import streamlit as st

from servicecircle.dashboard import exports, inputs, results
from servicecircle.dashboard.inputs import Inputs
from servicecircle.dashboard.words import WORDS, Say
from servicecircle.dashboard.worker import ORDER, Job
from servicecircle.dashboard.workspace import Workspace
from servicecircle.errors import PlannerError
from servicecircle.steps import STEPS

LANGUAGES = {"zh": "中文", "en": "English"}
POLL_S = 0.5
SIDEBAR_PX = 340
ICON = (
    '<svg viewBox="0 0 24 24"><circle cx="12" cy="12" r="11" fill="#00734f" fill-opacity=".25"/>'
    '<circle cx="12" cy="12" r="5" fill="#00734f"/></svg>'
)
# room for the map; figures as cards of one width
STYLE = """<style>
[data-testid=stMainBlockContainer] { padding: 3.2rem 1.75rem 2rem; }
[data-testid=stSidebarHeader] { height: 2.6rem; min-height: 0; margin-bottom: 0; }
.st-key-head h1 { font-size: 2rem; padding: 0; }
.st-key-figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(240px, 1fr));
  gap: .6rem; }
.st-key-figures [data-testid=stMetric] { height: 100%; }
.st-key-figures [data-testid=stMetric] > div { padding: .6rem .9rem; }
.st-key-figures [data-testid=stMetricValue] { font-size: 1.4rem; line-height: 1.5; }
.st-key-figures [data-testid=stMetricValue] * { white-space: normal; }
@media (max-width: 640px) {
  [data-testid=stMainBlockContainer] { padding: 4.6rem .75rem 2rem; }
  .st-key-figures { grid-template-columns: 1fr 1fr; }
  .st-key-figures [data-testid=stMetricValue] { font-size: 1.15rem; }
}
</style>"""
# the upload boxes speak English only; these rules put Chinese in the place of their words
CHINESE = """<style>
[data-testid=stFileUploaderDropzone] button p { font-size: 0; }
[data-testid=stFileUploaderDropzone] button p::after { content: "选择文件"; font-size: 1rem; }
[data-testid=stFileUploaderDropzoneInstructions] { display: none; }
[data-testid=InputInstructions] { display: none; }
</style>"""


def page() -> None:
    """The planning page."""
    st.set_page_config(
        page_title=" · ".join(WORDS["title"]), page_icon=ICON, layout="wide",
        initial_sidebar_state=SIDEBAR_PX,
    )  # fmt: skip
    space = _workspace()
    space.settle()
    say = _head()
    with st.sidebar:
        asked = inputs.ask(say, space)
    _question(say, space, asked)
    with st.container(key="status"):  # always there: what follows keeps its place, and the map
        _status(say, space, asked)
    if space.result is not None:
        results.show(say, space.result, lambda result: exports.show(say, space, result))


def _workspace() -> Workspace:
    if "workspace" not in st.session_state:
        st.session_state["workspace"] = Workspace()
    space: Workspace = st.session_state["workspace"]
    return space


def _head() -> Say:
    with st.container(horizontal=True, horizontal_alignment="distribute", key="head"):
        heading = st.empty()
        lang = st.segmented_control(
            " / ".join(WORDS["language"]), list(LANGUAGES), default="zh", required=True,
            format_func=LANGUAGES.__getitem__, key="lang", label_visibility="collapsed",
            bind="query-params",
        )  # fmt: skip
    say = Say("en" if lang == "en" else "zh")
    heading.title(say("title"), anchor=False, width="content")
    st.caption(say("subtitle"))
    st.html(STYLE + (CHINESE if say.lang == "zh" else ""))
    return say


def _question(say: Say, space: Workspace, asked: Inputs) -> None:
    a = asked.asked
    n = 100 * a.value if a.target == "share" else a.value
    values = {"city": asked.city, "n": n, "minutes": a.minutes, "speed": a.speed_kmh}
    values["aim"] = say(f"aim_{a.goal}", **values, end=a.decay_to_minutes)
    with st.container(border=True, key="question"):
        st.markdown(say(f"asked_{a.target}", **values))
        if asked.own_standards:
            listed = " / ".join(f"{minutes:g}" for minutes in asked.own_standards)
            st.caption(say("own_standards", minutes=listed))
        again = space.result is not None
        ready = not asked.missing and space.job is None
        if st.button(
            say("again" if again else "start"), type="primary", key="start", disabled=not ready
        ):
            try:
                space.start(a)
            except PlannerError as error:
                space.error = error
            st.rerun()
        if asked.missing:
            st.markdown("\n".join([say("missing"), "", *(f"- {m}" for m in asked.missing)]))


def _status(say: Say, space: Workspace, asked: Inputs) -> None:
    if space.job is not None:
        _progress(say)
    elif space.error is not None:
        st.error(space.error.text(say.lang))
    elif space.result is None:
        st.info(say("welcome"))
    if space.result is not None and space.result.asked != asked.asked:
        st.warning(say("outdated" if space.job is None else "outdated_busy"))


@st.fragment(run_every=POLL_S)
def _progress(say: Say) -> None:
    """The running plan's step; on its own, so that the rest of the page stays as it is."""
    space = _workspace()
    job = space.job
    if job is None or job.finished:
        st.rerun()
    st.progress(job.progress, text=_step(say, job))
    if job.step == "locate" and job.search is not None:
        with st.container(key="search"):
            st.markdown(say("stopping") if job.stopping else job.search.text(say.lang))
    with st.container(horizontal=True, key="running"):
        if job.step == "locate" and st.button(
            say("stop"), key="stop", disabled=not job.stoppable, help=say("stop_help")
        ):
            job.stop()
            st.rerun(scope="fragment")
        if st.button(say("cancel"), key="cancel"):
            space.cancel()
            st.toast(say("cancelled"))
            st.rerun()


def _step(say: Say, job: Job) -> str:
    if job.step is None:
        return say("waiting", step=say("queued"), seconds=job.seconds)
    name = say.pick(STEPS[job.step])
    return say("step_of", i=ORDER.index(job.step) + 1, n=len(ORDER), step=name, seconds=job.seconds)
