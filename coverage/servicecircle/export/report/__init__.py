"""The report: a decision paper for Word, and the workbook behind it.

write_report    what ``--to report`` does
├── sections        the list of sections; each is a function of `report.Report`
│   ├── section_front     the first page: answer, figures, map; the contents
│   ├── section_question  what was asked, of which data
│   ├── section_coverage  today, the plan, districts
│   ├── section_stations  cost, stations, what stays uncovered
│   └── section_proof     method, limits, licence
├── workbook        the same figures as numbers
├── facts           every figure, out of the plan folder
├── numbers         how figures and other people's text are written
├── document        a Word paper, piece by piece (and document_styles)
├── map_pictures    maps for paper (and map_signs, ground)
└── charts          the bar chart of districts
"""

from __future__ import annotations

from servicecircle.export.report.writing import write_report

__all__ = ["write_report"]
