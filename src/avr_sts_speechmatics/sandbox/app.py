"""The sandbox as one web application: four protocols and the fault requests on one port.

/v2/agent                 Agent STT        (SPEECHMATICS_RT_URL = ws://HOST:PORT/v2)
/generate/<voice>         text-to-speech   (SPEECHMATICS_TTS_URL = http://HOST:PORT)
/v1/audio/speech          text-to-speech   (OPENAI_TTS_URL = http://HOST:PORT/v1)
/v1/chat/completions …    Chat Completions (OPENAI_BASE_URL = http://HOST:PORT/v1)
/sandbox/faults           fault injection, see `faults`
"""

import ipaddress

import msgspec
from aiohttp import web

from avr_sts_speechmatics.sandbox import faults
from avr_sts_speechmatics.sandbox.engines import Engines
from avr_sts_speechmatics.sandbox.faults import FaultError, Faults
from avr_sts_speechmatics.sandbox.llm_server import LlmServer
from avr_sts_speechmatics.sandbox.received import Received
from avr_sts_speechmatics.sandbox.stt_server import START_TIMEOUT_S, SttServer
from avr_sts_speechmatics.sandbox.tts_server import TtsServer

MAX_BODY_BYTES = 4 << 20


def create_app(
    engines: Engines,
    *,
    max_calls: int = 2,
    faults: Faults | None = None,
    received: Received | None = None,
    start_timeout: float = START_TIMEOUT_S,
) -> web.Application:
    """The application, ready to be served.

    engines: the STT, TTS and LLM engines.
    max_calls: number of simultaneous STT sessions; a further session gets quota_exceeded.
    faults: queue of faults, for a caller that adds faults without HTTP; None for an empty queue.
    received: record of all requests; None for a sandbox that runs for long, because the record
        grows without limit.
    start_timeout: time in which a connection must send StartRecognition, s.

    Serve the application with `handler_cancellation=True`, so that an answer is cancelled when its
    client disconnects.
    """
    waiting = faults if faults is not None else Faults()
    stt = SttServer(
        engines.stt,
        faults=waiting,
        max_calls=max_calls,
        received=received,
        start_timeout=start_timeout,
    )
    voice = TtsServer(engines.voice, faults=waiting, received=received)
    llm = LlmServer(engines.llm, faults=waiting, received=received)
    desk = FaultDesk(waiting)

    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.router.add_get("/v2/agent", stt.handle)
    app.router.add_post("/generate/{voice}", voice.generate)
    app.router.add_post("/v1/audio/speech", voice.speech)
    app.router.add_post("/v1/chat/completions", llm.handle)
    app.router.add_get("/v1/models", llm.models)
    app.router.add_get("/v1/models/{model}", llm.model)
    app.router.add_get("/sandbox/faults", desk.show)
    app.router.add_post("/sandbox/faults", desk.add)
    app.router.add_delete("/sandbox/faults", desk.clear)

    async def say_goodbye(_: web.Application) -> None:
        await stt.close()

    app.on_shutdown.append(say_goodbye)
    return app


class FaultDesk:
    """Takes requests for faults, from this machine only."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    async def show(self, request: web.Request) -> web.Response:
        _check_local(request)
        return self._waiting()

    async def add(self, request: web.Request) -> web.Response:
        _check_local(request)
        try:
            self._faults.add(*faults.parse(await request.read()))
        except FaultError as error:
            return web.json_response({"error": str(error)}, status=400)
        return self._waiting()

    async def clear(self, request: web.Request) -> web.Response:
        _check_local(request)
        self._faults.clear()
        return self._waiting()

    def _waiting(self) -> web.Response:
        body = msgspec.json.encode({"waiting": self._faults.waiting()})
        return web.Response(body=body, content_type="application/json")


def _check_local(request: web.Request) -> None:
    try:
        local = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        local = False
    if not local:
        raise web.HTTPForbidden(text="faults are taken from this machine only")
