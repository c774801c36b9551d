"""Every notebook runs from top to bottom."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, capsys):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    names: dict = {"__name__": "notebook"}
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        assert cell["outputs"] == [], "notebooks are kept without outputs"
        source = "".join(cell["source"])
        exec(compile(ast.parse(source), f"{path.name}[{number}]", "exec"), names)
    said = capsys.readouterr().out
    assert names["plan"].selection.proven
    shares = [best.objective for best in names["curve"].values()]
    assert shares == sorted(shares) and "%" in said
