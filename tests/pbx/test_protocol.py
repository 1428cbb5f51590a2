"""A destination that could not stand in a dialplan reaches no exchange."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avr_sts_speechmatics.pbx.protocol import PbxError, check_destination


@pytest.mark.parametrize("extension", ["700", "+4922812345", "*98", "sales"])
def test_an_extension_may_be_called(extension: str) -> None:
    check_destination(extension, "from-internal", 1)


@pytest.mark.parametrize("extension", ["", "700\r\nAction: Originate", "700,1", "7 0 0", "x" * 200])
def test_what_is_no_extension_is_explained_to_the_model(extension: str) -> None:
    with pytest.raises(PbxError, match="give its digits alone, as 700"):
        check_destination(extension, "demo", 1)


@pytest.mark.parametrize(
    ("context", "priority"), [("", 1), ("demo\n", 1), ("de,mo", 1), ("demo", 0), ("demo", -1)]
)
def test_there_must_be_such_a_place(context: str, priority: int) -> None:
    with pytest.raises(PbxError, match="no such place"):
        check_destination("700", context, priority)


@given(st.text(), st.text())
def test_nothing_that_passes_could_end_a_line_or_an_argument(extension: str, context: str) -> None:
    try:
        check_destination(extension, context, 1)
    except PbxError:
        return
    assert not set(extension + context) & set(" \t\r\n,;:|&()\0")
