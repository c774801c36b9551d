"""The report's sections in their order. Each is a function of the `Report`: list it, it is in."""

from __future__ import annotations

from collections.abc import Callable

from servicecircle.export.report.report import Report
from servicecircle.export.report.section_coverage import districts, plan, today
from servicecircle.export.report.section_front import contents, front
from servicecircle.export.report.section_proof import licence, limits, method
from servicecircle.export.report.section_question import data, question
from servicecircle.export.report.section_stations import cost, stations, uncovered

SECTIONS: tuple[Callable[[Report], None], ...] = (
    front,
    contents,
    question,
    data,
    today,
    plan,
    districts,
    cost,
    stations,
    uncovered,
    method,
    limits,
    licence,
)
