"""The live events of real calls, and the calls that an operator ends or transfers."""

import asyncio
from pathlib import Path

import pytest
from tests.avr_core import dial
from tests.console.served import Port, following
from tests.support import Serve, until, url_of

from avr_sts_speechmatics.sandbox import stt_messages
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox, scripted, turn
from avr_sts_speechmatics.server import Server

QUESTION = turn("When do you close?", start=0.2, end=0.8)
UUID = "0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2"


def port_of(server: Server) -> Port:
    return Port(*server.addresses[0])


async def test_a_call_is_followed_from_its_beginning_to_its_end(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five. Good bye."])) as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
    ):
        assert await events.next() == ("snapshot", {"words": True, "calls": []})
        async with dial(url_of(server, "/?from=100&to=200")) as core:
            await core.init(UUID)
            began = await events.until("began", uuid=UUID)
            assert began["state"] == "arriving"
            assert (began["caller_number"], began["called_number"]) == ("100", "200")
            assert began["transport"] == "avr-websocket"
            key = began["key"]
            await core.stay(1.6)
            said = await events.until("words", key=key, speaker="caller", final=True)
            assert said["text"] == "When do you close?"
            await events.until("state", key=key, state="thinking")
            await events.until("state", key=key, state="speaking")
            heard = await events.until("words", key=key, speaker="agent", final=True)
            assert heard["text"] == "At five."
            await events.until("state", key=key, state="listening")
        ended = await events.until("ended", key=key)
    assert ended["reason"] == "caller"
    assert ended["turns"] == 1
    assert len(set(events.ids)) == len(events.ids)


async def test_who_comes_later_or_again_receives_a_snapshot(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
        dial(url_of(server)) as core,
    ):
        await core.init(UUID)
        await core.stay(1.6)
        await core.until(lambda heard: heard.said("agent") == "At five.")
        for headers in ((), ("Last-Event-ID: 17f-1-5",)):
            async with following(*server.addresses[0], *headers) as events:
                name, snapshot = await events.next()
                assert name == "snapshot"
                (call,) = snapshot["calls"]
                assert call["uuid"] == UUID
                assert call["caller_says"] == {"text": "When do you close?", "final": True}
                assert call["agent_says"] == {"text": "At five.", "final": True}


async def test_below_transcripts_no_word_and_no_digit_is_shown(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        running_sandbox(scripted(QUESTION, answers=["At five."])) as cloud,
        serve(cloud, history="calls", data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
        dial(url_of(server)) as core,
    ):
        seen = [await events.next()]
        await core.init(UUID)
        await core.send({"type": "dtmf_digit", "digit": "7"})
        await core.stay(1.6)
        await core.until(lambda heard: heard.said("agent") == "At five.")
        await core.hang_up()
        while seen[-1][0] != "ended":
            seen.append(await events.next())
    kinds = [name for name, _ in seen]
    assert "words" not in kinds
    assert [data["digit"] for name, data in seen if name == "key"] == [None]
    assert "five" not in str(seen)
    assert "close?" not in str(seen)


async def test_a_call_that_the_operator_ends_says_goodbye(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
        dial(url_of(server)) as core,
    ):
        await core.init(UUID)
        key = (await events.until("began"))["key"]
        response = await port_of(server).ask(f"/api/v1/calls/{key}/hangup", method="POST")
        assert (response.status, response.json()) == (202, {"key": key, "leaving": True})
        heard = await core.until_closed()
        ended = await events.until("ended", key=key)
        again = await port_of(server).ask(f"/api/v1/calls/{key}/hangup", method="POST")
    assert "oodbye" in heard.said("agent")
    assert (ended["reason"], ended["ended_by"]) == ("operator", "operator")
    assert again.status == 404


async def test_a_transfer_goes_only_where_it_may(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, data_dir=tmp_path) as server,
        following(*server.addresses[0]) as events,
        dial(url_of(server)) as core,
    ):
        await core.init(UUID)
        key = (await events.until("began"))["key"]
        path = f"/api/v1/calls/{key}/transfer"
        port = port_of(server)
        nowhere = await port.ask(path, method="POST", body={"extension": "700"})
        assert (nowhere.status, "TRANSFER_ALLOW" in nowhere.error) == (409, True)
        for body in ({}, {"extension": 7}, {"extension": "7\n0"}, {"extension": "7", "x": 1}):
            wrong = await port.ask(path, method="POST", body=body)
            assert wrong.status == 400
        key_of_nobody = "0" * 32
        unknown = await port.ask(
            f"/api/v1/calls/{key_of_nobody}/transfer", method="POST", body={"extension": "7"}
        )
        assert unknown.status == 404
        malformed = await port.ask("/api/v1/calls/7/hangup", method="POST")
        assert (malformed.status, "32 hexadecimal" in malformed.error) == (400, True)
        assert server.health()["calls"] == 1, "the call goes on"


async def test_a_heartbeat_keeps_the_connection_and_the_service_ends_it(
    serve: Serve, tmp_path: Path
) -> None:
    async with running_sandbox() as cloud:
        async with serve(cloud, data_dir=tmp_path) as server:
            reader, writer = await asyncio.open_connection(*server.addresses[0])
            writer.write(b"GET /api/v1/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
            await reader.readuntil(b"\n\n")
            await until(lambda: len(server._reception.waiting) == 0)
            stopping = asyncio.create_task(server.drain(replaced=False))
            await stopping
        # The service has stopped: it said so, and closed the connection.
        rest = await reader.read()
        writer.close()
    assert b"event: closing" in rest


async def test_further_readers_than_the_bound_are_refused(serve: Serve, tmp_path: Path) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, data_dir=tmp_path) as server,
    ):
        server.live._readers_max = 1
        async with following(*server.addresses[0]) as events:
            await events.next()
            response = await port_of(server).ask("/api/v1/live")
            assert response.status == 503
            assert "close one" in response.error
        await until(lambda: not server.live.listened)
        async with following(*server.addresses[0]) as events:
            await events.next()


async def test_a_reader_that_does_not_keep_up_is_cut_off_and_no_call_notices(
    serve: Serve, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
        dial(url_of(server)) as core,
    ):
        await core.init(UUID)
        _, writer = await asyncio.open_connection(*server.addresses[0], limit=1024)
        writer.write(b"GET /api/v1/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await until(lambda: server.live.listened)
        text = "x" * 1000
        for number in range(20_000):  # far more than all buffers on the way hold
            server.live.publish("words", {"key": "k", "speaker": "caller", "text": text})
            if number % 100 == 0:
                await asyncio.sleep(0)
            if not server.live.listened:
                break
        await until(lambda: not server.live.listened)
        writer.close()
        assert "it does not keep up and is cut off" in caplog.text
        assert server.health()["calls"] == 1
        cloud.received.sessions[0].say(stt_messages.segment("Hello?", 0.5, 1.0))
        cloud.received.sessions[0].say(stt_messages.end_of_turn(1.0))
        await core.until(lambda heard: heard.said("user") == "Hello?")
