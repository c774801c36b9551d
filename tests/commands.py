"""The command line, run in this process or in one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from servicecircle import cli


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Command:
    """``servicecircle …`` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        monkeypatch.delenv("SERVICECIRCLE_LANG", raising=False)

    def __call__(self, *args: object) -> Done:
        self.monkeypatch.setattr(sys, "argv", ["servicecircle", *map(str, args)])
        self.capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = self.capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)


def start(*args: object, cwd: Path | None = None, **options) -> subprocess.Popen:
    """``servicecircle …`` as a process of its own."""
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **options.pop("env", {})}
    environment.pop("SERVICECIRCLE_LANG", None)
    return subprocess.Popen(
        [sys.executable, "-m", "servicecircle.cli", *map(str, args)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def process(*args: object, **options) -> Done:
    """``servicecircle …`` as a process of its own, to its end."""
    running = start(*args, **options)
    out, err = running.communicate(timeout=300)
    return Done(running.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def names(folder: Path) -> set[str]:
    """What lies in a folder, hidden things included."""
    return {path.name for path in folder.iterdir()}
