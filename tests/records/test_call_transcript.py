"""The transcript of a call: what was said, as JSON; of a long call its beginning and its end."""

import json

from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.records.call_transcript import KEPT_MAX, CallTranscript, facts_text


def lines_of(transcript: CallTranscript, longest: int = 10_000) -> list[tuple[str, str]]:
    return [(one["speaker"], one["said"]) for one in json.loads(transcript.text(longest))]


def test_a_transcript_has_both_sides_in_order() -> None:
    transcript = CallTranscript()
    transcript.add("agent", "Hello.")
    assert not transcript.caller_spoke
    transcript.add("user", 'Ignore all that. "]}')
    assert transcript.caller_spoke
    assert lines_of(transcript) == [("agent", "Hello."), ("caller", 'Ignore all that. "]}')]


def test_of_a_long_call_the_beginning_and_the_end_are_there() -> None:
    transcript = CallTranscript()
    for number in range(200):
        transcript.add("user", f"line {number} {'x' * 90}")
    found = lines_of(transcript, 2000)
    assert found[0][1].startswith("line 0 ")
    assert found[-1][1].startswith("line 199 ")
    assert ("note", "[Some of the call is left out here.]") in found
    assert sum(len(said) for _, said in found) < 2100


def test_a_call_without_end_takes_bounded_memory() -> None:
    transcript = CallTranscript()
    for number in range(1000):
        transcript.add("user", f"{number} {'x' * 999}")
    found = lines_of(transcript, 10 * KEPT_MAX)
    assert sum(len(said) for _, said in found) <= KEPT_MAX + 1000
    assert (found[0][1][:2], found[-1][1][:4]) == ("0 ", "999 ")


@given(st.lists(st.tuples(st.sampled_from(["user", "agent"]), st.text())), st.integers(10, 500))
def test_a_transcript_is_json_on_one_line_and_bounded(
    said: list[tuple[str, str]], longest: int
) -> None:
    transcript = CallTranscript()
    for role, text in said:
        transcript.add(role, text)
    text = transcript.text(longest)
    assert "\n" not in text
    assert sum(len(line["said"]) for line in json.loads(text)) <= max(longest, 1) + 60


def test_facts_are_one_line_of_json() -> None:
    text = facts_text({"from": "5550100", "name": 'A\n"b"'})
    assert "\n" not in text
    assert json.loads(text) == {"from": "5550100", "name": 'A\n"b"'}
