"""The image without Docker: the Dockerfile's own steps, run in a folder.

What the steps install, start and ask for its health is what a container would. With CI set in the
environment the locked packages are really installed; otherwise those of the environment that runs
the tests stand in for them.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support import ROOT

CI = bool(os.environ.get("CI"))
APP = "/opt/avr-sts-speechmatics"


@dataclass
class Stage:
    """A stage of the Dockerfile: what it is made from, its instructions in order."""

    base: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        return [text for name, text in self.steps if name == instruction]


def stages() -> dict[str, Stage]:
    """The Dockerfile's stages by name, in order; the last one is the default target."""
    text = re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())
    text = re.sub(r"\\\n\s*", "", text)
    found: dict[str, Stage] = {}
    arguments: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, rest = line.split(maxsplit=1)
        if instruction == "ARG":
            name, _, value = rest.partition("=")
            arguments["${" + name + "}"] = value
        elif instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            for argument, value in arguments.items():
                base = base.replace(argument, value)
            found[name] = Stage(base)
        else:
            found[list(found)[-1]].steps.append((instruction, rest))
    return found


def target(name: str) -> Stage:
    """A target with the steps of the stages it is made from."""
    every = stages()
    stage = every[name]
    if stage.base not in every:
        return stage
    below = target(stage.base)
    return Stage(below.base, below.steps + stage.steps)


def environment_of(stage: Stage) -> dict[str, str]:
    pairs = (shlex.split(text) for text in stage.all("ENV"))
    return dict(pair.split("=", 1) for line in pairs for pair in line)


class Container:
    """Steps of the Dockerfile in a folder instead of a container, for what needs no root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.work = root
        self.environment = {"PATH": f"{root}/bin:{os.environ['PATH']}", "HOME": str(root)}
        for name in ("PIP_CERT", "PIP_CONFIG_FILE", "PIP_INDEX_URL", "SSL_CERT_FILE"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        # The base image's two commands.
        (root / "bin").mkdir()
        for name, command in {"python": "", "pip": " -m pip"}.items():
            script = root / "bin" / name
            script.write_text(f'#!/bin/sh\nexec "{sys.executable}"{command} "$@"\n')
            script.chmod(0o755)

    def inside(self, text: str) -> str:
        return text.replace("/opt/", f"{self.root}/opt/")

    def build(self, stage: Stage) -> None:
        for step, text in stage.steps:
            if step == "ENV":
                self.environment |= environment_of(Stage("", [(step, text)]))
            elif step == "WORKDIR":
                self.work = self.root / text.lstrip("/")
                self.work.mkdir(parents=True, exist_ok=True)
            elif step == "COPY":
                *sources, to = text.split()
                for source in sources:
                    place = self.work / to / ("" if source.endswith("/") else source)
                    place.parent.mkdir(parents=True, exist_ok=True)
                    subprocess.run(["cp", "-r", ROOT / source, place], check=True)
            elif step == "RUN":
                self.run(text)
            else:
                pytest.fail(f"{step} is not expected while building")

    def run(self, command: str) -> None:
        if not CI:
            command = re.sub(
                r"\S*pip( --python \S+)? install --require-hashes \S+ \S+", ":", command
            )
        environment = self.environment | {"PIP_NO_CACHE_DIR": "0"}
        done = subprocess.run(
            ["sh", "-c", self.inside(command)],
            cwd=self.work,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        if not CI:
            for venv in (self.work / "tools", self.root / APP[1:]):
                for packages in venv.glob("lib/python*/site-packages"):
                    here = Path(pytest.__file__).parent.parent
                    (packages / "locked.pth").write_text(f"{here}\n")


def build_image(name: str, folder: Path) -> tuple[Stage, Container]:
    """Return a target, and the folder with its packages and its environment."""
    if not sys.platform.startswith("linux"):
        pytest.skip("the image's steps are run on Linux only")
    stage = target(name)
    container = Container(folder)
    copied = [text for text in stage.all("COPY") if "--from" in text]
    built = re.fullmatch(rf"--from=(\S+) {APP} {APP}", copied[-1])
    assert built, "the target is given the packages of a build stage"
    container.build(target(built[1]))
    container.environment |= {
        name: value.replace("$PATH", container.environment["PATH"])
        for name, value in environment_of(stage).items()
    }
    container.environment["PATH"] = container.inside(container.environment["PATH"])
    return stage, container


def command_of(stage: Stage) -> list[str]:
    return [*json.loads(stage.all("ENTRYPOINT")[-1]), *json.loads(stage.all("CMD")[-1])]


def health_check_of(stage: Stage) -> list[str]:
    check = stage.all("HEALTHCHECK")[-1]
    command: list[str] = json.loads(check[check.index("[") :])
    return command
