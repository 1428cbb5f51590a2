"""The vendors' servers. A name begins with a value of the setting STT."""

from tests.services.stt.openai_server import LiveServer, OpenAiServer, SpeachesServer
from tests.services.stt.realtime_server import RealtimeServer
from tests.services.stt.vendors import AgentStt, Vendor

VENDORS: dict[str, type[Vendor]] = {
    "agent": AgentStt,
    "realtime": RealtimeServer,
    "openai": OpenAiServer,
    "openai without turn detection": LiveServer,
    "openai as in speaches": SpeachesServer,
}
