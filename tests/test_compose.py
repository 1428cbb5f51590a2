"""AVR's compose files, AVR's panel and the two stacks of this repository start the image as it is.

Each service is started from the image's own steps with exactly the variables of its file, on an
address of its own (127.x.y.z in place of a container's), so that its ports are those of the file.
Scripted clouds stand in for Speechmatics and OpenAI; their addresses are added as an operator would
add them. The image's own health check is asked as Docker asks it, then a call is answered.
"""

import asyncio
import os
import re
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.avr_core import AvrCore, dial
from tests.calls.test_direct_calls import Asterisk
from tests.image import Container, Stage, build_image, command_of, health_check_of
from tests.settings.test_panel import PANEL
from tests.support import ROOT, until

from avr_sts_speechmatics.sandbox.scripted_cloud import (
    RunningSandbox,
    ToneTts,
    running_sandbox,
    scripted,
    turn,
)
from avr_sts_speechmatics.transports.audiosocket_wire import UUID, message

# With CI set, the first test waits until the image's packages are installed.
pytestmark = pytest.mark.timeout(600)

QUESTION = "When do you close?"
ANSWER = "We close at nine."
PANEL_WAITS_S = 15
"""How long the most impatient of those who start containers, the panel, waits for a healthy one."""

# --- the variables of a file ---------------------------------------------------------------------

_VARIABLE = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?:(:?[-+])([^}]*))?\})")


def interpolated(text: str, given: Mapping[str, str]) -> str:
    """Replace `$X`, `${X}`, `${X:-no}`, `${X-no}`, `${X:+yes}` and `$$` as compose does."""

    def value(match: re.Match[str]) -> str:
        dollar, bare, name, rule, other = match.groups()
        if dollar:
            return "$"
        found = given.get(bare or name)
        there = bool(found) if rule and rule.startswith(":") else found is not None
        if rule and rule.endswith("+"):
            return other if there else ""
        return (found or "") if there or not rule else other

    return _VARIABLE.sub(value, text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$KEY ${KEY}", "k k"),
        ("${KEY:-no} ${EMPTY:-no} ${EMPTY-no} ${NONE-no}", "k no  no"),
        ("${KEY:+yes}${EMPTY:+yes}${NONE:+yes}", "yes"),
        ("$$KEY$NONE", "$KEY"),
    ],
)
def test_variables_are_replaced_as_compose_replaces_them(text: str, result: str) -> None:
    assert interpolated(text, {"KEY": "k", "EMPTY": ""}) == result


def composed(service: Mapping[str, Any], dotenv: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that compose gives to a service.

    service: as in the file.
    dotenv: `.env` beside the file; the shell has nothing.
    """
    environment = dict(dotenv) if "env_file" in service else {}
    for line in service["environment"]:
        name, given, value = line.partition("=")
        if given:
            environment[name] = interpolated(value, dotenv)
        elif name in dotenv:
            environment[name] = dotenv[name]
    return environment


def stack(file: str, dotenv: Mapping[str, str]) -> dict[str, str]:
    services = yaml.safe_load((ROOT / file).read_text())["services"]
    return composed(services["avr-sts-speechmatics"], dotenv)


# AVR's wiki, page "Speechmatics STS", and docker-compose-speechmatics.yml of avr-infra.
PUBLISHED = (
    ["SPEECHMATICS_API_KEY=${SPEECHMATICS_API_KEY}", "PORT=6040"],
    ["PORT=6040", "SPEECHMATICS_API_KEY=$SPEECHMATICS_API_KEY"],
)


def clouds(cloud: RunningSandbox, ending: str) -> dict[str, str]:
    """Where the clouds are, by the names of the settings (`_URL`) or the second names (`_BASE`)."""
    return {
        f"SPEECHMATICS_RT{ending}": cloud.rt_url,
        f"SPEECHMATICS_TTS{ending}": cloud.tts_url,
        "OPENAI_BASE_URL" if ending == "_URL" else "OPENAI_BASE": cloud.openai_url,
    }


# --- a container of its own ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stage, Container]:
    return build_image("service", tmp_path_factory.mktemp("service"))


@dataclass(frozen=True, slots=True)
class Started:
    """A service that Docker would call healthy.

    address: in place of the container's.
    log: the file with all that the service wrote.
    """

    address: str
    log: Path


@asynccontextmanager
async def started(
    image: tuple[Stage, Container], folder: Path, variables: Mapping[str, str]
) -> AsyncIterator[Started]:
    """Run the image with `variables`, from the start of the process until it is healthy."""
    stage, container = image
    # An address for each process that runs tests: others may use the same ports meanwhile.
    number = os.getpid()
    address = f"127.{64 + number // 65536 % 64}.{number // 256 % 256}.{number % 256 or 1}"
    environment = container.environment | dict(variables)
    assert environment["HOST"] in ("0.0.0.0", "127.0.0.1")
    environment |= {"HOST": address, "PHRASE_CACHE_DIR": str(folder / "cache")}
    environment |= {"DATA_DIR": str(folder / "data")}
    check = [word.replace("127.0.0.1", address) for word in health_check_of(stage)]
    assert check != health_check_of(stage)
    (interval,) = re.findall(r"--start-interval=(\d+)s", stage.all("HEALTHCHECK")[-1])
    log = folder / "log"
    begun = time.monotonic()
    with log.open("wb") as stream:
        process = subprocess.Popen(  # noqa: ASYNC220
            command_of(stage),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        while True:
            await asyncio.sleep(int(interval))
            probe = await asyncio.to_thread(
                subprocess.run, check, env=environment, capture_output=True, check=False
            )
            if not probe.returncode:
                break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - begun < PANEL_WAITS_S, log.read_text()
        print(f"healthy {time.monotonic() - begun:.1f} s after the start")
        yield Started(address, log)
        process.terminate()
        assert await asyncio.to_thread(process.wait, 15) == 0
        assert "Traceback" not in log.read_text()
    finally:
        process.kill()
        process.wait()


def cloud_with_a_caller() -> Any:
    """Scripted clouds; the caller asks one question, whichever session hears the call."""
    return running_sandbox(
        scripted(
            *[turn(QUESTION, start=0.2, end=0.8)] * 4,  # the trial at the start has a session too
            answers=[ANSWER],
            voice=ToneTts(seconds_per_character=0.01),
        )
    )


async def spoken_answer(core: AvrCore) -> None:
    """Hold a call until the agent has answered the caller's question, in words and in sound."""
    await core.init()
    line = asyncio.create_task(core.stay(20))
    try:
        heard = await core.until(lambda heard: ANSWER in heard.said("agent"), timeout=20)
    finally:
        line.cancel()
        await asyncio.wait([line])
    assert QUESTION in heard.said("user")
    assert any(any(frame) for frame in heard.frames)


# --- the promises --------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", PUBLISHED, ids=["wiki", "avr-infra"])
@pytest.mark.parametrize("port", [6040, 6033])
async def test_avrs_published_compose_file_needs_the_operators_model_and_nothing_else(
    image: tuple[Stage, Container], tmp_path: Path, lines: list[str], port: int
) -> None:
    """port: where avr-core calls; the wiki's page prints 6033, avr-infra 6040."""
    async with cloud_with_a_caller() as cloud:
        printed = composed({"environment": lines}, {"SPEECHMATICS_API_KEY": "a-key"})
        assert printed == {"PORT": "6040", "SPEECHMATICS_API_KEY": "a-key"}
        more = clouds(cloud, "_URL") | {"OPENAI_API_KEY": "another-key"}
        async with (
            started(image, tmp_path, printed | more) as service,
            dial(f"ws://{service.address}:{port}") as core,
        ):
            await spoken_answer(core)


async def test_as_printed_without_a_model_the_caller_hears_a_sentence_and_the_log_says_why(
    image: tuple[Stage, Container], tmp_path: Path
) -> None:
    async with cloud_with_a_caller() as cloud:
        printed = composed({"environment": PUBLISHED[0]}, {"SPEECHMATICS_API_KEY": "a-key"})
        more = clouds(cloud, "_URL")
        del more["OPENAI_BASE_URL"]
        async with (
            started(image, tmp_path, printed | more) as service,
            dial(f"ws://{service.address}:6033") as core,
        ):
            await core.init()
            heard = await core.until(lambda heard: bool(heard.said("agent")), timeout=20)
            assert any(any(frame) for frame in heard.frames)
            assert "OPENAI_API_KEY" in service.log.read_text()


async def test_the_panels_environment_with_names_that_the_panel_stores(
    image: tuple[Stage, Container], tmp_path: Path
) -> None:
    async with cloud_with_a_caller() as cloud:
        form = {"SPEECHMATICS_API_KEY": "a-key", "SPEECHMATICS_REGION": "eu"}
        by_rest = clouds(cloud, "_BASE") | {"OPENAI_API_KEY": "another-key"}
        assert not [name for name in by_rest if name.endswith("_URL")]
        async with (
            started(image, tmp_path, PANEL | form | by_rest) as service,
            dial(f"ws://{service.address}:{PANEL['PORT']}") as core,
        ):
            await spoken_answer(core)
            assert "avr-app started this container without" not in service.log.read_text()


KEYS = {"SPEECHMATICS_API_KEY": "a-key", "OPENAI_API_KEY": "another-key"}
"""What the stacks of this repository need in `.env`."""


async def test_the_stack_with_avr_core(image: tuple[Stage, Container], tmp_path: Path) -> None:
    async with cloud_with_a_caller() as cloud:
        environment = stack("docker-compose.yml", KEYS | clouds(cloud, "_URL"))
        assert environment["AMI_HOST"] == "avr-asterisk"
        async with (
            started(image, tmp_path, environment) as service,
            dial(f"ws://{service.address}:6040") as core,
        ):
            await spoken_answer(core)


async def test_the_stack_of_asterisk_alone(image: tuple[Stage, Container], tmp_path: Path) -> None:
    async with cloud_with_a_caller() as cloud:
        environment = stack("docker-compose.asterisk.yml", KEYS | clouds(cloud, "_URL"))
        async with started(image, tmp_path, environment) as service:
            # The port that examples/asterisk/extensions.conf dials.
            reader, writer = await asyncio.open_connection(service.address, 5001)
            writer.write(message(UUID, uuid.uuid4().bytes))
            asterisk = Asterisk(reader, writer)
            async with asyncio.TaskGroup() as line:
                tasks = [line.create_task(asterisk.talk()), line.create_task(asterisk.listen())]
                await until(lambda: QUESTION in str(cloud.received.chats), timeout=20)
                del asterisk.heard[:]
                await until(lambda: any(asterisk.heard), timeout=20)
                for task in tasks:
                    task.cancel()
            writer.close()
            await writer.wait_closed()
        assert ANSWER in [request.body["text"] for request in cloud.received.speech]
