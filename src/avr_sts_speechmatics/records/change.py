"""A change of the records: a row that is new, or columns of a call that have new values.

A call's observer makes the changes and the writer carries them out, in order and in batches. A
change is made of JSON's types only, so that it can wait in a spool file, and carrying it out twice
does no harm.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

TableName = Literal["calls", "turns", "tools", "events", "outcomes"]


class Change(NamedTuple):
    """A change of one row.

    table: name of the table.
    row: values by column. A row that is there already stays as it is.
    update: the row is that of a call which is there; its other columns stay as they are.
    """

    table: TableName
    row: Mapping[str, Any]
    update: bool = False
