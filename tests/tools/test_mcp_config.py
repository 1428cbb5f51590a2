"""MCP_SERVERS: which servers there are is read whole, or a sentence says what is allowed."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.tools.mcp_config import offered_name, parse_mcp_servers

GOOD = {
    "weather": {
        "url": "http://weather:8000/mcp",
        "headers": {"X-Key": "k1"},
        "allow": ["forecast"],
    },
    "files": {"command": ["files", "--root", "/srv"], "env": {"TOKEN": "k2"}, "allow": ["read"]},
    "later": {"url": "https://example.org/mcp"},
}


@pytest.mark.parametrize("form", ["inline", "file.json", "file.yaml"])
def test_servers_are_given_inline_or_in_a_file(form: str, tmp_path: Path) -> None:
    text = json.dumps(GOOD, indent=1)
    if form == "file.yaml":
        text = f"# ours\n{json.dumps(GOOD)}"
    if form != "inline":
        (tmp_path / form).write_text(text)
        text = str(tmp_path / form)
    found = parse_mcp_servers(text)
    assert found.servers["weather"].url == "http://weather:8000/mcp"
    assert found.servers["files"].command == ["files", "--root", "/srv"]
    assert found.servers["later"].allow is None
    assert list(found.secrets()) == ["k1", "k2"]
    assert "k1" not in repr(found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/no/such/file.json", "no such file"),
        ("{", "neither JSON nor YAML"),
        ("{}[", "neither JSON nor YAML"),
        ("{a, b: c}", "a: Expected `object`"),
        ('{"a": []}', "a: Expected `object`"),
        ('{"a": {}}', 'a: give either "url" or "command"'),
        ('{"a": {"url": "http://b", "command": ["c"]}}', 'a: give either "url" or "command"'),
        ('{"a": {"command": "npx"}}', "a: Expected `array | null`, got `str` - at `$.command`"),
        ('{"a": {"command": []}}', "length >= 1"),
        ('{"a": {"url": "http://b", "alow": ["x"]}}', "alow"),
        ('{"a": {"url": "file:///b"}}', "http://"),
        ('{"a": {"url": "http://b:99999"}}', "http://"),
        ('{"a": {"url": "http://b", "env": {"A": "1"}}}', '"env" goes with "command"'),
        ('{"a": {"command": ["b"], "headers": {"A": "1"}}}', '"headers" go with "url"'),
        ('{"a b": {"command": ["b"]}}', "letters, digits"),
        ('{"a": {"command": ["b"], "allow": ["' + "x" * 70 + '"]}}', "64"),
        (
            "{a: {command: [x], allow: [b_c]}, a_b: {command: [x], allow: [c]}}",
            "a_b: c and a: b_c would both be offered as a_b_c",
        ),
    ],
)
def test_a_mistake_in_the_servers_is_told_with_what_is_allowed(text: str, says: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_mcp_servers(text)
    assert says in str(caught.value)


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_tool_is_offered_by_a_name_that_every_model_takes(server: str, tool: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]+", offered_name(server, tool))


NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True)


@given(NAMES, NAMES)
def test_a_name_of_plain_letters_is_offered_as_it_is(server: str, tool: str) -> None:
    assert offered_name(server, tool) == f"{server}_{tool}"


@given(st.text())
def test_any_text_is_servers_or_one_sentence(text: str) -> None:
    try:
        assert parse_mcp_servers("{" + text).servers is not None
    except ValueError as error:
        assert str(error)  # noqa: PT017
