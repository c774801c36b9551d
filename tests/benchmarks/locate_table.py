"""What the optimizer is asked, what it should reach, and how that reads in the table.

No numpy here: the process that measures stays small.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.common import Row

OURS, LOADED = "servicecircle", "servicecircle, code loaded before"
PEERS = ("CBC", "HiGHS")
PEER_LIMIT_S, SHORT_LIMIT_S = 120.0, 60.0  # the second where no peer gets anywhere in minutes
U_SMALL_M, U_LARGE_M = 6_600.0, 8_900.0  # widths: ten and twenty sites cover some nine tenths
SEED = 1
TITLES = {
    "mclp": "MCLP",
    "lscp": "LSCP",
    "p_median": "p-median",
    "p_center": "p-center",
}


@dataclass(frozen=True)
class Goal:
    """Something reached within seconds, MB, or times faster than the peer, by its unit."""

    what: str  # a milestone of `locate_ours.milestones`, or words for another unit
    most: float
    unit: str = "s"  # "s", "MB", "×"


@dataclass(frozen=True)
class Asked:
    """One question, its time limit, its goals, and the peers that may answer it too."""

    model: str
    kind: str  # of `instances.make`
    sites: int
    demand: int
    p: int | None
    limit_s: float
    goals: tuple[Goal, ...]
    peer_limit_s: float | None = None
    no_peer: str = ""  # why no peer is asked
    loaded: bool = False  # whether it is also measured with the compiled code loaded before

    @property
    def name(self) -> str:
        """What ``--only`` calls it."""
        kind = "" if self.kind == "road" else f"-{self.kind}"
        return f"{self.model.replace('_', '-')}{kind}-{self.sites}"

    @property
    def words(self) -> str:
        """What the table calls it."""
        kind = "" if self.kind == "road" else f" {self.kind},"
        p = "" if self.p is None else f", p = {self.p}"
        return f"{TITLES[self.model]}{kind} {self.sites:,} × {self.demand:,}{p}"

    @property
    def made_of(self) -> tuple[Any, ...]:
        """The arguments of `instances.make`."""
        width = (U_SMALL_M if self.sites <= 100 else U_LARGE_M) if self.kind == "U" else 0.0
        return self.kind, self.sites, self.demand, width, SEED, self.model == "lscp"

    def smaller(self) -> Asked:
        """A tenth of it, for a look whether everything runs."""
        return replace(
            self,
            sites=max(30, self.sites // 10),
            demand=max(300, self.demand // 10),
            p=None if self.p is None else max(3, self.p // 10),
            limit_s=3.0,
            peer_limit_s=None if self.peer_limit_s is None else 10.0,
        )


DENSE = "not asked: two dense matrices of {} GB"
AS_C = "not asked: as many pairs to build as C"
ASKED = {
    asked.name: asked
    for asked in (
        Asked("mclp", "C", 100, 10_000, 10, 60, (Goal("faster", 1_000, "×"),), PEER_LIMIT_S,
              loaded=True),
        Asked("mclp", "U", 100, 10_000, 10, 60, (Goal("proven", 5),), PEER_LIMIT_S),
        Asked("mclp", "C", 500, 100_000, 20, 60, (Goal("gap < 1.0%", 2), Goal("proven", 10)),
              SHORT_LIMIT_S, loaded=True),
        Asked("mclp", "U", 500, 100_000, 20, 60, (Goal("gap < 1.0%", 60),), no_peer=AS_C),
        Asked("mclp", "C", 1_000, 1_000_000, 30, 300,
              (Goal("plan", 3), Goal("gap < 2.0%", 15), Goal("gap < 1.0%", 300),
               Goal("memory beyond the input", 1_024, "MB")), no_peer=DENSE.format(8)),
        Asked("mclp", "C", 5_000, 1_000_000, 50, 300,
              (Goal("plan and bound", 30), Goal("gap < 3.0%", 300)), no_peer=DENSE.format(40)),
        Asked("lscp", "C", 500, 100_000, None, 60, (Goal("proven", 5),), SHORT_LIMIT_S),
        Asked("lscp", "U", 500, 100_000, None, 60, (Goal("within 2", 60), Goal("proven", 60)),
              no_peer=AS_C),
        Asked("lscp", "C", 1_000, 1_000_000, None, 60,
              (Goal("within 2", 60), Goal("proven", 60)), no_peer=DENSE.format(8)),
        Asked("p_median", "road", 100, 1_000, 8, 60, (Goal("proven", 60), Goal("gap < 0.1%", 30)),
              SHORT_LIMIT_S),
        Asked("p_median", "road", 300, 5_000, 10, 60, (Goal("proven", 60), Goal("gap < 0.1%", 30)),
              SHORT_LIMIT_S),
        Asked("p_center", "road", 100, 1_000, 8, 60, (Goal("proven", 5),), SHORT_LIMIT_S),
    )
}  # fmt: skip


# --- rows -----------------------------------------------------------------------------------------


def rows(asked: Asked, found: Mapping[str, Mapping[str, Any]]) -> list[Row]:
    """One row per goal; the first one also tells what became of the answer, and of the peers'."""
    ours, sizes = found[OURS], found[OURS]["sizes"]
    table: list[Row] = []
    for goal in asked.goals:
        for contender in (name for name in (OURS, LOADED) if name in found):
            reached, met = _reached(goal, found[contender], found)
            what = f"{_named(goal)}{_first_call(contender, found)}"
            table.append(Row(f"the same: {what}", _goal(goal), reached, met, "", "", ""))
    first = replace(
        table[0],
        what=table[0].what.replace("the same", asked.words),
        ours=answer_words(ours),
        peer=_peers(asked, found),
        sizes=f"{sizes['rows']:,} rows, {sizes['pairs']:,} pairs",
    )
    return [first, *table[1:]]


def lines(asked: Asked, found: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """How the answer came about, in one line."""
    ours = found[OURS]
    steps = ours["milestones"]
    first = f"first plan {_seconds(steps['plan'])}, first bound {_seconds(steps['plan and bound'])}"
    ended = {"proof": "", "work": "; ended when its steps were done"}
    end = ended.get(ours["answer"]["stopped"], f"; ended by its limit of {asked.limit_s:g} s")
    return [
        f"{asked.words}: {ours['answer']['method']}; {first}, in all {ours['seconds']:.2f} s{end}; "
        f"{ours['beyond_mb']:,.0f} MB beyond the input; plan recounted and certificate recomputed "
        f"with numpy in {ours['check_s']:.2f} s."
    ]


def answer_words(ours: Mapping[str, Any]) -> str:
    """Objective, bound, gap, proof and seconds of our answer."""
    answer = ours["answer"]
    if answer["proven"]:
        return (
            f"{answer['objective']:,.0f}, proven ({answer['proof']}) in {_seconds(ours['seconds'])}"
        )
    return (
        f"{answer['objective']:,.0f}, bound {answer['bound']:,.0f} ({answer['proof']}), gap "
        f"{answer['gap']:.2%} after {_seconds(ours['seconds'])}"
    )


def _first_call(contender: str, found: Mapping[str, Any]) -> str:
    if LOADED not in found:
        return ""
    return ", compiled code loaded before" if contender == LOADED else ", first call of a process"


def _named(goal: Goal) -> str:
    words = {
        "faster": "time against spopt/CBC, both to proven optimum, model building included",
        "plan": "first plan",
        "plan and bound": "first plan with a bound",
        "gap < 0.1%": "gap < 0.1 %",
        "within 2": "plan within 2 sites of the bound",
    }
    return words.get(goal.what, goal.what.replace(".0%", " %"))


def _goal(goal: Goal) -> str:
    return f"≥ {goal.most:,g}×" if goal.unit == "×" else f"≤ {goal.most:,g} {goal.unit}"


def _reached(
    goal: Goal, ours: Mapping[str, Any], found: Mapping[str, Mapping[str, Any]]
) -> tuple[str, bool]:
    if goal.unit == "MB":
        return f"{ours['beyond_mb']:,.0f} MB", ours["beyond_mb"] <= goal.most
    if goal.unit == "×":
        peer = found["CBC"]
        proven = ours["answer"]["proven"] and peer["stage"] == "proven"
        faster = peer["seconds"] / ours["seconds"]
        words = f"{faster:,.0f}× ({_seconds(ours['seconds'])})"
        return words if proven else f"{words}, not both proven", proven and faster >= goal.most
    seconds = ours["milestones"][goal.what]
    if math.isfinite(seconds):
        return _seconds(seconds), seconds <= goal.most
    solver = goal.what == "proven" and ours["answer"]["proven"]
    return "by HiGHS's word only" if solver else f"not in {_seconds(ours['seconds'])}", False


def _seconds(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "never"
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"


def _peers(asked: Asked, found: Mapping[str, Mapping[str, Any]]) -> str:
    if asked.peer_limit_s is None:
        return asked.no_peer
    told = [
        f"{name}: {peer_words(asked, found[OURS]['answer'], found[name])}"
        for name in PEERS
        if name in found
    ]
    return "spopt with " + "; ".join(told)


def peer_words(asked: Asked, ours: Mapping[str, Any], peer: Mapping[str, Any]) -> str:
    """What became of a peer's answer; ``over`` its limit it was ended."""
    seconds = peer["seconds"]
    if peer["stage"] == "building":
        return f"still building its model after {seconds:.0f} s (any solver)"
    if peer["stage"] == "over":
        return f"no answer, ended after {seconds:.0f} s"
    if peer["stage"] == "none":
        return f"no plan in {seconds:.0f} s"
    if peer["stage"] == "proven":
        return f"proven in {seconds:.1f} s (building {peer['building']:.1f} s)"
    worse = abs(peer["objective"] - ours["objective"]) / max(abs(ours["objective"]), 1e-9)
    return f"no proof in {seconds:.0f} s; called “{peer['called']}”, {worse:.1%} from our plan"
