"""The engines the sandbox has are what its servers may have behind them."""

import inspect
from typing import get_type_hints

import pytest

from avr_sts_speechmatics.sandbox import engines
from avr_sts_speechmatics.sandbox.engines import Engines, LlmEngine, SttEngine, ToolCall, TtsEngine
from avr_sts_speechmatics.sandbox.local_engines import LocalLlm


@pytest.mark.models
def test_the_local_engines_take_what_their_servers_give() -> None:
    from avr_sts_speechmatics.sandbox.local_stt import LocalStt
    from avr_sts_speechmatics.sandbox.piper import LocalTts

    for engine, server_gives in (
        (LocalStt.listen, SttEngine.listen),
        (LocalTts.speak, TtsEngine.speak),
        (LocalLlm.think, LlmEngine.think),
    ):
        parameters = inspect.signature(engine).parameters
        assert list(parameters) == list(inspect.signature(server_gives).parameters)


def test_a_server_finds_each_engine_under_its_name() -> None:
    hints = get_type_hints(Engines, vars(engines))
    assert set(hints.values()) == {SttEngine, TtsEngine, LlmEngine}


def test_a_tool_call_keeps_arguments_that_are_no_json() -> None:
    assert ToolCall("find", "{").arguments == "{"
