"""The `doctor` command: is everything there that a call needs, and if not, what to do.

Ports are bound as the server would, and each service does the smallest piece of real work for the
product's own client: the recogniser hears half a second of silence, voice and model say a word. All
at once, within TOTAL_S; where the sandbox takes a service's place, nobody is contacted.
"""

import asyncio
import errno
import re
import time
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import aiohttp
import msgspec

from avr_sts_speechmatics import assembly, server, settings
from avr_sts_speechmatics.audio.pcm import RATE, silence
from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError, SettingsError
from avr_sts_speechmatics.services.agent_stt_session import ServerMessage, Session
from avr_sts_speechmatics.services.speechmatics_stt import SpeechmaticsStt
from avr_sts_speechmatics.services.speechmatics_tts import SpeechmaticsVoice
from avr_sts_speechmatics.services.thinking import Brief, Thinking
from avr_sts_speechmatics.settings import Settings

TOTAL_S = 14.0
"""Longest time for all checks (s); a slow goodbye may add one."""

HEARING_S = 12.0
"""Longest wait for the recogniser to take audio: twice its client's own patience (s)."""

SLOW_MS = {"hearing": 2000, "voice": 1000, "thinking": 1500}
"""From here on callers wonder whether anybody is there (ms)."""

SANDBOX_PACKAGES = ("ctranslate2", "onnxruntime")


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, and what was found.

    state: "failed" keeps calls from working; a "warning" does not.
    advice: what to do; empty where that is nothing.
    latency_ms: from asking a service to the beginning of its answer, where it was asked.
    """

    what: str
    state: Literal["ok", "warning", "failed"]
    detail: str
    advice: str = ""
    latency_ms: int | None = None


# What to do when a service fails: the first pattern found in its error decides.
_KEY = "Copy SPEECHMATICS_API_KEY again from portal.speechmatics.com, whole; it may have expired."
_NETWORK = "Check the network, its firewall and, where it is set, "
_LATER = "Try again in a minute; if it stays, look at the service's status page."
_SLOW = "Run this again; if it stays: a nearer region, a quicker model, a better network."
_BUSY = "All sessions of the contract are in use: end other programs with this key, or buy more."
_ADVICE = (
    (r"^hearing:.*(key is not accepted|not_a|\(400[13]\))|^voice:.*\(40[13]\)", _KEY),
    (r"^hearing:.*(quota|\(4005\))", _BUSY),
    (r"^hearing: invalid_audio", "Neither 8000 nor 16000 Hz: is SPEECHMATICS_RT_URL right?"),
    (r"^hearing:.*(invalid_model|\(4004\))", "Unset SPEECHMATICS_MODEL: the default exists."),
    (r"^hearing: invalid_", "Correct SPEECHMATICS_LANGUAGE or SPEECHMATICS_ADDITIONAL_VOCAB."),
    (r"^hearing:.*(cannot connect|\(40[045]\))", _NETWORK + "SPEECHMATICS_RT_URL."),
    (r"^voice:.*\(404\)", "Set SPEECHMATICS_VOICE to sarah, theo, megan or jack."),
    (r"^voice: cannot connect", _NETWORK + "SPEECHMATICS_TTS_URL."),
    (r"check OPENAI_API_KEY", "Copy OPENAI_API_KEY again; it must be one of OPENAI_BASE_URL's."),
    (r"^thinking:.*(quota|billing)", "The account has no credit left: see its billing page."),
    (r"^thinking:.*\b(429|5\d\d)\b", _LATER),
    (r"^thinking:.*(\b404\b|model)", "Correct OPENAI_MODEL, or OPENAI_BASE_URL (often …/v1)."),
    (r"^thinking: no answer", _NETWORK + "OPENAI_BASE_URL (a model may still be loading)."),
    (r"idna", "Correct the host name in this address."),
    (r"", _LATER),
)
_PORT = "Set PORT to another one (and avr-core's STS_URL), end what has it, or correct HOST."
_EXTRA = "Take it out of EXTRA_PORTS; only an avr-core that calls this port would miss it."
_RATE = "Nothing to do: 8000 Hz is refused, so audio is sent at 16000 Hz."
_SANDBOX = "Set SPEECHMATICS_API_KEY, or: pip install 'avr-sts-speechmatics[sandbox]'"
_SCRIPT = "For a model set OPENAI_API_KEY, or OPENAI_BASE_URL for a server of your own."


async def examine(
    environ: Mapping[str, str] | None = None, env_file: Path | None = None
) -> list[Check]:
    """Check everything. The arguments are those of `settings.load`. No key is in the result."""
    try:
        chosen = settings.load(environ, env_file)
        thinking = assembly.thinking_of(chosen)
    except SettingsError as error:
        return [Check("settings", "failed", str(error), "Correct it; all else was not looked at.")]
    found = [Check("settings", "ok", "every value can be used")]
    for sentence in settings.strangers(environ, env_file):
        found.append(Check("settings", "warning", sentence, "Correct the name, or take it out."))
    # The SDK takes this process a second to load, which no measured latency should have in it.
    await thinking.warm_up()
    work: list[tuple[str, str | None, Awaitable[Check]]] = [
        (f"port {port}", None, _port(chosen, port))
        for port in dict.fromkeys((chosen.port, *chosen.extra_ports))
    ]
    if (url := chosen.hearing_url) is not None:
        work.append(("hearing", url, _hearing(chosen, url)))
    if (url := chosen.voice_url) is not None:
        work.append(("voice", url, _voice(chosen, url)))
    if chosen.hearing_url is None or chosen.voice_url is None:
        found.append(_sandbox())
    url = chosen.openai_base_url or "https://api.openai.com"
    asked = url if chosen.thinks_with_model else None
    work.append(("thinking", asked, _model(chosen, thinking)))
    async with asyncio.TaskGroup() as checks:
        tasks = [checks.create_task(_bounded(*check)) for check in work]
    return [_masked(check, chosen) for check in (*found, *(task.result() for task in tasks))]


async def _bounded(what: str, url: str | None, check: Awaitable[Check]) -> Check:
    try:
        async with asyncio.timeout(TOTAL_S):
            found = await check
    except TimeoutError:
        found = Check(what, "failed", f"no result within {TOTAL_S:.0f} s", _LATER)
    except (ServiceError, UnicodeError) as error:  # the latter for a host that can be no name
        advice = next(advice for sign, advice in _ADVICE if re.search(sign, str(error)))
        found = Check(what, "failed", str(error).removeprefix(f"{what}: "), advice)
    return replace(found, detail=f"{urlsplit(url).netloc}: {found.detail}") if url else found


def _answered(what: str, detail: str, took_s: float) -> Check:
    took = round(took_s * 1000)
    slow = took > SLOW_MS[what]
    return Check(what, "warning" if slow else "ok", detail, _SLOW if slow else "", took)


def _sandbox() -> Check:
    if missing := [name for name in SANDBOX_PACKAGES if find_spec(name) is None]:
        detail = f"wanted, as there is no key, but {' and '.join(missing)} is not installed"
        return Check("sandbox", "failed", detail, _SANDBOX)
    return Check("sandbox", "ok", "installed: works offline for one or two calls, asks no cloud")


class _Health(msgspec.Struct):
    """A part of our own `/health` that no other program has."""

    engine: str
    version: str
    status: str
    calls: int


async def _port(chosen: Settings, port: int) -> Check:
    what, host, loop = f"port {port}", chosen.host, asyncio.get_running_loop()
    try:
        listener = await loop.create_server(asyncio.Protocol, host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE and (ours := await _running(host, port)):
            detail = f"the service runs here: {ours.version}, {ours.status}, {ours.calls} calls"
            return Check(what, "ok", detail)
        detail = server.cannot_listen(host, port, error)
        main = port == chosen.port
        return Check(what, "failed" if main else "warning", detail, _PORT if main else _EXTRA)
    listener.close()
    return Check(what, "ok", f"free on {host}")


async def _running(host: str, port: int) -> _Health | None:
    """What a service of ours says about itself; None if the port is somebody else's."""
    reach = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    url = f"http://{f'[{reach}]' if ':' in reach else reach}:{port}/health"
    wait = aiohttp.ClientTimeout(total=2)
    try:
        async with aiohttp.ClientSession(timeout=wait) as http, http.get(url) as response:
            return msgspec.json.decode(await response.read(), type=_Health)
    except (aiohttp.ClientError, OSError, ValueError, msgspec.MsgspecError):
        return None


class _Trial:
    """Sends half a second of silence as soon as it may. Implements `agent_stt_session.Owner`."""

    def __init__(self) -> None:
        self.listening = asyncio.Event()

    def started(self, session: Session) -> float:
        session.send(silence(0.5))
        self.listening.set()
        return 0.0

    def heard(self, message: ServerMessage, base: float) -> None:
        """Silence has no words."""

    def resume_sending(self) -> None:
        """There is nothing more to send."""


async def _acknowledged(trial: _Trial, session: Session) -> None:
    await trial.listening.wait()
    while session.acknowledged < session.frames:  # noqa: ASYNC110 - counted, not announced
        await asyncio.sleep(0.02)


async def _hearing(chosen: Settings, url: str, rate: int = RATE) -> Check:
    language, model = chosen.speechmatics_language, chosen.speechmatics_model
    vocab, key = chosen.speechmatics_additional_vocab, chosen.speechmatics_api_key
    stt = SpeechmaticsStt(url, key, language=language, model=model, vocab=vocab)
    stt.rate = rate
    begun = time.monotonic()
    trial = _Trial()
    session = stt.session(trial)
    running = asyncio.create_task(session.run())
    answered = asyncio.create_task(_acknowledged(trial, session))
    try:
        await asyncio.wait(
            (running, answered), timeout=HEARING_S, return_when=asyncio.FIRST_COMPLETED
        )
        if session.refused_rate and rate == RATE:
            check = await _hearing(chosen, url, 2 * RATE)
            return replace(check, advice=check.advice or _RATE)
        if running.done():
            await running
    finally:
        for task in (running, answered):
            task.cancel()
        await asyncio.wait((running, answered))
    if session.started_at is None or answered.cancelled():
        return Check("hearing", "failed", "audio is not acknowledged", _LATER)
    return _answered("hearing", f"{model} listens", session.started_at - begun)


async def _voice(chosen: Settings, url: str) -> Check:
    voice = SpeechmaticsVoice(url, chosen.speechmatics_api_key, chosen.speechmatics_voice)
    begun = time.monotonic()
    try:
        async with aclosing(voice.speak("Hello.")) as audio:
            await anext(audio)
            took = time.monotonic() - begun
            async for _ in audio:
                """To the end: it might break off."""
    finally:
        await voice.close()
    return _answered("voice", f"{chosen.speechmatics_voice} speaks", took)


async def _model(chosen: Settings, thinking: Thinking) -> Check:
    begun = time.monotonic()
    try:
        question = (Message("user", "Are you there?"),)
        async with aclosing(thinking.reply(Brief("Answer with one word."), question)) as words:
            said = await anext(words, "")
            took = time.monotonic() - begun
    finally:
        await thinking.close()
    if not chosen.thinks_with_model:
        return Check("thinking", "ok", "no model: a scripted receptionist answers", _SCRIPT)
    name = chosen.openai_model
    if not said:
        return Check("thinking", "failed", f"{name} gave no words", "Raise OPENAI_MAX_TOKENS.")
    return _answered("thinking", f"{name} answers", took)


def _masked(check: Check, chosen: Settings) -> Check:
    """The same without a key, nor what the query of an address may hold."""
    keys = (chosen.speechmatics_api_key, chosen.openai_api_key)
    urls = (chosen.hearing_url, chosen.voice_url, chosen.openai_base_url)
    secrets = [key.reveal() for key in keys if key] + [urlsplit(url).query for url in urls if url]
    # OpenAI quotes the ends of a key that it refuses.
    detail = re.sub(r"\bsk-[\w*.-]+", "***", check.detail)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        detail = detail.replace(secret, "***")
    return replace(check, detail=detail)


def report(checks: Sequence[Check]) -> str:
    """A line for each check, then what to do."""
    lines = []
    for check in checks:
        took = "" if check.latency_ms is None else f"{check.latency_ms} ms"
        lines.append(f"{check.state:7}  {check.what:10}  {took:>8}  {check.detail}")
    advice = [f"  {check.what}: {check.advice}" for check in checks if check.advice]
    lines += ["", "What to do:", *dict.fromkeys(advice)] if advice else []
    failed = sum(check.state == "failed" for check in checks)
    lines += ["", f"{failed} of {len(checks)} checks failed." if failed else "Calls can be taken."]
    return "\n".join(lines)


async def run(*, as_json: bool) -> int:
    """Check and print; returns 0 when no check failed, otherwise 1."""
    checks = await examine()
    print(msgspec.json.encode([asdict(c) for c in checks]).decode() if as_json else report(checks))
    return 1 if any(check.state == "failed" for check in checks) else 0
