"""Whole calls in other languages: nothing that reaches the voice is English.

The second voice speaks, on the wire of `/v1/audio/speech`. What an English call says by itself
(welcome, prompts, fillers, apology, goodbye, figures) comes from the language pack, or from the
operator where the language has no pack.
"""

import asyncio
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.calls.live_call import (
    OWN_TOOLS,
    LiveCall,
    Rig,
    asks_for,
    desk,
    live_call,
    live_service,
)
from tests.language_packs.english_words import english_words
from tests.support import Serve

from avr_sts_speechmatics.language_packs import LanguagePack, pack_for
from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.faults import RefuseKey
from avr_sts_speechmatics.sandbox.scripted_cloud import Thought, ToneTts

CHARACTER_S = 0.01

FRIENDS = {"de": {"die"}, "nl": {"of"}, "fr": {"centimes", "six"}}
"""Words that the language shares with English."""


@pytest.fixture(autouse=True)
def any_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recogniser that hears every language: the scripted one has no ears anyway."""
    monkeypatch.setattr(stt_messages, "_check_language", lambda language: None)


class Talk(NamedTuple):
    """What is said in a call besides the texts of the pack.

    question: of the caller.
    price: an answer with a figure, and how the voice says the figure.
    long: an answer that is long enough to be interrupted.
    backchannel: of the caller, over the long answer.
    interruption: of the caller, over the long answer.
    short: the answer to the interruption.
    """

    question: str
    price: str
    figure: str
    long: str
    backchannel: str
    interruption: str
    short: str


TALKS = {
    "en": Talk(
        "When is my booking?",
        "It is at 14:30 and costs 25 euros.",
        "It is at two thirty p.m. and costs twenty-five euros.",
        "We are open from Monday to Friday from nine to five and closed on the weekend, as ever.",
        "Yeah.",
        "No, I want another day.",
        "Good.",
    ),
    "de": Talk(
        "Wann ist mein Termin?",
        "Er ist um 14:30 Uhr und kostet 25 Euro.",
        "Er ist um vierzehn Uhr dreißig und kostet fünfundzwanzig Euro.",
        "Wir haben von Montag bis Freitag von früh bis spät geöffnet und samstags geschlossen.",
        "Ja, genau.",
        "Nein, ich möchte einen anderen Tag.",
        "Gerne.",
    ),
    "it": Talk(
        "Quando è il mio appuntamento?",
        "È alle 14:30 e costa 25 euro.",
        "È alle quattordici e trenta e costa venticinque euro.",
        "Siamo aperti da lunedì a venerdì dalla mattina alla sera e chiusi nei giorni festivi.",
        "Sì, certo.",
        "No, vorrei un altro giorno.",
        "Volentieri.",
    ),
    "fr": Talk(
        "Quand est mon rendez-vous ?",
        "Il est à 14h30 et coûte 25 euros.",
        "Il est à quatorze heures trente et coûte vingt-cinq euros.",
        "Nous sommes ouverts du lundi au vendredi toute la journée et fermés le reste du temps.",
        "D'accord.",
        "Non, je veux un autre jour.",
        "Volontiers.",
    ),
    "es": Talk(
        "¿Cuándo es mi cita?",
        "Es a las 14:30 y cuesta 25 euros.",
        "Es a las catorce y treinta y cuesta veinticinco euros.",
        "Abrimos de lunes a viernes desde la mañana hasta la noche y cerramos los fines de semana.",
        "Sí, vale.",
        "No, quiero otro día.",
        "Con gusto.",
    ),
    "pt": Talk(
        "Quando é a minha marcação?",
        "É às 14:30 e custa 25 euros.",
        "É às catorze e trinta e custa vinte e cinco euros.",
        "Abrimos de segunda a sexta desde a manhã até à noite e fechamos durante o fim de semana.",
        "Sim, claro.",
        "Não, quero outro dia.",
        "Com gosto.",
    ),
    "nl": Talk(
        "Wanneer is mijn afspraak?",
        "Die is om 14:30 uur en kost 25 euro.",
        "Die is om veertien uur dertig en kost vijfentwintig euro.",
        "Wij zijn open van maandag tot vrijdag van de morgen tot de avond en dicht in het weekend.",
        "Ja, precies.",
        "Nee, liever een andere dag.",
        "Graag.",
    ),
}


def pack_of(code: str) -> LanguagePack:
    pack = pack_for(code)
    assert pack is not None
    return pack


def asked_of_the_voice(rig: Rig) -> list[str]:
    """Every text that a voice was asked to speak, kept phrases included."""
    bodies = [request.body for request in rig.cloud.received.speech]
    return [body.get("text") or body.get("input") for body in bodies]


async def live_through(call: LiveCall, talk: Talk) -> None:
    """Hear the welcome, the first prompt, a filler, a figure; interrupt; hear an apology, and the
    goodbye to a caller who stays silent."""
    await call.until(lambda heard: bool(heard.transcript))
    prompted = len(call.heard.of("transcript"))
    await call.until(lambda heard: len(heard.of("transcript")) > prompted)
    call.say(talk.question)
    await call.until_came(lambda: len(call.cloud.received.chats) == 1)
    filled = len(call.heard.said("agent"))
    await call.until(lambda heard: len(heard.said("agent")) > filled)  # a filler
    desk().may_end.set()
    await until_said(call, talk.price)
    call.say(talk.question)
    await until_heard(call, 0.3)
    call.say_partly(talk.backchannel)
    await until_heard(call, 0.2)
    assert not call.heard.of("interruption"), "a backchannel does not interrupt"
    call.say_partly(talk.interruption)
    await call.until(lambda heard: bool(heard.of("interruption")))
    call.end_turn()
    await until_said(call, talk.short)
    call.cloud.faults.add(RefuseKey(part="llm"))
    call.say(talk.question)
    await call.until_closed()


async def until_said(call: LiveCall, text: str) -> None:
    """Wait until a text is among what the agent said; Chinese has no spaces between sentences."""
    wanted = text.replace(" ", "")
    await call.until(lambda heard: wanted in heard.said("agent").replace(" ", ""))


async def until_heard(call: LiveCall, seconds: float) -> None:
    """Wait until the agent has spoken for so long from now on."""
    frames = len(call.heard.frames)
    await call.until(lambda heard: len(heard.frames) >= frames + seconds / 0.02)


def settings_of(code: str, **changes: Any) -> dict[str, Any]:
    return {
        "speechmatics_language": code,
        "speechmatics_welcome_message": None,
        "voice_fallback": "openai",
        "voice": ToneTts(seconds_per_character=CHARACTER_S),
        "tools_dir": OWN_TOOLS,
        "filler_after_ms": 200.0,
        "no_input_s": 0.5,
        "preemptive": "off",
        "farewell_margin_ms": 0.0,
        **changes,
    }


def answers_of(talk: Talk) -> tuple[Thought, ...]:
    return [asks_for("slow_booking")], talk.price, talk.long, talk.short


@pytest.mark.parametrize("code", [code for code in TALKS if code != "en"])
async def test_a_whole_call_has_no_english_word(serve: Serve, code: str) -> None:
    pack, talk = pack_of(code), TALKS[code]
    async with live_service(serve, *answers_of(talk), **settings_of(code)) as rig:
        assert not [text for text in rig.server.warnings if "phrases" in text]
        async with rig.call() as call:
            await live_through(call, talk)
            said = call.heard.said("agent")
        for text in (pack.welcome, pack.prompts[0], pack.sorry, pack.goodbye, talk.short):
            assert text in said, text
        assert any(filler in said for filler in pack.fillers)
        assert talk.figure in asked_of_the_voice(rig)
        assert {request.path for request in rig.cloud.received.speech} == {"/v1/audio/speech"}
        for text in asked_of_the_voice(rig):
            friends = frozenset(FRIENDS.get(code, set()))
            assert not english_words(text.replace("-", " "), also=friends | {"euros"}), text
            assert not re.search(r"\d", text)
        system = rig.cloud.received.chats[0].body["messages"][0]["content"]
        assert system.startswith(pack.instructions)


OPERATORS = {
    "cmn": (
        """
language: cmn
instructions: 您是一位友好的电话客服。请用中文回答。
welcome: 您好，请问有什么可以帮您？
manners:
  sorry: 对不起，刚才出了点问题，请再说一遍。
  wait: 请稍等。
  farewell: 对不起，系统出现故障，请稍后再打。
  goodbye: 感谢您的来电，再见。
  transferring: 请稍等，正在为您转接。
  prompts: [您还在吗？, 我听不到您的声音。]
  fillers: [请稍等。, 我查一下。]
  barge_in_backchannels: [嗯, 好, 好的, 对]
""",
        Talk(
            "我的预约是什么时候？",
            "预约在下午两点半，费用是二十五元。",
            "",
            "我们的营业时间是周一到周五上午九点到下午五点，周末休息，欢迎您随时来电咨询，谢谢您的耐心等待。"
            * 2,
            "嗯，好的",
            "不，我想改到别的时间",
            "好的，没问题。",
        ),
    ),
    "ar": (
        """
language: ar
instructions: أنت موظف هاتف ودود. أجب بالعربية.
welcome: مرحبا، كيف يمكنني مساعدتك؟
manners:
  sorry: عذرا، حدثت مشكلة. هل يمكنك الإعادة من فضلك؟
  wait: لحظة من فضلك.
  farewell: عذرا، لدينا مشكلة تقنية. اتصل لاحقا من فضلك.
  goodbye: شكرا لاتصالك. مع السلامة.
  transferring: لحظة من فضلك، سأحولك الآن.
  prompts: [هل ما زلت على الخط؟, لا أسمعك.]
  fillers: [لحظة واحدة., دعني أتحقق.]
  barge_in_backchannels: [نعم, حسنا, تمام]
""",
        Talk(
            "متى موعدي؟",
            "موعدك في الثانية والنصف وسعره خمسة وعشرون دينارا.",
            "",
            "نحن نعمل من الأحد إلى الخميس من الصباح حتى المساء ونغلق في نهاية الأسبوع.",
            "نعم، تمام",
            "لا، أريد يوما آخر",
            "بكل سرور.",
        ),
    ),
}


@pytest.mark.parametrize("code", list(OPERATORS))
async def test_a_call_with_the_phrases_of_the_operator_has_no_english_word(
    serve: Serve, tmp_path: Path, code: str
) -> None:
    written, talk = OPERATORS[code]
    (tmp_path / "default.yaml").write_text(written, encoding="utf-8")
    changes = settings_of(code, agents_dir=tmp_path)
    async with live_service(serve, *answers_of(talk), **changes) as rig:
        assert not [text for text in rig.server.warnings if "phrases" in text]
        async with rig.call() as call:
            await live_through(call, talk)
            messages = call.requests[-1]
        texts = asked_of_the_voice(rig)
        assert texts
        assert not [text for text in texts if re.search(r"[A-Za-z0-9]", text)]
        cut = next(
            one["content"] for one in messages if talk.long.startswith(str(one["content"])[:12])
        )
        heard = re.split(r"…? ?\[", cut)[0]
        assert 0.1 <= len(heard) / len(talk.long) <= 0.95, "the history has what was heard"


@pytest.mark.parametrize("code", ["en", *OPERATORS])
async def test_the_first_sentence_of_an_answer_is_heard_while_the_second_is_written(
    serve: Serve, code: str
) -> None:
    talk = TALKS["en"] if code == "en" else OPERATORS[code][1]
    more = asyncio.Event()
    answer: Thought = [talk.short if code == "cmn" else f"{talk.short} ", more, talk.price]
    changes = settings_of(code, no_input_s=0.0, speechmatics_welcome_message="")
    async with live_service(serve, answer, **changes) as rig, rig.call() as call:
        call.say(talk.question)
        await until_heard(call, 0.02)
        assert not more.is_set()
        more.set()
        await until_said(call, talk.price)


@pytest.mark.parametrize("code", ["de", "it", "fr", "es", "pt", "nl"])
async def test_notices_are_in_the_language_of_the_agent(serve: Serve, code: str) -> None:
    pack = pack_of(code)
    both = {"disclosure": "on", "recording_notice": "on", "no_input_s": 0.0}
    async with live_call(serve, **settings_of(code, **both)) as call:
        await call.until_said(f"{pack.recording_notice} {pack.disclosure} {pack.welcome}")
