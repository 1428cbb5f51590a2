"""The shapes of kept calls follow the tables."""

from avr_sts_speechmatics.console.shapes import names, schemas
from avr_sts_speechmatics.records.tables import calls, turns


def test_each_column_of_a_call_is_described_but_those_of_the_search() -> None:
    properties = schemas()["Call"]["properties"]
    columns = {str(column.name) for column in calls.columns}
    assert columns - properties.keys() == {"caller_digits", "called_digits"}
    assert properties["key"]["type"] == "string"
    assert properties["cost"]["type"] == ["number", "null"]


def test_a_whole_call_has_its_parts() -> None:
    whole = schemas()["WholeCall"]["properties"]
    turn = whole["turns"]["items"]["properties"]
    assert turn.keys() == {str(column.name) for column in turns.columns} - {"call"}
    assert turn["interrupted"]["type"] == "boolean"


def test_a_file_has_each_column_once_with_times_that_people_read() -> None:
    columns = names()
    assert len(set(columns)) == len(columns)
    assert columns[:4] == ["key", "began", "ended", "running"]
    assert "began_ms" not in columns
