"""Settings: the proxies through which remote services are reached."""

from dataclasses import dataclass

from avr_sts_speechmatics.network.proxies import Proxy
from avr_sts_speechmatics.settings import checks as check
from avr_sts_speechmatics.settings.declaration import setting


@dataclass(frozen=True, kw_only=True)
class ProxyVariables:
    """The proxy variables that most programs read."""

    https_proxy: Proxy | None = setting(
        check.proxy,
        "HTTP proxy for `https:` and `wss:` addresses, such as `http://user:password@proxy:3128`: "
        "STT, TTS, LLM, webhooks, MCP servers and the web service of instructions. This machine, "
        "avr-ami and AMI are always reached directly.",
        private=True,
        also=("https_proxy",),
    )
    http_proxy: Proxy | None = setting(
        check.proxy,
        "The same for `http:` and `ws:` addresses.",
        private=True,
        also=("http_proxy",),
    )
    all_proxy: Proxy | None = setting(
        check.proxy,
        "The same for both, where neither of the other two is set.",
        private=True,
        also=("all_proxy",),
    )
    no_proxy: tuple[str, ...] = setting(
        check.no_proxy,
        "Hosts that are reached without a proxy, separated by commas: a host or domain (with its "
        "subdomains), an IP address, a network such as `10.0.0.0/8`, each except a network with a "
        "port if wanted; `*` for all.",
        (),
        default_text="none",
        also=("no_proxy",),
    )
