"""The report of a conformance run: as text, as JSON, as JUnit XML."""

import json
from collections.abc import Sequence
from xml.etree import ElementTree

from avr_sts_speechmatics.conformance.lines import Finding

_MARKS = {"holds": "ok", "broken": "BROKEN", "not tried": "-"}


def text(findings: Sequence[Finding], url: str) -> str:
    """The report for a person: one line for each finding, and a verdict."""
    width = max(len(one.line.name) for one in findings)
    rows = [f"AVR conformance of {url}", ""]
    for one in findings:
        mark = _MARKS[one.state]
        if one.state == "broken" and one.line.level == "should":
            mark = "broken"
        rows.append(f"{mark:7} {one.line.level:6} {one.line.name:{width}}  {one.line.says}")
        if one.detail:
            rows.append(f"{'':15} {'':{width}}  {one.detail}")
    return "\n".join((*rows, "", verdict(findings)))


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence on the whole run."""
    holding = sum(one.state == "holds" for one in findings)
    broken = [one.line.name for one in findings if one.fails]
    weak = [one.line.name for one in findings if one.state == "broken" and not one.fails]
    untried = [one.line.name for one in findings if one.state == "not tried"]
    said = [f"{holding} of {len(findings)} lines hold"]
    said += [f"broken: {', '.join(broken)}"] if broken else []
    said += [f"broken, should hold: {', '.join(weak)}"] if weak else []
    said += [f"not tried: {', '.join(untried)}"] if untried else []
    return "; ".join(said) + "."


def as_json(findings: Sequence[Finding], url: str) -> str:
    """The report for a program."""
    lines = [
        {
            "name": one.line.name,
            "level": one.line.level,
            "state": one.state,
            "detail": one.detail,
            "says": one.line.says,
            "reason": one.line.reason,
        }
        for one in findings
    ]
    conforms = not any(one.fails for one in findings)
    return json.dumps({"url": url, "conforms": conforms, "lines": lines}, indent=2)


def as_junit(findings: Sequence[Finding], url: str) -> str:
    """The report for a CI server: a broken `must` is a failure, the rest is not."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"AVR conformance of {url}",
        tests=str(len(findings)),
        failures=str(sum(one.fails for one in findings)),
        skipped=str(sum(one.state == "not tried" for one in findings)),
    )
    for one in findings:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"avr.{one.line.level}", name=one.line.name
        )
        if one.fails:
            ElementTree.SubElement(case, "failure", message=one.detail).text = one.line.says
        elif one.state == "not tried":
            ElementTree.SubElement(case, "skipped", message=one.detail)
        elif one.detail:
            ElementTree.SubElement(case, "system-out").text = one.detail
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True)
