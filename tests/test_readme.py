"""The README's reader of proofs does what it says, on a real plan and on a forged one."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from plans import main_street, saved

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    part = README.read_text(encoding="utf-8").split("### A proof, read by anyone")[1]
    code = re.search(r"```python\n(.*?)```", part, re.DOTALL)
    assert code
    lines = [line for line in code[1].splitlines() if line.strip()]
    assert len(lines) < 40
    assert {line.split()[1] for line in lines if line.startswith(("import", "from"))} <= {
        "json,", "pathlib", "numpy",
    }  # fmt: skip
    path = tmp_path_factory.mktemp("reader") / "read.py"
    path.write_text(code[1], encoding="utf-8")
    return path


def _read(reader: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(reader), str(folder)], capture_output=True, text=True, check=False
    )


def test_the_reader_proves_a_plan_and_refuses_a_forged_one(tmp_path: Path, reader: Path) -> None:
    folder = saved(main_street(tmp_path, new_sites=2), tmp_path / "plan")
    said = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    assert (said["model"], said["proof"]) == ("mclp", "multipliers")
    done = _read(reader, folder)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout
        == f"covered {said['objective']:g}, no plan covers more than {said['bound']:g}\n"
    )
    with np.load(folder / "certificate.npz") as file:
        arrays = dict(file)
    arrays["multipliers"] = arrays["multipliers"] * 0.5
    np.savez(folder / "certificate.npz", **arrays)
    assert _read(reader, folder).returncode != 0
