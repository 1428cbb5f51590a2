"""What the service says of itself: state, settings and where they came from, no secrets."""

from pathlib import Path

from tests.console.served import Port
from tests.support import Serve

from avr_sts_speechmatics.console.service_api import shown
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox
from avr_sts_speechmatics.settings import DECLARATIONS, Settings, load_and_warn
from avr_sts_speechmatics.values import Secret

TOKEN = "first-0123456789abcdef"


async def test_the_service_shows_its_state_and_settings(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, data_dir=tmp_path, console_token=(Secret(TOKEN),)) as server,
    ):
        port = Port(*server.addresses[0])
        response = await port.ask("/api/v1/service", f"Authorization: Bearer {TOKEN}")
        assert (await port.ask("/api/v1/service")).status == 401
        assert (await port.ask("/health")).status == 200, "a load balancer has no token"
    found = response.json()
    assert found["health"]["status"] == "ok"
    assert found["health"]["versions"]["picows"]
    assert (found["history"], found["words"]) == ("off", False)
    assert [one["name"].lower() for one in found["settings"]] == list(DECLARATIONS)
    for secret in ("a-key", "another-key", TOKEN):
        assert secret not in response.content.decode()


def test_each_setting_says_where_it_came_from(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("MAX_CALLS=7\nDRAIN_S=5\nOPENAI_API_KEY=sk-hidden-hidden\n")
    environ = {"DRAIN_S": "9", "WORKERS": "", "CONSOLE_TOKEN": TOKEN}
    environ |= {"OPENAI_BASE_URL": "http://localhost/sk-hidden-hidden/v1"}
    loaded = load_and_warn(environ, file)
    found = {one["name"]: one for one in shown(loaded.settings, loaded.origins)}

    def of(name: str) -> tuple[object, object, object]:
        return found[name]["value"], found[name]["source"], found[name]["private"]

    assert of("MAX_CALLS") == ("7", ".env", False)
    assert of("DRAIN_S") == ("9", "environment", False)
    assert of("WORKERS") == (None, "default", False)
    assert found["WORKERS"]["default"] == "1"
    assert of("OPENAI_API_KEY") == (None, ".env", True)
    assert of("CONSOLE_TOKEN") == (None, "environment", True)
    assert of("OPENAI_BASE_URL") == ("http://localhost/***/v1", "environment", False)


def test_a_setting_that_a_program_gave_is_no_default() -> None:
    found = {one["name"]: one["source"] for one in shown(Settings(max_calls=7), {})}
    assert (found["MAX_CALLS"], found["PORT"]) == ("program", "default")
