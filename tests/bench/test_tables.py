"""The table of several numbers of calls."""

from bench.figures import Integrity
from bench.ratios import BesideBare
from bench.tables import overview
from tests.bench.reports import report


def test_each_number_of_calls_has_a_row() -> None:
    small, large = report(longest_stop=0.0042), report(calls=300, lags=[0.05])
    broken = report(integrity=Integrity(3, faults=["call 3: lost", "call 4: lost"]))
    first = small.document()
    first["beside_bare"] = BesideBare([small], [report(service_cpu=2.5)]).document()
    rows = overview([first, large.document(), broken.document()]).splitlines()[2:]
    assert rows[0].split() == "100 4.0 4.0 4.0 4.2 1.50 1.20 0.20 whole".split()
    assert rows[1].split()[:9] == "300 4.0 4.0 4.0 - 0.50 - 0.07 whole".split()
    assert rows[1].endswith("NOT VALID: the load was 50.0 ms late (p99)")
    assert rows[2].split()[-2:] == ["2", "FAULTS"]
