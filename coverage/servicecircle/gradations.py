"""Credit for walks beyond the standard, per walk; plan and check count it by this one rule.

Imports numpy alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from servicecircle.locate.levels import decay

Floats = NDArray[np.float64]


def credits(minutes: Floats, standard: Floats, end: float) -> Floats:
    """The credit of each walk, 0 to 1: full within its standard, none from ``end`` minutes on.

    ``standard`` is the one of each walk's demand point; between the two, credit falls along a
    line in stairs of a whole minute (`locate.levels.decay`).
    """
    credit = np.zeros(len(minutes))
    for minutes_required in np.unique(standard):
        here = standard == minutes_required
        credit[here] = decay(minutes[here], float(minutes_required), end)
    return credit
