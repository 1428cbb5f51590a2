"""The receptionist behind the interface of a model."""

import json
from pathlib import Path

import pytest
from tests.language_packs.english_words import english_words
from tests.support import ROOT

from avr_sts_speechmatics.conversation import Message
from avr_sts_speechmatics.errors import ServiceError
from avr_sts_speechmatics.language_packs import pack_for
from avr_sts_speechmatics.services.llm.protocol import AnswerForm, Brief
from avr_sts_speechmatics.services.llm.scripted import Receptionist, ScriptedLlm, load_faq


async def test_the_receptionist_answers_as_a_model_would_be_asked() -> None:
    llm = ScriptedLlm(Receptionist(load_faq(None)))
    await llm.warm_up()
    history = [
        Message("assistant", "Hello, how can I help you?"),
        Message("user", "What are your opening hours on Saturday?"),
    ]
    brief = Brief("Any instructions.")
    first = "".join([str(text) async for text in llm.reply(brief, history)])
    assert "Saturday" in first
    history += [Message("assistant", first), Message("user", "Could you repeat that, please?")]
    again = "".join([str(text) async for text in llm.reply(brief, history)])
    assert first in again
    await llm.close()


async def test_the_receptionist_fills_in_a_form_from_its_memory_or_says_why_not() -> None:
    llm = ScriptedLlm(Receptionist(load_faq(None)))
    said = json.dumps([{"speaker": "caller", "said": "My name is Anna."}])

    async def filled(*names: str) -> str:
        schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
        brief = Brief("Fill in.", answer=AnswerForm("outcome", schema, None, 100))
        asked = [Message("user", f"Transcript:\n{said}")]
        return "".join([str(text) async for text in llm.reply(brief, asked)])

    assert json.loads(await filled("caller_name", "mood")) == {"caller_name": "Anna"}
    with pytest.raises(ServiceError, match="no model is set"):
        await filled("mood")


# --- another language ----------------------------------------------------------------------------

CODES = ["de", "it", "fr", "es", "pt", "nl"]
BUILT_IN = ROOT / "src/avr_sts_speechmatics/receptionist/faq.yaml"


async def answer(llm: ScriptedLlm, language: str, *said: str) -> str:
    history = [Message("user", text) for text in said]
    brief = Brief("Any instructions.", language=language)
    return "".join([str(text) async for text in llm.reply(brief, history)])


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("said", ["", "operator", "Open Saturday?", "1 2 3 4", "Goodbye!"])
async def test_in_another_language_the_receptionist_says_no_english_word(
    code: str, said: str
) -> None:
    pack = pack_for(code)
    assert pack is not None
    llm = ScriptedLlm(Receptionist(load_faq(None)))
    text = await answer(llm, code, *([said] if said else []))
    greeting = pack.receptionist.greeting.format(company="Riverside Repairs")
    assert text == (pack.receptionist.refusal if said else greeting)
    assert not english_words(text)


async def test_the_operators_faq_answers_in_the_language_of_the_operator(tmp_path: Path) -> None:
    faq = tmp_path / "faq.yaml"
    faq.write_text(
        BUILT_IN.read_text(encoding="utf-8")
        + "  - answer: Wir haben einen großen Parkplatz.\n"
        + "    keywords: [parkplätze, parken]\n"
        + "    questions: [Wo kann ich parken]\n",
        encoding="utf-8",
    )
    llm = ScriptedLlm(Receptionist(load_faq(faq)), own_faq=True)
    assert await answer(llm, "de", "Haben Sie Parkplätze?") == "Wir haben einen großen Parkplatz."
    assert "anders fragen" in await answer(llm, "de-AT", "Was ist der Sinn des Lebens?")


async def test_in_a_language_without_a_pack_the_receptionist_says_nothing() -> None:
    assert await answer(ScriptedLlm(Receptionist(load_faq(None))), "cmn", "您好") == ""
