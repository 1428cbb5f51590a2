"""The vendors' servers, by the values of the setting STT."""

from tests.services.stt.realtime_server import RealtimeServer
from tests.services.stt.vendors import AgentStt, Vendor

VENDORS: dict[str, type[Vendor]] = {
    "agent": AgentStt,
    "realtime": RealtimeServer,
}
