"""Figures in other languages than English: what the voice is asked to say."""

import re
import unicodedata
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.language_packs.english_words import english_words

from avr_sts_speechmatics.speech.figures_by_language import FiguresByLanguage, figures_of
from avr_sts_speechmatics.speech.read_aloud import spoken

CODES = ("de", "it", "fr", "es", "pt", "nl")

# --- an independent reader of number words -------------------------------------------------------

ADDED = {
    "de": "null 0 ein 1 eins 1 zwei 2 drei 3 vier 4 fünf 5 sechs 6 sieben 7 acht 8 neun 9 zehn 10 "
    "elf 11 zwölf 12 dreizehn 13 vierzehn 14 fünfzehn 15 sechzehn 16 siebzehn 17 achtzehn 18 "
    "neunzehn 19 zwanzig 20 dreißig 30 vierzig 40 fünfzig 50 sechzig 60 siebzig 70 achtzig 80 "
    "neunzig 90 und 0",
    "nl": "nul 0 een 1 twee 2 drie 3 vier 4 vijf 5 zes 6 zeven 7 acht 8 negen 9 tien 10 elf 11 "
    "twaalf 12 dertien 13 veertien 14 vijftien 15 zestien 16 zeventien 17 achttien 18 "
    "negentien 19 twintig 20 dertig 30 veertig 40 vijftig 50 zestig 60 zeventig 70 tachtig 80 "
    "negentig 90 en 0",
    "it": "zero 0 un 1 uno 1 due 2 tre 3 quattro 4 cinque 5 sei 6 sette 7 otto 8 nove 9 dieci 10 "
    "undici 11 dodici 12 tredici 13 quattordici 14 quindici 15 sedici 16 diciassette 17 diciotto "
    "18 diciannove 19 venti 20 vent 20 trenta 30 trent 30 quaranta 40 quarant 40 cinquanta 50 "
    "cinquant 50 sessanta 60 sessant 60 settanta 70 settant 70 ottanta 80 ottant 80 novanta 90 "
    "novant 90",
    "fr": "zéro 0 un 1 deux 2 trois 3 quatre 4 cinq 5 six 6 sept 7 huit 8 neuf 9 dix 10 onze 11 "
    "douze 12 treize 13 quatorze 14 quinze 15 seize 16 vingt 20 trente 30 quarante 40 cinquante "
    "50 soixante 60 quatrevingt 80 quatrevingts 80 et 0",
    "es": "cero 0 un 1 uno 1 dos 2 tres 3 cuatro 4 cinco 5 seis 6 siete 7 ocho 8 nueve 9 diez 10 "
    "once 11 doce 12 trece 13 catorce 14 quince 15 dieciséis 16 diecisiete 17 dieciocho 18 "
    "diecinueve 19 veinte 20 veinti 20 treinta 30 cuarenta 40 cincuenta 50 sesenta 60 setenta 70 "
    "ochenta 80 noventa 90 cien 100 ciento 100 doscientos 200 trescientos 300 cuatrocientos 400 "
    "quinientos 500 seiscientos 600 setecientos 700 ochocientos 800 novecientos 900 y 0",
    "pt": "zero 0 um 1 dois 2 três 3 quatro 4 cinco 5 seis 6 sete 7 oito 8 nove 9 dez 10 onze 11 "
    "doze 12 treze 13 catorze 14 quatorze 14 quinze 15 dezesseis 16 dezasseis 16 dezessete 17 "
    "dezassete 17 dezoito 18 dezenove 19 dezanove 19 vinte 20 trinta 30 quarenta 40 cinquenta 50 "
    "sessenta 60 setenta 70 oitenta 80 noventa 90 cem 100 cento 100 duzentos 200 trezentos 300 "
    "quatrocentos 400 quinhentos 500 seiscentos 600 setecentos 700 oitocentos 800 novecentos 900 "
    "e 0",
}
TIMES = {
    "de": "hundert 100 tausend 1000",
    "nl": "honderd 100 duizend 1000",
    "it": "cento 100 cent 100 mila 1000 mille 1000",
    "fr": "cent 100 cents 100 mille 1000",
    "es": "mil 1000",
    "pt": "mil 1000",
}


def bare(text: str) -> str:
    """A text without accents, spaces and hyphens."""
    parts = unicodedata.normalize("NFD", text)
    return re.sub(r"[\s\u0300-\u036f\u00ad-]", "", parts)


@cache
def vocabulary(table: str) -> dict[str, int]:
    pairs = table.split()
    return {bare(word): int(value) for word, value in zip(pairs[::2], pairs[1::2], strict=True)}


def value_of(words: str, code: str) -> set[int]:
    """Every number that a text of number words may mean."""
    adds, times = vocabulary(ADDED[code]), vocabulary(TIMES[code])
    found: set[int] = set()

    def read(rest: str, thousands: int, below: int) -> None:
        if not rest:
            found.add(thousands + below)
        for word, value in adds.items():
            if rest.startswith(word):
                read(rest[len(word) :], thousands, below + value)
        for word, value in times.items():
            if not rest.startswith(word):
                continue
            more = rest[len(word) :]
            if value == 1000:
                read(more, (below or 1) * 1000, 0)
            else:
                read(more, thousands, (below or 1) * 100)

    read(bare(words), 0, 0)
    return found


def figures(code: str) -> FiguresByLanguage:
    made = figures_of(code)
    assert made is not None
    return made


@pytest.mark.parametrize("code", CODES)
def test_number_words_mean_their_number(code: str) -> None:
    for number in (*range(1200), *range(1900, 2100), *range(0, 1_000_000, 9973), 999_999):
        words = figures(code).cardinal(number)
        assert number in value_of(words, code), f"{number}: {words}"
        assert not english_words(words.replace("-", " ")), words


@given(st.sampled_from(CODES), st.integers(0, 999_999))
def test_any_number_word_means_its_number(code: str, number: int) -> None:
    assert number in value_of(figures(code).cardinal(number), code)


@given(st.integers(0, 999_999), st.integers(0, 999_999))
def test_two_numbers_never_have_the_same_words(one: int, other: int) -> None:
    for code in CODES:
        same = figures(code).cardinal(one) == figures(code).cardinal(other)
        assert same == (one == other)


@given(st.sampled_from(CODES), st.text("0123456789", min_size=5, max_size=16))
def test_digits_are_said_one_by_one(code: str, digits: str) -> None:
    said = re.split(r",? ", figures(code).digits(digits))
    names = [figures(code).cardinal(digit) for digit in range(10)]
    assert "".join(str(names.index(word)) for word in said) == digits


# --- examples ------------------------------------------------------------------------------------

EXAMPLES = """
de | Das kostet 25 Euro. | Das kostet fünfundzwanzig Euro.
de | am 3. Mai um 14:30 Uhr | am dritten Mai um vierzehn Uhr dreißig
de | Der 1. Mai 2026 | Der erste Mai zweitausendsechsundzwanzig
de | am 28.11.2026 um 9 Uhr | am achtundzwanzigsten November zweitausendsechsundzwanzig um neun Uhr
de | um 1:00 Uhr oder 1:05 Uhr | um ein Uhr oder ein Uhr fünf
de | unter 030 123456 | unter null drei null, eins zwei drei, vier fünf sechs
de | +49 30 1234567 | plus vier neun, drei null, eins zwei drei, vier fünf sechs sieben
de | 12,50 € oder €9,99 | zwölf Euro und fünfzig Cent oder neun Euro und neunundneunzig Cent
de | 0,50 € | fünfzig Cent
de | 1.234,50 Euro | eintausendzweihundertvierunddreißig Euro und fünfzig Cent
de | 25 % Rabatt | fünfundzwanzig Prozent Rabatt
de | 3,5 Liter bei -3 Grad | drei Komma fünf Liter bei minus drei Grad
de | im 3. Stock | im dritten Stock
de | Zimmer 12 | Zimmer zwölf
de | 1 Tisch für 2 Personen | 1 Tisch für zwei Personen
de | Bestellung 553882 | Bestellung fünf fünf drei, acht acht zwei
de | von 9-17 Uhr | von neun bis siebzehn Uhr
de | 08:30–12:00 Uhr | acht Uhr dreißig bis zwölf Uhr
de | im Jahr 1999 | im Jahr neunzehnhundertneunundneunzig
de | 1 Euro und 101 Euro | ein Euro und einhundertein Euro
de | um 14.30 Uhr | um vierzehn Uhr dreißig
de | Linie A4 | Linie A vier
de | um 08.15 Uhr | um acht Uhr fünfzehn
de | Der 3.5. passt, am 4.5. nicht. | Der dritte Mai passt, am vierten Mai nicht.
de | 1. Ihr Name | eins. Ihr Name
de | 1/2 Liter, 24/7, Version 1.2.3 | 1/2 Liter, 24/7, Version 1.2.3
de | Rechnung 2026-114 | Rechnung zwei null zwei sechs, eins eins vier
de | 5,- Euro | fünf Euro
de | die Taste *72 | die Taste *sieben zwei
de | IBAN DE89 3704 0044 | IBAN D E acht neun, drei sieben null vier, null null vier vier
pt | 1000-001 Lisboa | um zero zero zero, zero zero um Lisboa
fr | 06.12.34.56.78 | zéro six, un deux, trois quatre, cinq six, sept huit
fr | Cela coûte 25 euros. | Cela coûte vingt-cinq euros.
fr | le 3 mai 2026 à 14h30 | le trois mai deux mille vingt-six à quatorze heures trente
fr | le 1er mai à 1h | le premier mai à une heure
fr | au 01 23 45 67 89 | au zéro un, deux trois, quatre cinq, six sept, huit neuf
fr | 71,80 € | soixante-et-onze euros et quatre-vingts centimes
fr | au 2e étage | au deuxième étage
fr | 1 234 personnes | mille deux cent trente-quatre personnes
fr | de 9 h - 17 h | de neuf heures à dix-sept heures
fr | 0,5 % | zéro virgule cinq pour cent
fr | 1 table, 21 tables | 1 table, 21 tables
it | il 3 maggio 2026 alle 14:30 | il tre maggio duemilaventisei alle quattordici e trenta
it | il 1º maggio | il primo maggio
it | 1 euro o 21 euro | un euro o ventun euro
it | 1.234,56 € | milleduecentotrentaquattro euro e cinquantasei centesimi
it | 06 1234 5678 | zero sei, uno due tre quattro, cinque sei sette otto
it | 1 stanza, 8 stanze | 1 stanza, otto stanze
it | 3ª fila | terza fila
es | a las 14:30 | a las catorce y treinta
es | el 3 de mayo de 2026 | el tres de mayo de dos mil veintiséis
es | a la 1:00 | a la una
es | 612 345 678 | seis uno dos, tres cuatro cinco, seis siete ocho
es | 12,50 € | doce euros con cincuenta céntimos
es | 200 euros, 200 noches | doscientos euros, 200 noches
es | el 2.º piso | el segundo piso
pt | 3 de maio de 2026 às 14:30 | três de maio de dois mil e vinte e seis às catorze e trinta
pt | R$ 12,50 | doze reais e cinquenta centavos
pt | 2 euros, 2 noites | dois euros, 2 noites
pt | 912 345 678 | nove um dois, três quatro cinco, seis sete oito
pt | 1º de maio | primeiro de maio
nl | op 3 mei 2026 om 14:30 uur | op drie mei tweeduizendzesentwintig om veertien uur dertig
nl | € 12,50 | twaalf euro en vijftig cent
nl | 06-12345678 | nul zes, een twee drie vier, vijf zes zeven acht
nl | de 3e verdieping, 1 kamer | de derde verdieping, een kamer
cmn | 2026年3月5日 | 2026年3月5日
sv | Det kostar 25 kronor. | Det kostar 25 kronor.
"""


@pytest.mark.parametrize("example", EXAMPLES.strip().splitlines())
def test_figures_are_read_as_people_read_them(example: str) -> None:
    code, written, said = example.split(" | ")
    assert spoken(written, code) == said
    assert spoken(said, code) == said, "a second conversion changes nothing"
    assert spoken(written, f"{code}-XX") == said


def test_a_mistake_in_the_rules_does_not_cost_the_sentence(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: FiguresByLanguage, text: str) -> str:
        raise ValueError("0171 2345678")

    monkeypatch.setattr(FiguresByLanguage, "spoken", broken)
    assert spoken("Rufen Sie 0171 2345678 an.", "de") == "Rufen Sie 0171 2345678 an."
    assert "unconverted: ValueError" in caplog.text
    assert "0171" not in caplog.text


TEXT = st.text(st.sampled_from("0123456789 .,:-–/€$%+ºªhAe()Uhr mai"), max_size=40)


@given(st.sampled_from(CODES), TEXT)
def test_any_text_is_converted_and_words_stay(code: str, text: str) -> None:
    made = figures(code)
    said = made.spoken(text)
    assert made.spoken(re.sub(r"\d", "", text)) == re.sub(r"\d", "", text)
    assert not said or said.strip() or not text.strip()


@given(
    st.sampled_from(CODES),
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(1, 28),
    st.integers(1, 12),
    st.integers(1000, 2999),
)
def test_every_date_and_every_time_is_in_words(
    code: str, hour: int, minute: int, day: int, month: int, year: int
) -> None:
    for text in (f"{hour:02}:{minute:02}", f"{day}.{month}.{year}", f"{year}-{month:02}-{day:02}"):
        assert not re.search(r"\d", figures(code).spoken(text))


@given(st.sampled_from(CODES), st.integers(0, 999_999), st.integers(0, 99))
def test_every_price_is_in_words(code: str, whole: int, part: int) -> None:
    for text in (f"{whole},{part:02} €", f"€ {whole},{part:02}", f"{whole}.{part:02} EUR"):
        said = figures(code).spoken(text)
        assert not re.search(r"[\d€]|EUR", said)
        assert not english_words(said.replace("-", " "), also=frozenset({"cent", "euros"}))
