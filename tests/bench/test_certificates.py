"""The certificate of a run is accepted by a client that trusts it, and by no other."""

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from bench.ledger import Delays, Ledger
from bench.load import cloud

from bench import certificates

DELAYS = Delays(settled=0.04, speech_end=0.1, stt=0.1, llm=0.0, voice=0.0)


async def test_the_synthetic_services_are_reached_over_tls(tmp_path: Path) -> None:
    certificate, key = certificates.make(tmp_path)
    tls = certificates.served(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with cloud(Ledger(), DELAYS, tls=tls) as (stt, web), aiohttp.ClientSession() as http:
        url = f"https://{certificates.HOST}:{web}/v1/models"
        async with http.get(url, ssl=trusting) as answer:
            assert answer.status == 200
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(url)
        _, writer = await asyncio.open_connection(certificates.HOST, stt, ssl=trusting)
        writer.close()
        await writer.wait_closed()
