"""Languages: the signs in each language's writing that a sentence ends or may be cut.

A language that is not listed has the rules that all languages share: a full stop ends a sentence
unless the full stop belongs to an abbreviation that any language may use.
"""

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Language:
    """The rules of one language. Words are in lower case, abbreviations without the last dot.

    code: two or three letters, such as "en" or "cmn".
    never_last: abbreviations that never end a sentence.
    perhaps_last: abbreviations that end a sentence if a capital follows.
    begun: beginnings of those abbreviations, up to a dot inside.
    titles: abbreviations before a name, where they are written with a capital.
    before_figures: abbreviations that do not end a sentence if a figure follows.
    starters: words that begin a sentence and no name. They decide where a capital does not, as
        after "U.S.".
    joins: conjunctions and relatives: the best words before which a sentence may be cut.
    prepositions: words before which a sentence may be cut as well.
    numbers: words of numbers. No sentence is cut after one, nor before one that a word of `links`
        joins to a quantity.
    units: words that belong to the number before them.
    links: words that join two numbers: "five to six", "two hours and ten minutes".
    has_ordinal_dot: "3." is "third".
    has_capital_nouns: a capital does not show that a sentence begins.
    """

    code: str
    never_last: frozenset[str] = frozenset()
    perhaps_last: frozenset[str] = frozenset()
    begun: frozenset[str] = frozenset()
    titles: frozenset[str] = frozenset()
    before_figures: frozenset[str] = frozenset()
    starters: frozenset[str] = frozenset()
    joins: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()
    links: frozenset[str] = frozenset()
    has_ordinal_dot: bool = False
    has_capital_nouns: bool = False


def primary(language: str) -> str:
    """Return the language without its region: `en` for `en_ta` and `en-GB`."""
    return language.lower().replace("_", "-").split("-")[0]


@lru_cache(maxsize=64)
def language_of(code: str) -> Language:
    """Return the rules of a language, by a code such as "en", "en-GB" or "cmn"."""
    name = primary(code)
    return _LANGUAGES.get(_SAME_RULES.get(name, name)) or Language(
        name,
        never_last=_ALL_NEVER,
        perhaps_last=_ALL_PERHAPS,
        begun=_begun(_ALL_NEVER | _ALL_PERHAPS),
    )


_ALL_NEVER = frozenset("dr prof mr mrs ms st no nr tel e.g i.e vs ca".split())
_ALL_PERHAPS = frozenset("etc a.m p.m inc ltd co corp".split())
_ORDINAL_DOT = frozenset("de lb da no cs sk pl sl hr hu fi et lv is fo tr".split())
_SAME_RULES = {
    **dict.fromkeys(("nb", "nn"), "no"),
    **dict.fromkeys(("sr", "bs"), "hr"),
    **dict.fromkeys(("zh", "yue"), "cmn"),
    "gl": "es",
    "lb": "de",
}

# Language: kind of words: words.
_TABLE = """
en: titles: mr mrs ms mx messrs dr prof sgt capt cpt lt col gen maj cpl pvt adm cmdr rev hon sen
    rep gov pres supt insp det cllr atty st mt ft
en: never_last: mr mrs ms messrs vs viz cf e.g i.e eg nr
en: perhaps_last: a.m p.m am pm etc inc ltd co corp llc plc jr sr bros esq dept st dr ave blvd rd
    hwy pkwy ln ct sq pl cir ter bldg apt ste ext tel approx est incl excl max min avg temp misc
    appt assn assoc dist div gov govt intl natl univ ft in oz lb lbs kg km cm mm mins hr hrs sec
    secs yr yrs wk wks mo mos qt gal tbsp tsp mph attn orig prev ref resp
    amt qty wt ht pkg acct deg jan feb mar apr jun jul
    aug sep sept oct nov dec mon tue tues wed thu thur thurs fri sat sun
en: before_figures: jan feb mar apr jun jul aug sep sept oct nov dec no nos p pp vol ch chap fig
    sec art para apt ste rm ver tel ext approx est ca c
en: starters: the a an this that these those it it's its we you they he she i i'm i'll i've i'd
    we're we'll you're you'll they're there there's here here's what when where which who why how
    would could should can do does did is are was were have has had will shall may please thank
    thanks and but or so if then now also however after before another other our your my his her
    their let let's just once unless until while although because since for in on at from with to
    as by no not yes yeah all any both each every some many most either neither nothing something
    anything everything maybe perhaps okay ok sure great next finally first additionally otherwise
    alternatively today tomorrow yesterday tonight press bring ask come go see don't feel more only
    unfortunately sorry hello hi goodbye bye
en: joins: and but or because if when while where which who whose although unless until before after
    since so than whether
en: prepositions: with without for from to at by between through during including in on into about
en: numbers: zero oh nought one two three four five six seven eight nine ten eleven twelve thirteen
    fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy
    eighty ninety hundred thousand million billion first second third fourth fifth sixth seventh
    eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth twentieth thirtieth half
    quarter quarters dozen double triple point
en: units: euro euros dollar dollars pound pounds cent cents pence percent per degree degrees metre
    metres meter meters kilometre kilometres kilometer kilometers mile miles foot feet inch inches
    yard yards litre litres liter liters gram grams kilo kilos kilogram kilograms ounce ounces hour
    hours minute minutes second seconds day days week weeks month months year years night nights
    square cubic people persons guests times
en: links: and or to by point
de: never_last: z.b d.h u.a o.ä u.ä i.d.r s.o s.u v.a m.e z.t dr prof dipl ing hr nr tel
    ca bzw evtl ggf inkl exkl zzgl abzgl max bspw sog vgl geb verh
    jan feb mrz apr jun jul aug sep sept okt nov dez gem abs hrsg zz vorm nachm
de: titles: mo di mi do fr sa so mag art lt st str kap bd
de: perhaps_last: usw etc mio mrd std min sek jh chr uhr a.m p.m
de: starters: sie ich wir ihr du er es man das die der den dem des ein eine einen einem ist sind
    hat haben war waren kann können könnte könnten möchte möchten möchtest wollen soll sollen darf
    dürfen wird werden würde würden gibt bitte danke ja nein und oder aber also dann danach wenn
    falls was wie wo wann wer warum welche welcher welches für mit von bei nach in im am um auf zu
    zur zum bis ab hier da dort heute morgen jetzt gerne gern natürlich außerdem leider mein meine
    unser unsere ihre kein keine nicht noch passt geht alles so schön gut vielen wie brauchen
    benötigen rufen kommen
de: joins: und oder aber denn weil dass wenn ob damit sondern sowie bevor nachdem sobald während
    falls
de: prepositions: mit ohne für von bei nach vor seit zwischen durch bis in im am um zum zur beim vom
    über unter gegen wegen
de: numbers: null eins ein eine zwei zwo drei vier fünf sechs sieben acht neun zehn elf zwölf
    hundert tausend million millionen milliarde milliarden erste ersten zweite zweiten dritte
    dritten vierte vierten fünfte fünften sechste sechsten siebte siebten achte achten neunte
    neunten zehnte zehnten halb halbe viertel dutzend komma
de: units: euro cent prozent grad meter kilometer liter gramm kilo kilogramm stunde stunden minute
    minuten sekunden tag tage tagen woche wochen monat monate monaten jahr jahre jahren nächte uhr
    quadratmeter personen
de: links: und oder bis mal
es: never_last: sr sra srta sres dr dra d dña ud uds vd lic ing prof profa av avda núm nº pág págs
    p.ej p tel tfno aprox c cía art cap sto sta st dpto depto ej
es: perhaps_last: etc ee.uu s.a s.l a.m p.m a.c d.c
es: starters: el la los las un una yo usted ustedes él ella nosotros es son está están hay puede
    pueden quiere desea necesita por para en con de a y o pero si no sí qué cómo cuándo dónde
    cuál gracias entonces también además hoy mañana luego después le lo se su mi nuestro
es: joins: y e o u pero porque si cuando que quien donde aunque mientras
es: prepositions: con sin para por desde hasta durante entre en sobre según
es: numbers: cero uno una un dos tres cuatro cinco seis siete ocho nueve diez once doce trece
    catorce quince dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintidós veintitrés
    veinticuatro veinticinco treinta cuarenta cincuenta sesenta setenta ochenta noventa cien ciento
    doscientos doscientas trescientos cuatrocientos quinientos seiscientos setecientos ochocientos
    novecientos mil millón millones primero primera segundo tercero medio media cuarto docena coma
es: units: euro euros dólar dólares peso pesos céntimos por grado grados metro metros kilómetro
    kilómetros litro litros gramos kilo kilos hora horas minuto minutos segundos día días semana
    semanas mes meses año años noches personas
es: links: y o u a hasta por coma
fr: never_last: m mm mme mlle dr pr me st ste av bd blvd env p.ex ex c.-à-d n° no tél art chap réf
    min max h p pp apr janv févr avr juil sept oct nov déc
fr: perhaps_last: etc s.a a.m p.m
fr: starters: le la les l un une je j' nous vous il elle ils elles on c'est ce ces est sont
    avez-vous voulez-vous pouvez-vous y en pour avec dans à au et ou mais si non oui merci alors
    ensuite puis aussi votre notre mon quel quelle quand comment où que qui
fr: joins: et ou mais car puisque si quand lorsque qui que dont où
fr: prepositions: avec sans pour par chez depuis pendant avant après entre vers dans sur sous jusqu
fr: numbers: zéro un une deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze
    quinze seize vingt vingts trente quarante cinquante soixante septante nonante cent cents mille
    million millions milliard premier première deuxième troisième demi demie quart douzaine virgule
fr: units: euro euros dollar dollars centimes pour degrés mètre mètres kilomètre kilomètres litre
    litres grammes kilo kilos heure heures minute minutes secondes jour jours semaine semaines mois
    an ans année années nuits personnes
fr: links: et ou à virgule
it: never_last: sig sigg sig.ra sig.na dott dott.ssa dr prof prof.ssa ing avv arch geom rag n nr
    pag tel es p.es v art cap c.a ca s gent egr spett
it: perhaps_last: ecc etc s.p.a s.r.l a.m p.m
it: starters: il lo la i gli le un una io lei noi voi è sono ha hanno può vuole desidera per con
    in di a e o ma se no sì che cosa come quando dove quale grazie allora poi anche oggi domani
it: joins: e ed o oppure ma perché se quando che chi dove mentre
it: prepositions: con senza per da fino durante tra fra in nel nella nei nelle dal dalla su sul
    sulla dopo
it: numbers: zero uno una un due tre quattro cinque sei sette otto nove dieci undici dodici tredici
    quattordici quindici sedici diciassette diciotto diciannove venti trenta quaranta cinquanta
    sessanta settanta ottanta novanta cento mille mila milione milioni miliardo primo prima secondo
    terzo mezzo mezza quarto dozzina virgola
it: units: euro dollari centesimi per gradi metro metri chilometro chilometri litro litri grammi
    chilo chili ora ore minuto minuti secondi giorno giorni settimana settimane mese mesi anno anni
    notti persone
it: links: e ed o a virgola
pt: never_last: sr sra srta dr dra prof profa eng av r n nº tel aprox p.ex pág art cap exmo exma
    d st sto sta
pt: perhaps_last: etc ltda s.a a.m p.m
pt: starters: o a os as um uma eu você vocês ele ela nós é são está há pode quer deseja por para
    em com de e ou mas se não sim que como quando onde qual obrigado obrigada então também hoje
    amanhã
pt: joins: e ou mas porque se quando que quem onde enquanto
pt: prepositions: com sem para por desde até durante entre em no na nos nas sobre pelo pela
pt: numbers: zero um uma dois duas três quatro cinco seis sete oito nove dez onze doze treze catorze
    quatorze quinze dezesseis dezasseis dezessete dezoito dezenove vinte trinta quarenta cinquenta
    sessenta setenta oitenta noventa cem cento duzentos duzentas trezentos quatrocentos quinhentos
    seiscentos setecentos oitocentos novecentos mil milhão milhões primeiro primeira segundo
    terceiro meio meia quarto dúzia vírgula
pt: units: euro euros dólares real reais centavos cêntimos por grau graus metro metros quilômetro
    quilômetros quilómetros litro litros gramas quilo quilos hora horas minuto minutos segundos dia
    dias semana semanas mês meses ano anos noites pessoas
pt: links: e ou a até vírgula
nl: never_last: dhr mevr mw dr drs ir ing mr prof nr tel bijv d.w.z ca o.a t.a.v t.n.v str blz
    a.u.b evt incl excl m.b.t i.p.v i.v.m resp jl
nl: perhaps_last: enz etc b.v n.v
nl: starters: de het een ik u wij we jij je hij zij ze dat dit is zijn heeft hebben kan kunt wilt
    wil voor met van in op en of maar als nee ja wat hoe wanneer waar welke dan ook daarna vandaag
    morgen uw onze mijn dank bedankt graag
nl: joins: en of maar want omdat als wanneer die dat waar terwijl zodat sinds
nl: prepositions: in op met zonder voor van bij naar tijdens tussen door tot over tegen
nl: numbers: nul een één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien
    vijftien zestien zeventien achttien negentien twintig honderd duizend miljoen miljard eerste
    tweede derde vierde vijfde half halve kwart dozijn komma
nl: units: euro cent procent graden meter kilometer liter gram kilo uur uren minuut minuten seconden
    dag dagen week weken maand maanden jaar jaren nachten personen
nl: links: en of tot bij komma
da: never_last: f.eks bl.a dvs kl ca nr tlf hr fr dr prof mdl inkl ekskl max min evt iflg jf vedr
da: perhaps_last: osv m.m m.v etc kr stk
no: never_last: f.eks bl.a dvs kl ca nr tlf hr fr dr prof mnd inkl ekskl maks min evt iht ang
no: perhaps_last: osv m.m m.v etc kr stk
sv: never_last: t.ex bl.a dvs kl ca nr tel s.k dr prof st fr.o.m t.o.m inkl exkl max min ev ang
sv: perhaps_last: osv m.m etc kr
fi: never_last: esim ns klo n puh tri prof nro os ko ts mm v
fi: perhaps_last: jne ym yms etc
pl: never_last: ul al pl mgr inż prof np tzn m.in tel godz ok św os min maks tj wg im dr nr p
pl: perhaps_last: itd itp etc r zł
cs: never_last: např tj tzn č ul tel hod min ing mgr bc mudr judr phdr doc prof p pí cca sv nám
    max dr str
cs: perhaps_last: atd apod kč etc
sk: never_last: napr tj tzn č ul tel hod min ing mgr bc mudr judr phdr doc prof p cca sv nám dr str
sk: perhaps_last: atď a.i etc
hu: never_last: pl kb ill dr ún u tel sz ker em min max id özv
hu: perhaps_last: stb db
tr: never_last: dr prof doç av sn bkz örn tel no sok cad mah apt
tr: perhaps_last: vb vs
hr: never_last: npr tj dr prof ul br tel sv str čl oko gđa g
hr: perhaps_last: itd sl
sl: never_last: npr tj dr prof ul št tel sv g ga
sl: perhaps_last: itd ipd
ru: never_last: т.е ул д кв пр им стр см напр тел ок проф г-н г-жа доц акад
ru: perhaps_last: т.д т.п г гг руб коп др
uk: never_last: т.зв вул буд кв пр ім стор див напр тел проф
uk: perhaps_last: т.д т.п р рр грн коп ін
ar: joins: أو لكن لأن إذا عندما حيث حين بينما التي الذي الذين الذى
ar: prepositions: من في على إلى عن مع بعد قبل حتى خلال بدون
he: joins: או אבל כי אם כאשר אשר
he: prepositions: עם בלי עבור אחרי לפני עד בשביל
cmn: joins: 但是 因为 所以 如果 而且 并且 或者 以及 然后 不过 虽然 因為 並且 而且 雖然 還有 还有
th: joins: และ หรือ เพราะ ซึ่ง สำหรับ ถ้า เนื่องจาก
"""


def _begun(abbreviations: frozenset[str]) -> frozenset[str]:
    return frozenset(name[:at] for name in abbreviations for at, c in enumerate(name) if c == ".")


def _read(table: str) -> dict[str, Language]:
    words: dict[str, dict[str, frozenset[str]]] = {code: {} for code in sorted(_ORDINAL_DOT)}
    for entry in table.strip().replace("\n    ", " ").splitlines():
        code, kind, listed = entry.split(": ", 2)
        words.setdefault(code, {})[kind] = frozenset(listed.split())
    for kinds in words.values():
        kinds["never_last"] = kinds.get("never_last", _ALL_NEVER) | {"e.g", "i.e"}
        kinds["perhaps_last"] = kinds.get("perhaps_last", frozenset()) | {"etc"}
        kinds["begun"] = _begun(kinds["never_last"] | kinds["perhaps_last"])
    return {
        code: Language(
            code,
            has_ordinal_dot=code in _ORDINAL_DOT,
            has_capital_nouns=code == "de",
            **kinds,
        )
        for code, kinds in words.items()
    }


_LANGUAGES = _read(_TABLE)
