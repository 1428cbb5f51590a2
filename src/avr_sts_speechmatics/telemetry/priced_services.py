"""The services whose use costs something under the settings, and their price table."""

from collections.abc import Iterator

from avr_sts_speechmatics.agents.agents import Agents
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.services import tts
from avr_sts_speechmatics.services.stt import Stt
from avr_sts_speechmatics.services.use import server_of
from avr_sts_speechmatics.settings import Settings
from avr_sts_speechmatics.speech.voices import line_up
from avr_sts_speechmatics.telemetry.prices import SANDBOX, Prices, Service, load_prices


def prices_of(settings: Settings, sandbox_url: str) -> Prices:
    """Return the price table of these settings. Raises SettingsError.

    sandbox_url: HTTP address of the sandbox; its server has a name of its own in the table.
    """
    return load_prices(settings.prices_file, {server_of(sandbox_url): SANDBOX})


def priced_services(
    settings: Settings, agents: Agents, sandbox_url: str
) -> Iterator[tuple[Service, str, str]]:
    """Yield service, server and model of what calls may use; a service may come twice."""
    if not settings.nobody_answers:
        server, model = Stt(settings, sandbox_url).source
        yield "stt", server, model
    if settings.has_llm:
        for agent in agents.all:
            yield "llm", server_of(settings.llm_url), agent.model or settings.openai_model
    voices = [voice for agent in agents.all for voice in line_up(settings, agent.voicing)]
    for name in dict.fromkeys(voice.engine for voice in voices):
        engine = tts.ENGINES[name]
        url = engine.address(settings) or sandbox_url
        yield "tts", server_of(url), engine.model(settings)


def unpriced(prices: Prices, settings: Settings, agents: Agents, sandbox_url: str) -> Iterator[str]:
    """Yield a hint for the operator if a service has no price; that is no fault.

    Raises SettingsError if the cost of calls has a limit.
    """
    unknown = ", ".join(prices.unknown(priced_services(settings, agents, sandbox_url)))
    if unknown and settings.max_cost:
        raise SettingsError(
            f"MAX_COST={settings.max_cost:g}: the cost of calls is not known: no price of "
            f"{unknown}; give prices in PRICES_FILE, or unset MAX_COST"
        )
    if unknown:
        yield (
            f"The cost of calls is not known: no price of {unknown}. "
            "Give prices in PRICES_FILE; see docs/cost.md."
        )
