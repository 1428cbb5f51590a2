"""Runs the plays one after the other, and brings the findings into the order of the lines."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import aiohttp

from avr_sts_speechmatics.conformance import plays
from avr_sts_speechmatics.conformance.lines import BY_NAME, LINES, Finding
from avr_sts_speechmatics.conformance.plays import Caller

Play = Callable[[Caller], AsyncIterator[Finding]]

PLAYS: dict[str, tuple[Play, tuple[str, ...]]] = {
    "one conversation": (
        plays.conversation,
        (
            *("connects", "init", "messages", "audio-format", "frames"),
            *("pacing", "answer", "transcripts", "close"),
        ),
    ),
    "audio before init": (plays.early_audio, ("early-audio",)),
    "a second init": (plays.second_init, ("second-init",)),
    "malformed messages": (partial(plays.odd_messages, "malformed"), ("malformed",)),
    "unknown messages": (partial(plays.odd_messages, "unknown-type"), ("unknown-type",)),
    "keys": (partial(plays.odd_messages, "keys"), ("keys",)),
    "an interruption": (plays.interruption, ("interruption", "old-audio")),
    "two calls with one uuid": (plays.two_calls, ("two-calls", "mixed-calls")),
    "several calls": (plays.concurrency, ("concurrency",)),
    "a caller who vanishes": (plays.vanishing, ("vanishing",)),
}
"""Every play over the WebSocket with the names of its lines, in their order."""


async def examine(
    caller: Caller,
    http: str | None = None,
    *,
    at_once: bool = False,
    news: Callable[[str], None] = lambda play: None,
) -> list[Finding]:
    """Try every line; returns one finding for each, in the order of LINES.

    http: address of the older POST; None if it is not tried.
    at_once: play all plays but the first at the same time; the service must hold ten calls.
    news: called with the name of each play as it begins.
    """
    found: dict[str, Finding] = {}

    async def play(name: str, one: Play, names: tuple[str, ...]) -> None:
        news(name)
        for finding in await _played(one, caller, names):
            found[finding.line.name] = finding

    first, *rest = ((name, one, names) for name, (one, names) in PLAYS.items())
    await play(*first)
    if found["answer"].state != "holds":
        silent = "the service did not answer in the first call"
        untried = (name for _, _, names in rest for name in names)
        found |= {name: Finding(BY_NAME[name], "not tried", silent) for name in untried}
        rest = []
    if http is not None:
        rest.append(("the older POST", partial(plays.older_post, http), ("http",)))
    if at_once:
        await asyncio.gather(*(play(*one) for one in rest))
    else:
        for one in rest:
            await play(*one)
    missing = Finding(BY_NAME["http"], "not tried", "no --http address was given")
    found.setdefault("http", missing)
    return [found[line.name] for line in LINES]


async def _played(play: Play, caller: Caller, names: tuple[str, ...]) -> list[Finding]:
    """The findings of a play, one for each of its lines whatever happens."""
    found: dict[str, Finding] = {}
    why = "an earlier line of the same call broke"
    try:
        async for finding in play(caller):
            found[finding.line.name] = finding
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        why = f"no call could be made ({error or type(error).__name__})"
    return [found.get(name) or Finding(BY_NAME[name], "not tried", why) for name in names]
