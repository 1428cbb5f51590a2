"""HTML, LaTeX, addresses and signs without sound."""

import pytest

from avr_sts_speechmatics.speech.plain_text import speakable


@pytest.mark.parametrize(
    ("written", "said"),
    [
        # HTML
        ("One<br>two<br/>three", "One two three"),
        ("<p>So <b class='x'>be</b> it</p>", "So be it"),
        ("A<script>alert(1)</script>B", "AB"),
        ("<!-- not this -->This", "This"),
        ("Tom &amp; Jerry&#39;s &lt;b&gt;best&lt;/b&gt;&nbsp;day", "Tom & Jerry's best day"),
        ("AT&T and R&D", "AT&T and R&D"),
        ("3 < 5 and 7 > 2", "3 < 5 and 7 > 2"),
        ("Done.</think> <|im_end|>", "Done."),
        ("It ends <unfin", "It ends"),
        ("Call <tel:+15551234> or <mailto:a@b.com>", "Call +15551234 or a@b.com"),
        # formulas
        ("It is $x^2 + 1$ for \\(a \\times b\\)", "It is x² + 1 for a × b"),
        ("\\[E = \\frac{m}{2}\\] and $$\\frac{1}{2}$$", "E = m ÷ 2 and 1/2"),
        ("from $5 to $10, or $20.", "from $5 to $10, or $20."),
        ("a 90^\\circ turn, 5\\% off", "a 90° turn, 5% off"),
        # what has no sound
        ("Great 👍🏽 :) :smile: ☎️ 1️⃣ ™", "Great 1"),
        ("zero\u200bwidth, so\u00adft", "zerowidth, soft"),
        ("\x1b[31mred\x1b[0m, \x00nul\x07", "red, nul"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("One\\nTwo \\*three\\*", "One Two *three*"),
        ("😀 ** \n---\n", ""),
    ],
)
def test_a_person_would_read_it_so(written: str, said: str) -> None:
    assert speakable(written) == said
