"""JSON as strangers and broken clouds send it, for every decoder of the project."""

import json

from hypothesis import strategies as st

NASTY = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"NaN",
    b'"text"',
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"\x00" * 32,
    b"[" * 2000 + b"]" * 2000,
    b'{"type":"x","a":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"type":' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    b'{"a":' * 100_000,
    b'{"type":"\xff"}',
    b'{"type":"x\xe9","a":"Jos\xe9"}',
    b'{"type":"unknown","a":"Jos\xe9"}',
    b'{"type":"' + b"x" * 100_000 + b'"}',
    b'{"type":"audio","audio":"\xff"}',
    b'{"type":"audio","audio":"A"}',
    b'{"type":"audio","audio":' + b"9" * 5000 + b"}",
    b'{"type":"init","uuid":"\xff"}',
    b'{"type":"init","uuid":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"type":"dtmf_digit","digit":' + b"9" * 4299 + b"}",
    b'{"type":"dtmf_digit","digit":' + b"9" * 5000 + b"}",
    b'{"type":"dtmf_digit","digit":"\\ud800"}',
    b'{"type":1e400}',
    b'{"event":"DTMF_END","digit":"\xff"}',
    b'{"event":"MEDIA_MARK_PROCESSED","correlation_id":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b'{"event":"\xff"}',
    b'{"message":"AddSegment","segment":{"transcript":"\xff"}}',
    b'{"message":"AddSegment","metadata":{"end_time":1e999}}',
    b'{"message":"AudioAdded","seq_no":' + b"9" * 4299 + b"}",
    b'{"uuid":"0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2","payload":{"a":' + b"9" * 4299 + b"}}",
)
"""Each of them made some decoder raise something that nobody expected, or might."""

_keys = (
    st.sampled_from("type audio uuid digit event message segment metadata payload".split())
    | st.sampled_from("part fault system voice tools transfer_extension reason seq_no".split())
    | st.text(max_size=4)
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


def _cut(text: bytes, at: int, put: bytes) -> bytes:
    at %= len(text) + 1
    return text[:at] + put + text[at + len(put) :]


texts = (
    st.sampled_from(NASTY)
    | st.binary(max_size=40)
    | _values.map(lambda value: json.dumps(value).encode())
    | st.builds(
        _cut,
        st.dictionaries(_keys, _values, max_size=5).map(lambda value: json.dumps(value).encode()),
        st.integers(0, 200),
        st.binary(max_size=3),
    )
)
"""JSON of the shapes of our protocols, whole, damaged, or nothing of the kind."""
