"""Write the table of docs/metrics.md from the declarations: python docs/_tools/metrics_table.py"""

from pathlib import Path

from avr_sts_speechmatics.telemetry.metrics import table

PAGE = Path(__file__).parents[1] / "metrics.md"
BEGIN, END = "<!-- metrics -->\n", "<!-- end of metrics -->"


def page_with(page: str, made: str) -> str:
    """Return the page with another table."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{made}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), table()), encoding="utf-8")
