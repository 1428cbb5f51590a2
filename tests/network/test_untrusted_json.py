"""Every decoder that meets a stranger or a cloud raises its own error, or nothing."""

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from tests.nasty_json import NASTY, texts

from avr_sts_speechmatics.agents.instructions import NotInstructed, _checked
from avr_sts_speechmatics.errors import CallerError
from avr_sts_speechmatics.network.untrusted_json import REASON_MAX, BadJson, decode, decoder, reason
from avr_sts_speechmatics.pbx.departures import _extension
from avr_sts_speechmatics.receptionist.memory import _failed
from avr_sts_speechmatics.sandbox import faults, stt_messages
from avr_sts_speechmatics.sandbox.stt_messages import Refused
from avr_sts_speechmatics.services.llm.tool_call_pieces import is_object
from avr_sts_speechmatics.telemetry.webhooks import _object as webhook_reply
from avr_sts_speechmatics.tools.protocol import ToolError
from avr_sts_speechmatics.tools.tool_runner import _object as tool_arguments
from avr_sts_speechmatics.transports import asterisk_control
from avr_sts_speechmatics.transports.announced_calls import facts_from
from avr_sts_speechmatics.transports.avr_core_http import announced


def as_text(decoding: Callable[[str], object]) -> Callable[[bytes], object]:
    """For decoders of text that a library has already decoded, surrogates included."""
    return lambda text: decoding(text.decode("utf-8", "surrogateescape"))


def announced_facts(body: bytes) -> object:
    return facts_from(announced(body)[1])


class Nothing(Exception):
    """The error of a decoder that raises none."""


DECODERS: dict[str, tuple[Callable[[bytes], Any], type[Exception]]] = {
    "decode": (decode, BadJson),
    "decoder": (decoder(dict[str, int]), BadJson),
    "Asterisk's events": (asterisk_control.read, ValueError),
    "POST /call": (announced_facts, CallerError),
    "webhook replies": (webhook_reply, Nothing),
    "instructions": (_checked, NotInstructed),
    "tool arguments": (as_text(tool_arguments), ToolError),
    "tool calls": (as_text(is_object), Nothing),
    "transfers": (as_text(_extension), Nothing),
    "tool results": (as_text(_failed), Nothing),
    "sandbox: faults": (faults.parse, faults.FaultError),
    "sandbox: STT messages": (as_text(stt_messages.parse), Refused),
}


@pytest.mark.parametrize("name", DECODERS)
@given(text=texts)
def test_a_decoder_raises_nothing_but_its_own_error(name: str, text: bytes) -> None:
    decoding, error = DECODERS[name]
    with contextlib.suppress(error):
        decoding(text)


@pytest.mark.parametrize("name", DECODERS)
@pytest.mark.parametrize("text", NASTY, ids=range(len(NASTY)))
def test_a_nasty_text_raises_nothing_but_the_decoder_s_own_error(name: str, text: bytes) -> None:
    decoding, error = DECODERS[name]
    with contextlib.suppress(error):
        decoding(text)


@given(texts)
def test_the_reason_is_one_short_line(text: bytes) -> None:
    why = ""
    try:
        decode(text, dict[str, int])
    except BadJson as error:
        why = str(error)
    assert len(why) <= REASON_MAX
    assert why.isprintable()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"[" * 200_000, "levels"),
        (b'"\xff"', "UTF-8"),
        ('"\ud800"', "surrogate"),
        (b"NaN", "malformed"),
        (b"9" * 5000, "range"),
        (b"\n\n{", "truncated"),
    ],
)
def test_the_reason_says_what_is_wrong(text: bytes | str, why: str) -> None:
    with pytest.raises(BadJson, match=why):
        decode(text)


def test_an_error_of_another_kind_has_a_reason_too() -> None:
    assert reason(OverflowError("int too large")) == "int too large"
