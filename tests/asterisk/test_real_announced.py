"""Calls that the dialplan announces by `POST /call`, as those made for AVR do, by a real Asterisk.

What was announced is known to the agent and to the operator's webhooks, and where only announced
calls are taken nobody else comes in, whichever door they try.
"""

from tests.asterisk.agent_cloud import agent_cloud, answer, answer_to_keys
from tests.asterisk.callers import dial, heard_whole
from tests.asterisk.etc import USER
from tests.asterisk.report import Report
from tests.asterisk.rig import Rig
from tests.asterisk.service import serving
from tests.asterisk.tone_callers import Saying, text_of, utterance
from tests.asterisk.ways import WAYS, Way, by_every_way
from tests.webhook_target import Target, webhook_target

ANNOUNCED = Way(6, "announced", "5010")
WELCOME = "Welcome {from} at {to}."
CALLS = 10


async def test_an_announced_call_is_known_to_the_agent_and_its_events_come_in_order(
    rig: Rig,
) -> None:
    async with (
        webhook_target() as target,
        agent_cloud(CALLS) as (cloud, ears),
        serving(
            cloud,
            rig.ports,
            require_call="true",
            webhook_url=target.url,
            webhook_secret="a-secret-of-ours",
            speechmatics_welcome_message=WELCOME,
        ),
    ):
        async with dial(rig, ANNOUNCED) as phone:
            await phone.until_spoken_to()
            (welcome,) = [str(request.body["text"]) for request in cloud.received.speech][-1:]
            phone.say(utterance(ANNOUNCED.number, Saying.QUESTION))
            await phone.until(lambda: not phone.speaking)
            await phone.stay(1.5)
            phone.say(utterance(ANNOUNCED.number, Saying.STOP))
            await ears.turn(text_of(ANNOUNCED.number, Saying.STOP))
            await phone.until_spoken_to()
            phone.press("5")
            await phone.stay(0.4)
            phone.press("#")
            await phone.until_spoken_to()
            phone.say(utterance(ANNOUNCED.number, Saying.GOODBYE))
            await phone.until_hung_up()
        await target.until(lambda: "call_ended" in kinds(target))

    heard_whole(
        phone,
        [
            welcome,
            *answer(ANNOUNCED.number, Saying.STOP),
            *answer_to_keys("5"),
            *answer(ANNOUNCED.number, Saying.GOODBYE),
        ],
    )
    assert len({event["uuid"] for event in target.events}) == 1
    assert target.events[0]["payload"] == {"from": USER, "to": ANNOUNCED.extension}
    assert {r.headers["X-AVR-WEBHOOK-SECRET"] for r in target.requests} == {"a-secret-of-ours"}
    told = [(event["type"], event["payload"]) for event in target.events]
    # How much of it was heard depends on when the caller was noticed.
    broken_off = told.pop(5)[1]["text"]
    assert broken_off
    assert answer(ANNOUNCED.number, Saying.QUESTION)[0].startswith(broken_off)
    ended = told[-1][1]
    assert (ended["reason"], ended["turns"]) == ("agent", 4)
    assert 5 < ended["duration_s"] < 60
    known = {"from": USER, "to": ANNOUNCED.extension}
    assert told == [
        ("call_initiated", known),
        ("call_started", known),
        agent(WELCOME.format(**known)),
        user(text_of(ANNOUNCED.number, Saying.QUESTION)),
        ("interruption", {}),
        user(text_of(ANNOUNCED.number, Saying.STOP)),
        *map(agent, answer(ANNOUNCED.number, Saying.STOP)),
        ("dtmf_digit", {"digit": "5"}),
        ("dtmf_digit", {"digit": "#"}),
        user("[keys: 5]"),
        *map(agent, answer_to_keys("5")),
        user(text_of(ANNOUNCED.number, Saying.GOODBYE)),
        *map(agent, answer(ANNOUNCED.number, Saying.GOODBYE)),
        ("call_ended", ended),
    ]


def agent(text: str) -> tuple[str, dict[str, str]]:
    return "transcription", {"role": "agent", "text": text}


def user(text: str) -> tuple[str, dict[str, str]]:
    return "transcription", {"role": "user", "text": text}


def kinds(target: Target) -> list[str]:
    return [event["type"] for event in target.events]


async def test_who_was_not_announced_is_sent_away_by_every_door(rig: Rig, report: Report) -> None:
    async with (
        agent_cloud(CALLS) as (cloud, _),
        serving(
            cloud, rig.ports, require_call="true", speechmatics_welcome_message=WELCOME
        ) as service,
    ):
        spoken = len(cloud.received.speech)

        async def scenario(way: Way) -> None:
            async with dial(rig, way) as phone:
                ended = await phone.until_hung_up(timeout=5)
            assert phone.sound_at == 0
            report.add(
                "refused: not announced",
                way.name,
                hung_up_after_ms=round(1000 * (ended - phone.answered_at)),
            )

        await by_every_way(scenario)
        assert cloud.received.sessions == []
        assert len(cloud.received.speech) == spoken
        log = service.log()
    assert log.count("refused: it was not announced (REQUIRE_CALL)") == len(WAYS) - 1
    assert log.count("refused: the call was not announced by POST /call (REQUIRE_CALL)") == 1
    assert "call begins" not in log
