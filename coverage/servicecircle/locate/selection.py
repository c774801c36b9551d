"""What every model returns: the chosen sites, how good they are, and the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

GAP_PROVEN = 1e-6

Model = Literal["mclp", "lscp", "partial_cover", "p_median", "p_center"]
Proof = Literal["multipliers", "tree", "solver"]
Ended = Literal["proof", "gap", "time", "interrupt", "work"]


@dataclass(frozen=True, eq=False)
class Leaves:
    """A search tree as a certificate: its leaves, and tables of multipliers that they share.

    Leaf ``i`` holds every plan in which the sites ``site[indptr[i]:indptr[i + 1]]`` take the
    values ``value[...]`` (1 open, 0 closed), in the order of branching. ``row[i]`` is its row in
    the tables; ``-1 - k`` says instead that its last site is dominated by site ``k``.
    ``multipliers`` is (rows × groups), dense: with 10,000 groups, a thousand rows are 80 MB.
    ``group`` (one per demand row) merges the demand rows that the same free sites cover: -1 for
    rows that need no multiplier. Field names with ``leaf_`` or ``table_`` before them (see
    `arrays`) are what `certificate.certified_bound` takes.
    """

    indptr: NDArray[np.int64]
    site: NDArray[np.int64]
    value: NDArray[np.int8]
    row: NDArray[np.int64]
    group: NDArray[np.int64]
    multipliers: NDArray[np.float64]
    share: NDArray[np.float64]
    budget: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The tree under the names that `certificate.certified_bound` and an .npz file use."""
        return {
            "leaf_indptr": self.indptr,
            "leaf_site": self.site,
            "leaf_value": self.value,
            "leaf_row": self.row,
            "table_group": self.group,
            "table_multipliers": self.multipliers,
            "table_share": self.share,
            "table_budget": self.budget,
        }


@dataclass(frozen=True)
class Forced:
    """Why a site has to be open: a demand row that no other site is left for.

    ``instead_of`` are the other sites that cover ``row``; each of them was left out before,
    because another one covers all that it covers (of what earlier forced sites leave open) and
    costs no more. Without any, only ``site`` covers the row.
    """

    site: int
    row: int
    instead_of: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Selection:
    """The chosen sites with their objective, the bound that no plan can pass, and its proof.

    - ``chosen``: sorted column indices of all open sites, fixed and required ones included.
    - ``objective``: covered, credited or served weight (``mclp``); number or cost of the new
      sites (the others).
    - ``bound``, ``gap``: ``|bound - objective| / max(|objective|, 1e-9)``, a fraction.
    - ``proven``: the gap is at most 1e-6.
    - ``proof``: ``"multipliers"`` or ``"tree"`` when the bound can be recomputed by
      `certificate.certified_bound` (from ``multipliers`` alone, or from ``leaves``),
      ``"solver"`` when only HiGHS attests it (then the stored certificate proves a weaker one).
    - ``multipliers``: one per demand row, with ``share_multiplier`` (price of covered weight,
      ``partial_cover``) and ``budget_multiplier`` (price of money, ``mclp`` with a budget).
    - ``method``: the steps that were taken; ``seconds``: wall time.
    - ``stopped``: why the run ended; only after ``"time"`` and ``"interrupt"`` (Ctrl-C) may the
      same question and seed bring another plan. ``"work"``: all steps did what they may do.
    - ``flow``: with capacities, the weight that each covering pair carries, in the order of the
      coverage's CSR entries (rows, then sorted sites): at most the row's weight in all of a row,
      at most the capacity in all of a site. Its sum is the objective.
    - ``forced``: the sites that every best plan of this kind holds, each with its reason, in the
      order in which they were found (``lscp``).
    """

    chosen: NDArray[np.int64]
    objective: float
    bound: float
    gap: float
    proven: bool
    proof: Proof
    multipliers: NDArray[np.float64]
    share_multiplier: float
    budget_multiplier: float
    leaves: Leaves | None
    method: str
    seconds: float
    stopped: Ended = "proof"
    forced: tuple[Forced, ...] = ()
    flow: NDArray[np.float64] | None = None


def gap_of(bound: float, objective: float) -> float:
    """The gap between a bound and an objective, as a fraction of the objective."""
    return abs(bound - objective) / max(abs(objective), 1e-9)
