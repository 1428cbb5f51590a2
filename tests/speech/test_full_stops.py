"""A full stop ends a sentence, or belongs to an abbreviation or a number."""

import pytest

from avr_sts_speechmatics.speech.full_stops import (
    LONGEST_WORD,
    ends_sentence,
    wrong_end_is_harmless,
)
from avr_sts_speechmatics.speech.languages import language_of
from avr_sts_speechmatics.speech.sentences import sentences_of

ONE_SENTENCE = """
en: Sgt. Miller of our U.S. office can see you on Jan. 5 at noon.
en: Ask J. R. Smith, Capt. Jones, Rev. Green, Lt. Col. Grey or Gov. Brown.
en: Acme Inc. is at 5 Main St. near Mt. Vernon, approx. $5 away.
en: We open at 9 a.m. Monday, at 10 a.m. EST on Sun. and at 9 on Jan. 5.
en: It is 5 ft. tall, 3 lbs. heavy, in vol. 3 on p. 12, No. 5.
en: He has a Ph.D. in law, e.g. from St. Mary's, and the U.S. Army paid.
en: Mon. to Fri. and Dept. of Health vs. you (approx. two.) again.
en: Our fax no. is 5 and Mon.-Fri. 9-5 is in vol. II near King Jr. Blvd. only.
en: Call ext. 12 or Dr. Lee on Lakeview Dr. and then 5th Ave. for it.
de: Ihr Termin ist am 3. Mai.
de: Wir sind im 2. Stock der Hauptstr. 5 bei Dr. Müller.
de: Das sind z. B. ca. 5 Min. von hier, d. h. nahe.
de: Am 3.5. um 10 Uhr und am 24. Dezember bis 12. Januar.
de: Es kostet 1.234,56 Euro inkl. MwSt. für Mo. bis Fr. und So.
da: Deres tid er den 3. maj kl. 10.
no: Timen din er 17. mai kl. 9.
cs: Váš termín je 3. května v 10 hod. ráno, ul. Dlouhá.
pl: Mieszkam na 3. piętrze przy ul. Długiej, tj. w centrum.
sk: Je to 5. mája na ul. Hlavnej.
hu: A találkozó 2026. május 3. napján van.
fi: Aika on 3. toukokuuta klo. 10.
es: La Sra. López le espera en la Av. Mayor núm. 5, aprox. a las 10.
fr: M. Dupont vous attend av. Foch, p. ex. demain.
it: Il Sig. Rossi e la Dott.ssa Verdi sono qui.
pt: O Sr. Silva mora na Av. Central n. 5.
nl: Dhr. Jansen komt bijv. morgen, d.w.z. dinsdag.
sv: Vi har t.ex. öppet kl. 10.
tr: Sn. Ali Bey ve Dr. Ayşe burada.
ru: Это написал А. С. Пушкин.
ru: Мы на ул. Ленина, д. 5, кв. 3.
"""

TWO_SENTENCES = """
en: My birthday is Jan 1, 1980. | Another sentence.
en: We close at 5 p.m. | Bring a pen.
en: He lives on Main St. | Then turn left.
en: She lives in the U.S. | We ship there.
en: I take vitamin C. | It helps.
en: It weighs 3 lbs. | Next.
en: It was in Jan. | We were closed.
en: It is in the sun. | Bring water.
en: I am. | So is he.
en: We have 5. | They have 7.
en: He said "yes." | Then he left.
de: Das kostet 25 Euro. | Möchten Sie das?
de: Es sind 5. | Möchten Sie noch mehr?
de: Das war 1980. | Danach kam mehr.
de: Das ist so. | Dann gut.
da: Det koster 25. | Er det OK?
cs: Děkujeme. | Na shledanou.
es: Son 3,50 euros. | Gracias.
fr: C'est 3. | Merci.
hi: नमस्ते। | आप कैसे हैं?
ar: كيف حالك؟ | شكرا.
ur: شکریہ۔ | خدا حافظ۔
hy: Բարեւ։ | Ցտեսություն։
cmn: 您好。 | 您想预约吗？ | 好的！
cmn: 他说「好。」 | 谢谢
ja: はい！ | 三名様ですね？
am: ሰላም። | አመሰግናለሁ።
"""


@pytest.mark.parametrize("line", ONE_SENTENCE.strip().splitlines())
def test_a_full_stop_inside_a_sentence_does_not_end_it(line: str) -> None:
    code, _, text = line.partition(": ")
    assert len(sentences_of(text.replace(", ", " "), code)) == 1


@pytest.mark.parametrize("line", TWO_SENTENCES.strip().splitlines())
def test_the_end_of_a_sentence_is_found(line: str) -> None:
    code, _, text = line.partition(": ")
    between = "" if code in ("cmn", "ja") else " "
    assert sentences_of(text.replace(" | ", between), code) == text.split(" | ")


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        ("It is done.", " ", True),  # an ordinary word needs nothing of what follows
        ("It is done.", " 5", True),
        ("It is Jan.", " ", None),
        ("It is Jan.", " 5", False),
        ("It is Jan.", " W", None),
        ("It is Jan.", " We ", True),
        ("the U.S.", " A", None),
        ("the U.S.", " Army ", False),
        ("the U.S.", " All ", True),
        ("the U.S.", " A" + "b" * LONGEST_WORD, False),
        ("No.", " 5", False),
        ("No.", " W", True),
        ("1.", " Apples ", False),
    ],
)
def test_a_full_stop_is_judged_as_soon_as_the_text_decides(
    before: str, after: str, ends: bool | None
) -> None:
    assert ends_sentence(before, after, language_of("en")) is ends


@pytest.mark.parametrize(
    ("before", "spaced", "code", "harmless"),
    [
        ("We open at 9 a.m.", False, "en", True),
        ("Acme Inc.", False, "en", True),
        ("It weighs 5 lbs.", False, "en", True),
        ("ask dr.", True, "en", False),
        ("We have 5.", True, "en", True),
        ("We have 5.", False, "en", False),  # 5.50
        ("1.", True, "en", False),  # the head of a list
        ("am 3.", True, "de", False),  # the third of May
        ("Ask Dr.", True, "en", False),
        ("Ask J.", True, "en", False),
        ("the U.S.", True, "en", False),
        ("It is in Jan.", True, "en", False),
        ("5 Mio.", True, "de", False),
        ("det koster kr.", True, "da", False),
        ("Brot usw.", False, "de", True),
    ],
)
def test_a_pause_inside_a_name_or_number_is_not_harmless(
    before: str, spaced: bool, code: str, harmless: bool
) -> None:
    assert wrong_end_is_harmless(before, language_of(code), spaced=spaced) is harmless
