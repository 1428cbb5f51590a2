"""Servers that accept less than OpenAI's API: what each rule accepts and what it refuses."""

from typing import Any

import pytest

from avr_sts_speechmatics.sandbox.faults import Strict
from avr_sts_speechmatics.sandbox.strict_servers import REASONING, refusal, signature

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "When do you close?"}
AGENT = {"role": "assistant", "content": "At five."}
CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "five"}
SIGNED = {**CALL, "tool_calls": [{"id": "a", "extra_content": signature("a")}]}
REASONED = {**CALL, "reasoning_content": "".join(REASONING)}


@pytest.mark.parametrize(
    ("rule", "accepted", "refused"),
    [
        ("ends_with_user", [SYSTEM, AGENT, USER, CALL, RESULT], [SYSTEM, USER, AGENT]),
        ("alternating", [SYSTEM, USER, CALL, RESULT, AGENT, USER], [SYSTEM, AGENT, USER]),
        ("alternating", [SYSTEM, USER], [USER, CALL, RESULT, USER]),
        ("gemma", [USER, AGENT, USER], [SYSTEM, USER]),
        ("gemma", [USER], [USER, CALL, RESULT]),
        ("no_system", [{**SYSTEM, "role": "developer"}, USER], [SYSTEM, USER]),
        ("signatures", [USER, SIGNED, RESULT], [USER, CALL, RESULT]),
        ("reasoning", [USER, REASONED, RESULT], [USER, CALL, RESULT]),
        ("context", [USER], [{"role": "user", "content": "word " * 2000}]),
    ],
)
def test_each_rule_accepts_and_refuses(rule: Any, accepted: Any, refused: Any) -> None:
    fault = Strict(part="llm", rule=rule)
    assert refusal(fault, {"messages": accepted}) is None
    found = refusal(fault, {"messages": refused})
    assert found is not None
    assert found.status == 400


def test_the_words_of_a_refusal_may_be_given() -> None:
    fault = Strict(part="llm", rule="no_tools", status=404, message="No endpoints found", code="x")
    found = refusal(fault, {"messages": [USER], "tools": [{}]})
    assert found == (404, "No endpoints found", "x")
    assert refusal(fault, {"messages": [USER]}) is None


def test_a_field_is_refused_by_its_name() -> None:
    fault = Strict(part="llm", rule="field", field="stream_options")
    assert refusal(fault, {"messages": [USER]}) is None
    found = refusal(fault, {"messages": [USER], "stream_options": {}})
    assert found is not None
    assert "stream_options" in found.message
