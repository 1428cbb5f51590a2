"""Calls as lines of CSV. [RFC 4180]"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from avr_sts_speechmatics.records.csv_cells import cell


def lines(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return rows as lines of CSV."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\r\n").writerow
    for row in rows:
        write([cell(row[name]) for name in names])
    return text.getvalue().encode("utf-8", "replace")


def heading(names: Sequence[str]) -> bytes:
    """Return the first line."""
    return (",".join(names) + "\r\n").encode()
