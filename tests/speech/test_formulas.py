"""Formulas as a line of signs."""

import pytest

from avr_sts_speechmatics.speech.formulas import formula
from avr_sts_speechmatics.speech.read_aloud import spoken


@pytest.mark.parametrize(
    ("written", "signs", "said"),
    [
        ("x^2 + y^{3}", "x² + y³", "x squared plus y cubed"),
        (r"\frac{1}{2}", "1/2", "one half"),
        (r"\frac{a}{\frac{1}{2}}", "a ÷ 1/2", "a divided by one half"),
        (r"3 \times 4 = 12", "3 × 4 = 12", "three by four equals twelve"),
        (r"\sqrt{9}", "√9", "the square root of nine"),
        (r"90^\circ", "90°", "ninety degrees"),
        (r"20^{\circ}\text{C}", "20° C", "twenty degrees C"),
        (r"x \leq 5", "x ≤ 5", "x at most five"),
        (r"\alpha \approx 2", "alpha ≈ 2", "alpha about two"),
        (r"5\%", "5%", "five percent"),
        (r"\left( a \right)", "( a )", "( a )"),
        (r"\begin{array} x_1 \\ y \end{array}", "x 1, y", "x one, y"),
    ],
)
def test_a_formula_is_a_line_of_signs(written: str, signs: str, said: str) -> None:
    line = " ".join(formula(written).split()).replace(" ,", ",")
    assert line == signs
    assert spoken(line) == said
