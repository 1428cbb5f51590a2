"""The local engines match the engine interfaces of the servers."""

import inspect
from typing import get_type_hints

import pytest

from avr_sts_speechmatics.sandbox import engines
from avr_sts_speechmatics.sandbox.engines import (
    Engines,
    FormFiller,
    LlmEngine,
    SttEngine,
    ToolCall,
    TtsEngine,
)
from avr_sts_speechmatics.sandbox.local_engines import LocalLlm


@pytest.mark.models
def test_the_local_engines_match_the_interfaces_of_their_servers() -> None:
    from avr_sts_speechmatics.sandbox.local_stt import LocalStt
    from avr_sts_speechmatics.sandbox.piper import LocalTts

    for engine, server_gives in (
        (LocalStt.listen, SttEngine.listen),
        (LocalTts.speak, TtsEngine.speak),
        (LocalLlm.think, LlmEngine.think),
        (LocalLlm.fill, FormFiller.fill),
    ):
        parameters = inspect.signature(engine).parameters
        assert list(parameters) == list(inspect.signature(server_gives).parameters)


def test_there_is_one_engine_for_each_service() -> None:
    hints = get_type_hints(Engines, vars(engines))
    assert set(hints.values()) == {SttEngine, TtsEngine, LlmEngine}


def test_a_tool_call_keeps_arguments_that_are_not_json() -> None:
    assert ToolCall("find", "{").arguments == "{"
