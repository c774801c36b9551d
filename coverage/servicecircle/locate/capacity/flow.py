"""How much the open sites can serve: a maximum flow that is kept while sites open and close.

Sites send weight to the rows they cover, at most their capacity each, and a row takes at most its
own weight. ``flow`` holds what each pair carries, ``slack`` what each row still waits for,
``spare`` what each open site has left. A site that opens (or a row that loses its site) is served
along augmenting paths, site → row → another site of that row, which moves on to a row of its own;
all shortest ones at once, level by level (Dinic 1970). The served weight is monotone and
submodular in the open sites, so the gains of sites only fall as others open.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# problem: (rp, ri) rows as CSR, (cp, ci) sites as CSC, at: a CSC entry's place in the CSR,
#   w per row, cap, cost and free (may be opened) per site, eps: less is rounding
# state: flow per CSR entry, slack per row, spare and is_open per site, level, arc, step per site
#   (scratch), good per row and heard per site (scratch), tally [served, money left, places left],
#   work [units of work done]


@njit(cache=True, nogil=True)
def maximise(problem: Any, state: Any) -> None:
    """Serve as much as the open sites can."""
    while True:
        reach = _levels(problem, state)
        if reach < 0:
            return
        _block(problem, state, reach)


@njit(cache=True, nogil=True)
def _levels(problem: Any, state: Any) -> int:
    """Each open site's distance from a site with something left; that of the first waiting row."""
    rp, ri, cp, ci, _, _, _, _, _, eps = problem
    flow, slack, spare, is_open, level, arc, _, _, _, _, work = state
    queue, size, head, found = arc, 0, 0, -1
    for k in range(len(level)):
        level[k] = -1
        if is_open[k] and spare[k] > eps:
            level[k] = 0
            queue[size] = k
            size += 1
    while head < size:
        k = queue[head]
        head += 1
        if 0 <= found < level[k]:
            break
        work[0] += cp[k + 1] - cp[k]
        for c in range(cp[k], cp[k + 1]):
            i = ci[c]
            if slack[i] > eps:
                found = level[k]
                break
            for r in range(rp[i], rp[i + 1]):
                m = ri[r]
                if level[m] < 0 and flow[r] > eps and is_open[m]:
                    level[m] = level[k] + 1
                    queue[size] = m
                    size += 1
    return found


@njit(cache=True, nogil=True)
def _block(problem: Any, state: Any, reach: int) -> None:
    """Use up all shortest paths."""
    rp, _, cp, ci, _, _, _, _, _, eps = problem
    _, _, spare, is_open, level, arc, step, _, _, _, _ = state
    n = len(level)
    stack, via = np.empty(n + 1, np.int64), np.empty(n + 1, np.int64)
    for k in range(n):
        arc[k] = cp[k]
        if cp[k] < cp[k + 1]:
            step[k] = rp[ci[cp[k]]]
    for j in range(n):
        if is_open[j] and level[j] == 0:
            while spare[j] > eps and _walk(problem, state, reach, j, stack, via):
                pass


@njit(cache=True, nogil=True)
def _send(
    problem: Any, state: Any, source: int, row: int, stack: Any, via: Any, depth: int
) -> None:
    """Send along a path that was found: as much as its tightest part lets through."""
    at = problem[4]
    flow, slack, spare, arc, tally = state[0], state[1], state[2], state[5], state[9]
    amount = min(spare[source], slack[row])
    for d in range(1, depth + 1):
        amount = min(amount, flow[via[d]])
    for d in range(depth + 1):
        flow[at[arc[stack[d]]]] += amount
        if d > 0:
            flow[via[d]] -= amount
    slack[row] -= amount
    spare[source] -= amount
    tally[0] += amount


@njit(cache=True, nogil=True)
def _walk(problem: Any, state: Any, reach: int, source: int, stack: Any, via: Any) -> bool:
    """Send as much as fits along one path from a site to a waiting row; False: there is none."""
    rp, ri, cp, ci, _, _, _, _, _, eps = problem
    flow, slack, _, is_open, level, arc, step, _, _, _, work = state
    depth, stack[0] = 0, source
    while depth >= 0:
        k, deeper = stack[depth], False
        while arc[k] < cp[k + 1]:
            i = ci[arc[k]]
            work[0] += 1
            if slack[i] > eps:
                _send(problem, state, source, i, stack, via, depth)
                return True
            if level[k] < reach:
                for r in range(step[k], rp[i + 1]):
                    m = ri[r]
                    if level[m] == level[k] + 1 and flow[r] > eps and is_open[m]:
                        depth += 1
                        step[k], via[depth], stack[depth], deeper = r, r, m, True
                        break
            if deeper:
                break
            arc[k] += 1
            if arc[k] < cp[k + 1]:
                step[k] = rp[ci[arc[k]]]
        if not deeper:
            level[k] = -2  # a dead end for the rest of this phase
            depth -= 1
            if depth >= 0:
                step[stack[depth]] += 1
    return False


@njit(cache=True, nogil=True)
def open_site(problem: Any, state: Any, site: int) -> None:
    """Open a site; nothing is sent yet."""
    cap, cost = problem[6], problem[7]
    state[3][site], state[2][site] = True, cap[site]
    if problem[8][site]:
        state[9][1] -= cost[site]
        state[9][2] -= 1


@njit(cache=True, nogil=True)
def close_site(problem: Any, state: Any, site: int) -> None:
    """Close a site; its rows wait."""
    cp, ci, at, cost = problem[2], problem[3], problem[4], problem[7]
    flow, slack, spare, is_open, tally = state[0], state[1], state[2], state[3], state[9]
    is_open[site], spare[site] = False, 0.0
    tally[1] += cost[site]
    tally[2] += 1
    for c in range(cp[site], cp[site + 1]):
        r = at[c]
        slack[ci[c]] += flow[r]
        tally[0] -= flow[r]
        flow[r] = 0.0


@njit(cache=True, nogil=True)
def hungry(problem: Any, state: Any) -> None:
    """Mark the rows (``good``) at which one more unit of capacity would serve more weight."""
    rp, ri, cp, ci, at, _, _, _, _, eps = problem
    flow, slack, _, is_open, _, _, _, good, heard, _, work = state
    rows = len(slack)
    queue, size, head = np.empty(rows, np.int64), 0, 0
    heard[:] = False
    for i in range(rows):
        good[i] = slack[i] > eps
        if good[i]:
            queue[size] = i
            size += 1
    while head < size:
        i = queue[head]
        head += 1
        work[0] += rp[i + 1] - rp[i]
        for r in range(rp[i], rp[i + 1]):
            k = ri[r]
            if heard[k] or not is_open[k]:
                continue
            heard[k] = True
            work[0] += cp[k + 1] - cp[k]
            for c in range(cp[k], cp[k + 1]):
                if flow[at[c]] > eps and not good[ci[c]]:
                    good[ci[c]] = True
                    queue[size] = ci[c]
                    size += 1


@njit(cache=True, nogil=True)
def _copy(problem: Any, state: Any, saved: Any, site: int, back: bool) -> None:
    """Save what a trial of ``site`` may change, or bring it back."""
    cp, ci, at = problem[2], problem[3], problem[4]
    flow, slack, spare, is_open, tally, work = (
        state[0], state[1], state[2], state[3], state[9], state[10],
    )  # fmt: skip
    kept, waiting, left, sums = saved
    for k in range(len(spare)):
        if not is_open[k] and k != site:
            continue
        work[0] += (cp[k + 1] - cp[k]) // 4
        for c in range(cp[k], cp[k + 1]):
            if back:
                flow[at[c]], slack[ci[c]] = kept[at[c]], waiting[ci[c]]
            else:
                kept[at[c]], waiting[ci[c]] = flow[at[c]], slack[ci[c]]
        if back:
            spare[k] = left[k]
        else:
            left[k] = spare[k]
    if back:
        tally[:], is_open[site] = sums, False
    else:
        sums[:] = tally


@njit(cache=True, nogil=True)
def best_add(problem: Any, state: Any, saved: Any, price: Any, least: float) -> int:
    """The closed site that serves most more per price, more than ``least``; -1 without any.

    A site gains at most its capacity, and at most the weight of its hungry rows: sites are tried
    in the order of that, until no other can gain more. Of equal ones the smallest index stays.
    """
    cp, ci, w = problem[2], problem[3], problem[5]
    cap, cost, free = problem[6], problem[7], problem[8]
    is_open, good, tally, work = state[3], state[7], state[9], state[10]
    hungry(problem, state)
    n = len(cap)
    hope = np.zeros(n)
    for j in range(n):
        if free[j] and not is_open[j] and cost[j] <= tally[1]:
            most = 0.0
            work[0] += cp[j + 1] - cp[j]
            for c in range(cp[j], cp[j + 1]):
                if good[ci[c]]:
                    most += w[ci[c]]
            most = min(most, cap[j])
            hope[j] = most / price[j] if most > least else 0.0
    best, found = 0.0, -1
    while True:
        j = int(np.argmax(hope))
        if hope[j] <= 0.0 or hope[j] < best or (hope[j] == best and j > found >= 0):
            return found
        hope[j] = 0.0
        before = tally[0]
        _copy(problem, state, saved, j, False)
        open_site(problem, state, j)
        maximise(problem, state)
        gain = tally[0] - before
        _copy(problem, state, saved, j, True)
        if gain > least:
            value = gain / price[j]
            if value > best or (value == best and j < found):
                best, found = value, j


@njit(cache=True, nogil=True)
def add_best(problem: Any, state: Any, saved: Any, price: Any, least: float) -> int:
    """Open the site that `best_add` finds, and serve; -1 where there is none or no place."""
    site = best_add(problem, state, saved, price, least) if state[9][2] > 0.5 else -1
    if site >= 0:
        open_site(problem, state, site)
        maximise(problem, state)
    return site


@njit(cache=True, nogil=True)
def exchange(problem: Any, state: Any, saved: Any, price: Any, old: int, least: float) -> int:
    """Close ``old`` and open the best site instead (``old`` itself where none is better)."""
    before = state[9][0]
    close_site(problem, state, old)
    maximise(problem, state)
    lost = before - state[9][0]
    site = best_add(problem, state, saved, price, max(0.0, lost) + least)
    site = old if site < 0 else site
    open_site(problem, state, site)
    maximise(problem, state)
    return site
