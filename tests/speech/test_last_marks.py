"""The mark at the end of a text that is still being written."""

import pytest

from avr_sts_speechmatics.speech.languages import language_of
from avr_sts_speechmatics.speech.last_marks import Mark, after_early_end, last_mark

SURE = """
en: Yes.
en: We are open.
en: Is it done?
en: Great!
en: Really?!
en: Well...
en: Well…
en: It is 50%.
en: It is on the 5th.
en: It costs $3.50.
en: We open at 9:30.
en: It is on May 3, 2026.
en: It opened in 1998.
en: He said "yes!"
en: He said "yes" to it.
en: (It is done!)
en: It is done (today).
en: Go to bed.
de: Das ist gut.
de: Er sagte „Ja“ dazu.
fr: Bonjour !
fr: Il dit « oui » alors.
es: ¡Hola!
hi: नमस्ते।
ar: كيف حالك؟
cmn: 您好。
cmn: 好的！
ja: 三名様ですね？
"""

DOUBTFUL = """
en: We open at 9 a.m.
en: Bring pens etc.
en: It weighs 5 lbs.
en: So do I.
en: He said "yes.
en: He said "yes."
en: (It is done.
en: He said “yes.
en: Write to info@example.com.
en: See example.co.
de: Wir haben Brot usw.
de: Er sagte „Ja.
it: Pane ecc.
nl: Brood enz.
cmn: 他说「好。
"""

OPEN = """
en: Ask Dr.
en: Ask J.
en: Ask J. R.
en: She is in the U.S.
en: It is No.
en: It is in Jan.
en: It is 3.
en: It costs $3.
en: It costs 1,234.
en: Version 1.2.
en: Gate B2.
en: Mt.
en: St.
en: Fruit i.
en: Fruit e.g.
en: Write to info@example.
en: 1.
en: ...
de: am 3.
de: Das kostet 1.234.
de: Das sind z.
de: Das sind z. B.
de: bzw.
de: 5 Mio.
de: Hauptstr.
fr: M.
fr: av.
it: Sig.
it: La Dott.
es: Sr.
es: EE.
es: Los EE.UU.
pt: Sra.
nl: Dhr.
da: Det koster kr.
ru: ул.
"""

NONE = """
en: Yes
en: Yes,
en: 3.50
en: Yes.\x20
en: the friends'
"""


@pytest.mark.parametrize(
    ("line", "mark"),
    [
        (line, mark)
        for lines, mark in (
            (SURE, Mark.SURE),
            (DOUBTFUL, Mark.DOUBTFUL),
            (OPEN, Mark.OPEN),
            (NONE, Mark.NONE),
        )
        for line in lines.strip("\n").splitlines()
    ],
)
def test_the_word_before_a_mark_decides_how_long_the_mark_waits(line: str, mark: Mark) -> None:
    code, _, text = line.partition(": ")
    assert last_mark(text, language_of(code)) is mark


@pytest.mark.parametrize(
    ("ended", "more", "rest"),
    [
        ("Yes.", " Then", " Then"),
        ("Yes.", "\nThen", "\nThen"),
        ("Yes.", "Then", "Then"),
        ("Yes.", '" Then', " Then"),
        ("Yes.", ") Then", " Then"),
        ("Yes.", "..", None),
        ("Yes.", '"', None),
        ("Yes!", "!", None),
        ("Yes!", "! Then", " Then"),
        ("a.m.", ", Then", " Then"),
        ("example.", "com today", ".com today"),
        ("version.", "2", ".2"),
        ("Hi!", "you", "you"),
        ("Inc.", "'s house", "'s house"),
        ("您好。", "您", "您"),
        ("شكرا.", "كيف", "كيف"),
    ],
)
def test_the_text_behind_an_early_end_is_said_without_its_marks(
    ended: str, more: str, rest: str | None
) -> None:
    assert after_early_end(ended, more) == rest
