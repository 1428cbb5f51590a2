"""What is shipped: the locks satisfy pyproject.toml, the image and the compose file hold together.

No Docker is needed. The Dockerfile's own steps are run in a temporary folder: what they install,
start, ask for its health and stop is what a container would. With CI set in the environment the
locked packages are really installed, for both targets (a minute or two, and the network);
otherwise those of the environment that runs the tests stand in for them.
"""

import json
import re
import resource
import shlex
import signal
import socket
import subprocess
import time
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from tests.image import (
    APP,
    CI,
    Container,
    Stage,
    build_image,
    command_of,
    environment_of,
    health_check_of,
    stages,
    target,
)
from tests.support import ROOT

from avr_sts_speechmatics import settings
from avr_sts_speechmatics.settings import checks

# --- locks ---------------------------------------------------------------------------------------

LOCKS = {path.stem: path for path in (ROOT / "locks").glob("*.txt")}


def pins(lock: str) -> dict[NormalizedName, str]:
    """Name to version of what a lock installs."""
    found = re.findall(r"^([\w.-]+)==(\S+)", LOCKS[lock].read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def wanted() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks of each lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    core = project["project"]["dependencies"]
    for extra in ("mcp", "opentelemetry", "postgresql", "redis", "s3"):
        core = core + extras[extra]
    lists = {
        "core": core,
        "sandbox": core + extras["sandbox"],
        "dev": core + extras["sandbox"] + extras["dev"],
        "docs": project["project"]["dependencies"] + extras["docs"],
        "javascript": extras["javascript"],
        "build": project["build-system"]["requires"],
    }
    return {lock: [Requirement(line) for line in lines] for lock, lines in lists.items()}


@pytest.mark.parametrize("lock", wanted())
def test_a_lock_satisfies_pyproject(lock: str) -> None:
    have = pins(lock)
    for need in wanted()[lock]:
        version = have.get(canonicalize_name(need.name))
        assert version is not None, f"{need} is not in locks/{lock}.txt: make lock"
        assert need.specifier.contains(version, prereleases=True), f"{need}: {version}: make lock"


def test_the_locks_agree_with_one_another() -> None:
    versions: dict[NormalizedName, set[str]] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)
    assert not {name: found for name, found in versions.items() if len(found) > 1}
    assert pins("core").keys() <= pins("sandbox").keys() <= pins("dev").keys()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_place(lock: str) -> None:
    text = LOCKS[lock].read_text()
    assert "://" not in text
    for line in text.splitlines():
        assert re.match(
            r"#|    #|    --hash=sha256:[0-9a-f]{64}( \\)?$|[a-z0-9]\S*==\S+ .*\\$", line
        )
    assert len(re.findall(r"==.*\\\n    --hash", text)) == len(pins(lock)) > 0


def test_what_is_installed_is_what_is_locked() -> None:
    have = {canonicalize_name(found.name): found.version for found in distributions()}
    other = {
        f"{name}: {have[name]} is installed, {version} is locked"
        for name, version in pins("dev").items()
        if have.get(name, version) != version
    }
    assert not other


def test_the_pythons_tested_are_the_pythons_promised() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    promised = [line.split()[-1] for line in classifiers if ":: Python :: 3." in line]
    makefile = (ROOT / "Makefile").read_text()
    tested = re.search(r"^VERSIONS := (.*)$", makefile, re.MULTILINE)
    assert tested is not None
    assert tested[1].split() == promised != []


# --- Dockerfile ----------------------------------------------------------------------------------


def test_the_default_target_is_the_service_and_is_small() -> None:
    assert list(stages())[-1] == "service"
    assert "COPY --from=build-sandbox" not in str(target("service").steps)
    assert not [text for text in target("build").all("RUN") if "sandbox" in text.replace(APP, "")]


@pytest.mark.parametrize("name", ["service", "sandbox"])
def test_an_image_runs_as_nobody_special_and_is_process_1(name: str) -> None:
    image = target(name)
    assert re.fullmatch(r"python:3\.1[1-9]\.\d+-slim-\w+", image.base), "a pinned slim image"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", image.all("USER")[-1])
    # What comes after USER is only copied in, owned by root: the service cannot change itself.
    after = image.steps[[step[0] for step in image.steps].index("USER") :]
    assert not [text for step, text in after if step == "RUN" or "--chown" in text]
    assert json.loads(image.all("ENTRYPOINT")[-1]) == ["avr-sts-speechmatics"], "exec form: PID 1"
    assert json.loads(image.all("CMD")[-1]) == ["serve"]
    assert environment_of(image)["HOST"] == "0.0.0.0"
    assert "PORT" not in environment_of(image)
    assert set(image.all("EXPOSE")[-1].split()) == {"6040", "6033", "5001", "6001"}
    assert any("/etc/ssl/certs/ca-certificates.crt" in text for text in image.all("RUN"))


@pytest.mark.parametrize("name", ["service", "sandbox"])
def test_an_image_says_what_it_is(name: str) -> None:
    (label,) = target(name).all("LABEL")
    labels = dict(part.split("=", 1) for part in shlex.split(label))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = "org.opencontainers.image."
    assert labels[f"{said}source"] == project["urls"]["Source"]
    assert labels[f"{said}licenses"] == project["license"]
    assert labels[f"{said}version"] == "${VERSION}"
    assert labels[f"{said}revision"] == "${REVISION}"


def test_calls_are_kept_in_a_volume_that_the_service_may_write() -> None:
    image = target("service")
    assert environment_of(image)["DATA_DIR"] == "/data"
    assert "/data" in image.all("VOLUME")[-1].split()
    (made,) = [text for text in image.all("RUN") if "useradd" in text]
    assert "install --directory --owner avr --group avr --mode 1777 /data" in made
    for file in COMPOSED:
        assert "DATA_DIR=/data" in service_of(file)["environment"]
        assert "calls" in yaml.safe_load((ROOT / file).read_text())["volumes"]


def test_an_image_runs_under_any_user_id() -> None:
    (made,) = [text for text in target("service").all("RUN") if "useradd" in text]
    assert "chmod 755 /home/avr" in made


def test_a_service_that_is_ready_is_soon_healthy() -> None:
    (check,) = target("service").all("HEALTHCHECK")
    intervals = dict(re.findall(r"--(interval|start-interval)=(\d+)s", check))
    assert int(intervals["interval"]) <= 5
    # Docker waits for this before the first probe; without the option 5 s.
    assert int(intervals["start-interval"]) == 1


def test_an_image_takes_no_secret_and_nothing_unpinned() -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert not re.search(r"(KEY|TOKEN|PASSWORD|SECRET)\s*=", text)
    for stage in stages().values():
        for run in stage.all("RUN"):
            for install in re.findall(r"pip\S*(?: --python \S+)? install [^&]*", run):
                assert "--require-hashes -r locks/" in install or "--no-index" in install


def test_only_what_the_image_needs_is_sent_to_docker() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        name.rstrip("/")
        for stage in stages().values()
        for text in stage.all("COPY")
        if "--from" not in text
        for name in text.split()[:-1]
    }
    assert copied == allowed


# --- the image's own steps, run ------------------------------------------------------------------


@pytest.fixture(scope="module", params=["service", *(["sandbox"] if CI else [])])
def image(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stage, Container]:
    """A target, and the folder where its packages were built."""
    return build_image(request.param, tmp_path_factory.mktemp(request.param))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


@dataclass
class Running:
    process: subprocess.Popen[str]
    health: list[str]
    environment: dict[str, str]

    def healthy(self) -> bool:
        return not subprocess.run(
            self.health, env=self.environment, capture_output=True, timeout=10
        ).returncode


@pytest.fixture
def started(image: tuple[Stage, Container], tmp_path: Path) -> Iterator[Running]:
    """The image's command, started; a service without clouds where it has no sandbox."""
    stage, container = image
    shut = {"EXTRA_PORTS": "", "AUDIOSOCKET_PORT": "0", "HTTP_PORT": "0"}
    environment = container.environment | shut | {"PORT": str(free_port())}
    if not CI or "build-sandbox" not in str(stage.steps):
        closed = f"127.0.0.1:{free_port()}"
        environment |= {
            "SPEECHMATICS_API_KEY": "not-a-key",
            "SPEECHMATICS_RT_URL": f"ws://{closed}",
            "SPEECHMATICS_TTS_URL": f"http://{closed}",
        }
    process = subprocess.Popen(
        command_of(stage),
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process, health_check_of(stage), environment)
    finally:
        process.kill()
        process.communicate()


@pytest.mark.timeout(600)
def test_the_images_own_health_check_follows_the_service_from_start_to_sigterm(
    started: Running,
) -> None:
    assert not started.healthy(), "healthy before it is ready"
    end = time.monotonic() + 30
    while not started.healthy():
        assert started.process.poll() is None, started.process.communicate()[0]
        assert time.monotonic() < end, "not healthy after 30 s"
    begun = time.monotonic()
    started.process.send_signal(signal.SIGTERM)
    output, _ = started.process.communicate(timeout=10)
    assert started.process.returncode == 0, output
    assert time.monotonic() - begun < 3
    assert "Traceback" not in output
    assert not started.healthy()


@pytest.mark.timeout(600)
def test_a_probe_costs_little_cpu(started: Running) -> None:
    def cpu() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    begun = cpu()
    for _ in range(10):
        started.healthy()
    assert (cpu() - begun) / 10 < 0.05


@pytest.mark.timeout(600)
def test_a_wheel_has_everything_the_service_needs(image: tuple[Stage, Container]) -> None:
    wheels = list(image[1].work.glob("dist/*.whl"))
    assert len(wheels) == 1
    names = zipfile.ZipFile(wheels[0]).namelist()
    source = ROOT / "src"
    shipped = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert shipped <= set(names)
    assert [name for name in names if name.endswith("licenses/LICENSE")]
    assert not [name for name in names if name.startswith(("tests", "bench"))]


@pytest.mark.timeout(600)
def test_without_a_key_the_small_image_says_what_to_do(
    image: tuple[Stage, Container], tmp_path: Path
) -> None:
    if not CI or "build-sandbox" in str(image[0].steps):
        pytest.skip("needs the small image's own packages (CI=1)")
    done = subprocess.run(
        command_of(image[0]),
        cwd=tmp_path,
        env=image[1].environment | {"PORT": str(free_port()), "EXTRA_PORTS": ""},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert "sandbox" in done.stderr
    assert "Traceback" not in done.stderr


# --- compose and .env ----------------------------------------------------------------------------

SETTINGS = {name.upper() for name in settings.DECLARATIONS}


@pytest.fixture
def compose() -> Any:
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


# A path of this machine means nothing inside.
PATHS = {
    name.upper()
    for name, declaration in settings.DECLARATIONS.items()
    if declaration.parse in (checks.file, checks.directory)
}


COMPOSED = ("docker-compose.yml", "docker-compose.asterisk.yml")
"""The compose files with this service in them."""


def service_of(file: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())
    service: dict[str, Any] = found["services"]["avr-sts-speechmatics"]
    return service


def test_compose_passes_every_setting_on(compose: Any) -> None:
    service = compose["services"]["avr-sts-speechmatics"]
    assert service["env_file"] == [{"path": ".env", "required": False}]
    lines = service["environment"]
    named = [line.partition("=")[0] for line in lines]
    assert len(set(named)) == len(named)
    # From the shell as well as from the file.
    assert set(named) == SETTINGS
    # No value of its own but for the image's ports and the Asterisk of the same file.
    assert [line for line in lines if "=" in line and "=${" not in line] == [
        "HOST=0.0.0.0",
        "PORT=6040",
        "DATA_DIR=/data",
    ]
    own = {line for line in lines if "=${" in line and line.partition("=")[0] not in PATHS}
    assert own == {
        "DRAIN_S=${DRAIN_S:-20}",
        "AMI_HOST=${AMI_HOST-avr-asterisk}",
        "AMI_PASSWORD=${AMI_PASSWORD:-avr}",
    }
    (published,) = [port for port in service["ports"] if port.endswith(":6040")]
    assert published == "127.0.0.1:${PORT:-6040}:6040"


@pytest.mark.parametrize("file", COMPOSED)
def test_every_setting_of_the_example_reaches_the_service(file: str) -> None:
    service = service_of(file)
    offered = set(re.findall(r"(?m)^# ([A-Z_]+)=", (ROOT / ".env.example").read_text()))
    assert {"AGENTS_DIR", "TOOLS_DIR", "FAQ_FILE", "TIME_ZONE"} <= offered
    assert service["env_file"] == [{"path": ".env", "required": False}]
    fixed = {line.partition("=")[0] for line in service["environment"] if "=" in line}
    # What the file sets itself: where both containers meet, and the places of the volumes.
    assert offered & fixed - PATHS <= {
        *("HOST", "PORT", "AUDIOSOCKET_PORT", "HTTP_PORT", "AMI_HOST"),
        *("AMI_PORT", "AMI_USERNAME", "AMI_PASSWORD", "TRANSFER_CONTEXT"),
        "DRAIN_S",  # passed on, and also used for the time that compose waits
    }


@pytest.mark.parametrize("file", COMPOSED)
def test_a_path_of_this_machine_is_mounted_where_the_service_looks(file: str) -> None:
    service = service_of(file)
    lines = service["environment"]
    inside = dict(re.findall(r"(\w+)=\$\{\1:\+(/[\w.]+)\}", "\n".join(lines)))
    assert inside.keys() == PATHS
    mounts = {mount["target"]: mount for mount in service["volumes"]}
    calls = mounts.pop("/data")
    assert (calls["type"], calls["source"]) == ("volume", "calls")
    assert len(mounts) == len(inside)
    for name, place in inside.items():
        mount = mounts[place]
        assert mount["type"] == "bind", "a source without ./ would be the name of a volume"
        assert mount["bind"] == {"create_host_path": False}, "a wrong path is an error"
        assert mount["source"] == f"${{{name}:-/dev/null}}"
        assert mount.get("read_only", False) is (name != "CALL_TRACE_DIR")


def test_the_service_knows_asterisks_manager_user(compose: Any) -> None:
    manager = compose["configs"]["manager"]["content"]
    assert f"[${{AMI_USERNAME:-{settings.DEFAULTS.ami_username}}}]" in manager
    assert "secret=${AMI_PASSWORD:-avr}" in manager


def test_avr_core_finds_the_service_at_both_ports_of_avrs_page(compose: Any) -> None:
    core = compose["services"]["avr-core"]
    assert "STS_URL=ws://avr-sts-speechmatics:6040" in core["environment"]
    assert settings.DEFAULTS.port == 6040
    assert 6033 in settings.DEFAULTS.extra_ports


@pytest.mark.parametrize("file", ["docker-compose.yml", "docker-compose.asterisk.yml"])
def test_compose_gives_running_calls_their_time_whatever_drain_s_is(file: str) -> None:
    service = yaml.safe_load((ROOT / file).read_text())["services"]["avr-sts-speechmatics"]
    assert service["stop_grace_period"] == "1m${DRAIN_S:-20}s"
    assert "DRAIN_S=${DRAIN_S:-20}" in service["environment"]
    assert settings.DEFAULTS.drain_s == 20


def test_the_image_promises_no_more_than_docker_stop_keeps() -> None:
    words = [word for line in stages()["runtime"].all("ENV") for word in shlex.split(line)]
    pairs = dict(word.split("=", 1) for word in words)
    assert float(pairs["DRAIN_S"]) + 2 <= 10
    assert pairs["ORT_DISABLE_TELEMETRY"] == "1"


def test_compose_builds_targets_that_exist_and_opens_no_door_to_the_network(compose: Any) -> None:
    service = compose["services"]["avr-sts-speechmatics"]
    assert service["build"]["target"] == "${STS_TARGET:-service}"
    assert {"service", "sandbox"} <= set(stages())
    # None of these asks for a password but Asterisk, whose password everybody can read here.
    for name, container in compose["services"].items():
        assert all(line.startswith("127.0.0.1:") for line in container.get("ports", ())), name


class _Override(yaml.SafeLoader):
    """Reads the tag with which compose replaces a list instead of adding to it."""


def _as_list(loader: _Override, node: yaml.SequenceNode) -> list[Any]:
    found: list[Any] = loader.construct_sequence(node)
    return found


_Override.add_constructor("!override", _as_list)


def test_phones_elsewhere_need_a_password_of_the_operators_own(compose: Any) -> None:
    text = (ROOT / "docker-compose.phones.yml").read_text()
    opened = yaml.load(text, _Override)["services"]
    assert set(opened) == {"avr-asterisk"}
    closed = compose["services"]["avr-asterisk"]["ports"]
    assert "ports: !override" in text, "added to the list, both would claim the port"
    assert opened["avr-asterisk"]["ports"] == [port.removeprefix("127.0.0.1:") for port in closed]
    required = dict(line.split("=${") for line in opened["avr-asterisk"]["environment"])
    assert required.keys() == {"SIP_PASSWORD", "EXTERNAL_ADDRESS"}
    phone = compose["configs"]["pjsip"]["content"]
    for name, rule in required.items():
        assert rule.startswith(f"{name}:?"), "compose stops where it is missing"
        assert f"${{{name}:-" in phone


def test_the_phone_of_the_asterisk_example_is_on_this_machine() -> None:
    phone = (ROOT / "examples/asterisk/pjsip.conf").read_text()
    assert re.findall(r"(?m)^bind\s*=\s*(\S+)", phone) == ["127.0.0.1:5060"]


def test_asterisk_is_given_every_file_it_includes(compose: Any) -> None:
    given = compose["services"]["avr-asterisk"]["configs"]
    assert {config["target"] for config in given} == {
        f"/etc/asterisk/my_{name}.conf"
        for name in ("extensions", "pjsip", "manager", "queues", "ari")
    }
    assert {config["source"] for config in given} == set(compose["configs"])
    dialplan = compose["configs"]["extensions"]["content"].replace("$$", "$")
    assert "Dial(AudioSocket/avr-core:5001/${UUID}/c(slin))" in dialplan
    ours = f"avr-sts-speechmatics:{settings.DEFAULTS.audiosocket_port}"
    assert f"Dial(AudioSocket/{ours}/${{UUID}}/c(slin))" in dialplan
    assert "uuidgen" in dialplan, "a call's UUID is generated: UNIQUEID is none"


def test_the_example_of_env_changes_nothing(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text()
    assert not [line for line in text.splitlines() if line and not line.startswith("#")]
    file = tmp_path / "env"
    file.write_text(re.sub(r"(?m)^# ([A-Z_]+=)", r"\1", text))
    shown = dotenv_values(file)
    assert set(shown) <= SETTINGS
    assert settings.load({}, file) == settings.DEFAULTS
    keys = {name for name in shown if name.endswith(("_KEY", "_PASSWORD", "_SECRET"))}
    assert len(keys) >= 4
    assert not any(shown[key] for key in keys)
