"""The plays: calls that together try every line.

A play makes one or two calls and yields findings. A line that a play could not come to, because an
earlier line of the same play broke, is reported as not tried.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import aiohttp

from avr_sts_speechmatics.conformance.core import (
    FRAME_BYTES,
    FRAME_S,
    RATE,
    SILENCE,
    Core,
    Received,
    is_loud,
    opened,
)
from avr_sts_speechmatics.conformance.lines import BY_NAME, Finding

AHEAD_S = 1.0
"""Most audio that may be sent ahead of its time (s)."""

GAP_S = 0.1
"""Shortest silence inside of speech that counts as a gap (s)."""

PAUSE_S = 0.4
"""Shortest silence between two pieces of speech that counts as a pause of the agent (s)."""

LONGEST_S = 60.0
"""Longest wait for a pause of the agent (s). A service with a background noise never pauses."""

WELCOME_S = 2.0
"""Longest wait for a welcome (s); a service may have none."""

SETTLE_S = 0.2
"""Time in which a message that does harm would show it (s)."""

RESTART_S = 1.2
"""Time in which a second session would begin to speak (s)."""

END_S = 3.0
"""Longest time in which a response ends after its request (s)."""

WINDOW = 320
"""Length of the pieces of audio that are looked for in another call (bytes, 20 ms)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of every play.

    url: address of the service.
    question: speech (s16le at 8 kHz) that the agent will answer.
    other_question: another question, with another answer.
    patience: longest wait for an answer after the question (s).
    calls: number of calls at once that the service is asked to hold.
    """

    url: str
    question: bytes
    other_question: bytes
    patience: float = 15.0
    calls: int = 2

    @asynccontextmanager
    async def call(self, path: str = "", same_as: Core | None = None) -> AsyncIterator[Core]:
        """Open a call. same_as: a call whose uuid is used again."""
        url = self.url if not path else urlsplit(self.url)._replace(path=path).geturl()
        async with opened(url, same_as.uuid if same_as else str(uuid.uuid4())) as core:
            yield core

    async def begin(self, core: Core) -> None:
        """Send `init` if it was not sent, and hear the welcome to its end, if there is one."""
        if not core.has_begun:
            await core.init()
        await core.until(lambda: any(one.audible for one in core.received), WELCOME_S)
        await self.heard_out(core)

    async def heard_out(self, core: Core) -> None:
        """Wait until the agent has paused, LONGEST_S at most."""
        end = _now() + LONGEST_S
        while core.closed_by_service is None and _now() < end:
            await core.until(lambda: core.quiet, self.patience)
            pause = _now()
            await core.for_a_while(PAUSE_S)
            if core.quiet and not any(one.audible for one in core.since(pause)):
                return

    async def ask(self, core: Core) -> bool:
        """Ask the question; returns whether the answer began. The time of the question is kept."""
        core.say(self.question)
        await core.until(lambda: not core.speaks, len(self.question) / 2 / RATE + 5)
        asked = _now()
        return await core.until(
            lambda: any(one.audible for one in core.since(asked)), self.patience
        )


async def conversation(caller: Caller) -> AsyncIterator[Finding]:
    """One question, one answer: form, frames, pacing, transcripts, the end of the call."""
    try:
        async with caller.call() as core, caller.call("/some/path") as other:
            yield _holds("connects")
            await other.close()
            await core.init()
            still_open = await core.for_a_while(SETTLE_S)
            yield _said(still_open, "init", f"the service closed ({core.closed_by_service})")
            if not still_open:
                return
            await caller.begin(core)
            begun = _now()
            answered = await caller.ask(core)
            if answered:
                await caller.heard_out(core)
            yield _said(
                answered, "answer", f"no audio within {caller.patience:g} s after the question"
            )
            for finding in (*_form(core.received), _pacing(core)):
                yield finding
            yield _transcripts(core, begun, answered=answered)
            yield _said(await core.close(), "close", "no close frame came back within 2 s")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        yield _broken("connects", str(error) or type(error).__name__)


def _form(received: list[Received]) -> Iterator[Finding]:
    """Findings about the form of all messages."""
    audio = [one for one in received if one.type == "audio"]
    wrong = next((one.fault for one in received if one.fault and one.type != "audio"), "")
    yield _said(not wrong, "messages", wrong)
    wrong = next((one.fault for one in audio if one.fault), "")
    yield _said(not wrong, "audio-format", wrong)
    sizes = sorted({len(one.pcm) for one in audio if not one.fault} - {FRAME_BYTES})
    if not audio:
        yield _not_tried("frames", "no audio came")
    else:
        yield _said(not sizes, "frames", f"frames of {', '.join(map(str, sizes[:5]))} bytes")


def _pacing(core: Core) -> Finding:
    """Whether audio came in its time."""
    audible = [one for one in core.received if one.audible]
    if not audible:
        return _not_tried("pacing", "no audio came")
    if core.most_ahead > AHEAD_S:
        return _broken("pacing", f"{core.most_ahead:.1f} s of audio were sent ahead of their time")
    gaps = 0
    plays_until = audible[0].at
    for one in (one for one in core.received if one.pcm):
        late = one.at - plays_until
        gaps += GAP_S <= late < PAUSE_S and one.audible
        plays_until = max(plays_until, one.at) + len(one.pcm) / 2 / RATE
    return _said(gaps < 3, "pacing", f"{gaps} gaps of {GAP_S:g} s or more in the agent's speech")


def _transcripts(core: Core, begun: float, *, answered: bool) -> Finding:
    """Whether the transcripts have their form and their order."""
    found = [one for one in core.received if one.type == "transcript"]
    for one in found:
        role, text = one.fields.get("role"), one.fields.get("text")
        if role not in ("user", "agent"):
            return _broken("transcripts", f"the role is {role!r}")
        if not isinstance(text, str) or not text.strip():
            return _broken("transcripts", f"the text is {text!r}")
    if not answered:
        return _not_tried("transcripts", "the question was not answered")
    roles = [one.fields["role"] for one in found if one.at > begun]
    if not roles:
        return _broken("transcripts", "no transcript of the question or the answer came")
    order = "the first transcript after the question is the agent's"
    return _said(roles[0] == "user" and "agent" in roles, "transcripts", order)


ODD: tuple[tuple[str, Mapping[str, object] | str | bytes], ...] = (
    ("malformed", "{"),
    ("malformed", "[1, 2]"),
    ("malformed", '"audio"'),
    ("malformed", '{"type": 7}'),
    ("malformed", '{"type": "audio"}'),
    ("malformed", '{"type": "audio", "audio": "%%%"}'),
    ("malformed", '{"type": "audio", "audio": "AAAB"}'),
    ("malformed", '{"type": "audio", "audio": 7}'),
    ("malformed", b"\x00\x01\x02\x03"),
    ("unknown-type", {"type": "weather", "text": "rain"}),
    *(("keys", {"type": "dtmf_digit", "digit": key}) for key in "0123456789*#ABCD"),
)
"""Messages that a service may not expect, each with its line."""

QUIET = ("unknown-type", "keys")
"""Lines whose messages bring no `error`."""


async def early_audio(caller: Caller) -> AsyncIterator[Finding]:
    """Audio before `init`."""
    async with caller.call() as core:
        for _ in range(5):
            await core.send({"type": "audio", "audio": "AAAA" * (FRAME_BYTES // 3)})
            await core.for_a_while(FRAME_S)
        await caller.begin(core)
        yield await _asked_at_last(caller, core, "early-audio")


async def second_init(caller: Caller) -> AsyncIterator[Finding]:
    """`init` once more, with the same uuid and with another one."""
    async with caller.call() as core:
        await caller.begin(core)
        begun = _now()
        await core.init()
        await core.init(str(uuid.uuid4()))
        await core.until(lambda: any(one.audible for one in core.since(begun)), RESTART_S)
        spoke = any(one.audible for one in core.since(begun))
        fine = core.closed_by_service is None and not spoke
        yield _said(fine, "second-init", _why(core, "the agent began to speak again"))


async def odd_messages(name: str, caller: Caller) -> AsyncIterator[Finding]:
    """The messages of ODD that belong to a line.

    name: name of the line.
    """
    async with caller.call() as core:
        await caller.begin(core)
        begun = _now()
        for message in (message for line, message in ODD if line == name):
            await core.send(message)
            if not await core.for_a_while(SETTLE_S):
                why = f"after {message!r}: the service closed ({core.closed_by_service})"
                yield _broken(name, why)
                return
        errors = [one for one in core.since(begun) if one.type == "error"]
        if errors and name in QUIET:
            yield _broken(name, f"an error came: {errors[0].fields.get('message')!r}")
            return
        await caller.heard_out(core)  # keys may be answered
        yield await _asked_at_last(caller, core, name)


async def _asked_at_last(caller: Caller, core: Core, name: str) -> Finding:
    fine = core.closed_by_service is None and await caller.ask(core)
    return _said(fine, name, _why(core, "a question was not answered afterwards"))


async def interruption(caller: Caller) -> AsyncIterator[Finding]:
    """The caller speaks over the agent's answer."""
    names = ("interruption", "old-audio")
    async with caller.call() as core:
        await caller.begin(core)
        if not await caller.ask(core):
            for name in names:
                yield _not_tried(name, "the question was not answered")
            return
        began = _now()
        core.say(caller.question)
        speech = len(caller.question) / 2 / RATE
        interrupted = await core.until(
            lambda: any(one.type == "interruption" for one in core.since(began)), speech + 3
        )
        if not interrupted:
            ended = core.quiet
            why = "the answer was over before the caller's words: no interruption came"
            yield _broken("interruption", why if ended else "none came while the caller spoke")
            yield _not_tried("old-audio", "no interruption came")
            return
        yield _holds("interruption")
        mark = next(one.at for one in core.since(began) if one.type == "interruption")
        await core.until(lambda: not core.speaks, speech + 3)
        old = [one for one in core.since(mark) if one.audible]
        heard = sum(len(one.pcm) for one in old) / 2 / RATE
        said = f"{heard:.1f} s of audio came after it, while the caller was still speaking"
        yield _said(not old, "old-audio", said)


async def two_calls(caller: Caller) -> AsyncIterator[Finding]:
    """Two calls with one uuid, at once, with different questions.

    Each question is first asked in a call of its own. A service that answers it with the same audio
    again shows by its audio which call an answer belongs to.
    """
    other = replace(caller, question=caller.other_question)
    alone = [await _answer_alone(caller), await _answer_alone(other)]
    async with caller.call() as one, caller.call(same_as=one) as two:
        await asyncio.gather(caller.begin(one), other.begin(two))
        begun = _now()
        answered = await asyncio.gather(caller.ask(one), other.ask(two))
        await asyncio.gather(caller.heard_out(one), other.heard_out(two))
        why = _why(one, "") or _why(two, "") or f"{answered.count(False)} of 2 were not answered"
        yield _said(all(answered), "two-calls", why)
        calls = [one.since(begun), two.since(begun)]
        mixed = mixed_audio(alone, calls) or mixed_transcripts(*calls)
        yield _said(not mixed, "mixed-calls", mixed)


async def _answer_alone(caller: Caller) -> list[Received]:
    """Ask the question in a call of its own; returns the messages of the answer."""
    async with caller.call() as core:
        await caller.begin(core)
        begun = _now()
        await caller.ask(core)
        await caller.heard_out(core)
        return core.since(begun)


def mixed_audio(alone: Sequence[list[Received]], calls: Sequence[list[Received]]) -> str:
    """How much of each call's answer came to the other call, in words; empty for none.

    alone: the answers to the two questions, each in a call of its own.
    calls: the messages of the two calls with the same questions.
    """
    known = [_pieces(messages) for messages in alone]
    heard = [b"".join(one.pcm for one in messages) for messages in calls]
    foreign = sum(
        piece in heard[this]
        for this, that in ((0, 1), (1, 0))
        for piece in known[that] - known[this]
    )
    return f"{foreign * FRAME_S:.2f} s of audio came to the wrong call" if foreign else ""


def _pieces(messages: list[Received]) -> set[bytes]:
    """Audible pieces of the audio of messages."""
    pcm = b"".join(one.pcm for one in messages)
    pieces = (pcm[at : at + WINDOW] for at in range(0, len(pcm) - WINDOW, WINDOW))
    return {piece for piece in pieces if is_loud(piece)}


def mixed_transcripts(one: list[Received], two: list[Received]) -> str:
    """What the service says that both callers said, in words; empty for nothing.

    The callers ask different questions.
    """
    both = _texts(one, "user") & _texts(two, "user")
    return f"the transcript {min(both)!r} came to both calls" if both else ""


def _texts(messages: list[Received], role: str) -> set[str]:
    found = (one.fields for one in messages if one.type == "transcript")
    return {str(fields.get("text")) for fields in found if fields.get("role") == role}


async def concurrency(caller: Caller) -> AsyncIterator[Finding]:
    """Several calls at once, each with its question."""
    async with AsyncExitStack() as stack:
        try:
            calls = [await stack.enter_async_context(caller.call()) for _ in range(caller.calls)]
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            yield _broken("concurrency", f"a call was refused ({error})")
            return
        await asyncio.gather(*(caller.begin(core) for core in calls))
        answered = await asyncio.gather(*(caller.ask(core) for core in calls))
        said = f"{answered.count(False)} of {len(calls)} questions were not answered"
        yield _said(all(answered), "concurrency", said)


async def vanishing(caller: Caller) -> AsyncIterator[Finding]:
    """One of two callers vanishes in the middle of an answer; the other one asks."""
    async with caller.call() as leaving, caller.call() as staying:
        await asyncio.gather(caller.begin(leaving), caller.begin(staying))
        await caller.ask(leaving)
        await leaving.vanish()
        answered = await caller.ask(staying)
        said = _why(staying, "the other caller's question was not answered")
        yield _said(answered, "vanishing", said)


async def older_post(url: str, caller: Caller) -> AsyncIterator[Finding]:
    """The older way: one POST with raw samples in both directions.

    url: address of the POST, such as http://host:6040/speech-to-speech-stream.
    """
    heard = bytearray()
    hung_up = asyncio.Event()

    async def frames() -> AsyncIterator[bytes]:
        due, said = _now(), 0
        while not hung_up.is_set():
            piece = caller.question[said : said + FRAME_BYTES]
            said += FRAME_BYTES if said > 0 or _now() - begun > WELCOME_S else 0
            yield piece if said and len(piece) == FRAME_BYTES else SILENCE
            due += FRAME_S
            await asyncio.sleep(max(0.0, due - _now()))

    begun = _now()
    limit = WELCOME_S + len(caller.question) / 2 / RATE + caller.patience
    headers = {"X-UUID": str(uuid.uuid4()), "Content-Type": "audio/x-raw"}
    try:
        async with (
            asyncio.timeout(limit + END_S),
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session,
            session.post(url, data=frames(), headers=headers) as response,
        ):
            if response.status != 200:
                hung_up.set()
                yield _broken("http", f"status {response.status}")
                return
            async for chunk in response.content.iter_any():
                heard += chunk
                asked = _now() - begun > WELCOME_S + len(caller.question) / 2 / RATE
                if asked and is_loud(bytes(heard[-RATE:])):
                    hung_up.set()
    except (aiohttp.ClientError, OSError) as error:
        yield _broken("http", str(error) or type(error).__name__)
        return
    except TimeoutError:
        why = "the response did not end with the request" if hung_up.is_set() else "no audio came"
        yield _broken("http", why)
        return
    if heard.startswith((b"data:", b"RIFF", b"{")):
        yield _broken("http", f"the body is no raw audio: {bytes(heard[:8])!r}")
        return
    yield _said(is_loud(bytes(heard)), "http", "the body had no audible audio")


def _holds(name: str) -> Finding:
    return Finding(BY_NAME[name], "holds")


def _broken(name: str, detail: str) -> Finding:
    return Finding(BY_NAME[name], "broken", detail)


def _not_tried(name: str, detail: str) -> Finding:
    return Finding(BY_NAME[name], "not tried", detail)


def _said(holds: bool, name: str, otherwise: str) -> Finding:
    return _holds(name) if holds else _broken(name, otherwise)


def _why(core: Core, otherwise: str) -> str:
    closed = core.closed_by_service
    return otherwise if closed is None else f"the service closed the connection ({closed})"


def _now() -> float:
    return asyncio.get_running_loop().time()
