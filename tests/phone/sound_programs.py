"""Programs in place of the system's players and recorders."""

import os
from pathlib import Path

import pytest


def only(monkeypatch: pytest.MonkeyPatch, folder: Path, **programs: str) -> None:
    """Leave these programs, each a shell script, as the only ones of the system for sound."""
    folder.mkdir(exist_ok=True)
    for name, script in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    for tool in ("cat", "sleep", "head"):
        link = folder / tool
        if not link.exists():
            link.symlink_to(next(p for d in ("/bin", "/usr/bin") if (p := Path(d, tool)).exists()))
    monkeypatch.setitem(os.environ, "PATH", str(folder))
