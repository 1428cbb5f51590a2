"""Checks of things outside this service that decide about its requests: proxies, models' ends."""

from datetime import date
from urllib.parse import urlsplit

from avr_sts_speechmatics.doctor.check import Check
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.service_trials import remote_addresses
from avr_sts_speechmatics.services import announced_ends
from avr_sts_speechmatics.services.announced_ends import ModelInUse
from avr_sts_speechmatics.settings import Settings

_NO_START = "Correct this setting: the service does not start with it."


def proxies(chosen: Settings) -> list[Check]:
    """Return a check that shows each host and its proxy; no check if no proxy is set."""
    if not (chosen.https_proxy or chosen.http_proxy or chosen.all_proxy):
        return []
    by_way: dict[str, dict[str, None]] = {}
    for url in remote_addresses(chosen):
        try:
            proxy = chosen.proxies.for_url(url)
        except SettingsError as error:
            return [Check("proxy", "failed", str(error), _NO_START)]
        way = "directly" if proxy is None else f"through {proxy.shown} ({proxy.variable})"
        by_way.setdefault(way, {})[urlsplit(url).netloc] = None
    said = "; ".join(f"{', '.join(hosts)} {way}" for way, hosts in by_way.items())
    return [Check("proxy", "ok", said or "no service is set that would need the proxy")]


async def ends(chosen: Settings, model: ModelInUse, today: date | None = None) -> list[Check]:
    """Return a warning if a model's end has been announced and is near.

    The list that comes with the service is searched first, then the model's server is asked.
    """
    end = announced_ends.announced_end(model.url, model.name)
    if end is None:
        proxy = chosen.proxies.for_url(model.url)
        end = await announced_ends.shutdown_date(model.url, model.key, model.name, proxy)
    sentence = None if end is None else announced_ends.warning(model, end, today)
    if sentence is None:
        return []
    detail, _, advice = sentence.partition("; ")
    return [Check("model's end", "warning", detail, advice[:1].upper() + advice[1:])]
