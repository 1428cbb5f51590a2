"""JavaScript tools written for AVR: offered as they are, and harmless whatever they do."""

import asyncio
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support import until

from avr_sts_speechmatics.conversation import ToolCall
from avr_sts_speechmatics.errors import SettingsError
from avr_sts_speechmatics.line import Caller
from avr_sts_speechmatics.tools import javascript_files, tool_runner
from avr_sts_speechmatics.tools.tool_runner import Toolbox, open_toolbox

CALLER = Caller("0b7f6a52-8f8e-4c0e-9a77-51a4e8a3b1d2", "avr-websocket", {})

BOOKING = """
let asked = 0;
module.exports = {
  name: 'find_booking',
  description: 'Look up a booking by its code.',
  input_schema: {
    type: 'object', properties: { code: { type: 'string' } }, required: ['code'],
  },
  handler: async (uuid, args) => `${uuid} ${args.code} ${++asked}`,
};
"""

BAD = {
    "throws": "handler: async () => { throw new Error('no such table') }",
    "throws_early": "handler: () => { throw new Error('no such table') }",
    "exits": "handler: async () => { process.exit(3) }",
    "spins": "handler: () => { for (;;) {} }",
    "waits": "handler: () => new Promise(() => {})",
    "prints": "handler: async () => { console.log('{\"jsonrpc\":'); return 'printed' }",
    "crashes": "handler: async () => { setImmediate(() => { throw new Error('late') }); "
    "return new Promise(() => {}) }",
    "says_nothing": "handler: async () => undefined",
    "says_an_object": "handler: async () => ({ a: [1] })",
}


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder


@asynccontextmanager
async def toolbox(folder: Path, *, timeout_s: float = 5) -> AsyncIterator[Toolbox]:
    opened = await open_toolbox(None, None, folder, timeout_s=timeout_s, first_try_s=20)
    try:
        yield opened
    finally:
        await opened.close(finish=False)


async def run(tools: Toolbox, name: str, arguments: str = "{}") -> str:
    return await tools.run(ToolCall("1", name, arguments), CALLER)


async def test_a_tool_is_offered_under_its_name_and_gets_the_uuid(tmp_path: Path) -> None:
    folder = write(tmp_path / "tools", find_booking=BOOKING)
    async with toolbox(folder) as tools:
        (spec,) = tools.specs(None)
        assert spec.name == "find_booking"
        assert spec.description == "Look up a booking by its code."
        assert spec.parameters["required"] == ["code"]
        assert await run(tools, "find_booking", '{"code": "KX"}') == f"{CALLER.uuid} KX 1"
        # The module keeps its state, as in AVR's own connectors.
        assert await run(tools, "find_booking", '{"code": "KX"}') == f"{CALLER.uuid} KX 2"
        assert "arguments do not fit" in await run(tools, "find_booking", "{}")


@pytest.mark.timeout(120)
async def test_whatever_a_tool_does_the_others_go_on(tmp_path: Path) -> None:
    bad = {name: f"module.exports = {{ name: '{name}', {text} }}" for name, text in BAD.items()}
    files = bad | {"find_booking": BOOKING, "broken": "module.exports = ("}
    files |= {"empty": "", "avr_transfer": "module.exports = {name: 'avr_transfer', handler(){}}"}
    async with toolbox(write(tmp_path / "tools", **files), timeout_s=2) as tools:
        assert {spec.name for spec in tools.specs(None)} == {*bad, "find_booking"}
        found = await asyncio.gather(*(run(tools, name) for name in bad))
        results = dict(zip(bad, found, strict=True))
        assert "no such table" in results["throws"]
        assert "no such table" in results["throws_early"]
        assert "ended its process" in results["exits"]
        assert "late" in results["crashes"]
        assert results["prints"] == "printed"
        assert results["says_an_object"] == '{"a":[1]}'
        for name in ("spins", "waits"):
            assert "did not finish within 2 seconds" in results[name]
        assert (await run(tools, "find_booking", '{"code": "A"}')).endswith(" A 1")
        # And each of them again: its thread is started anew.
        assert "ended its process" in await run(tools, "exits")
        assert "no such table" in await run(tools, "throws")


async def test_the_program_ends_with_the_toolbox(tmp_path: Path) -> None:
    write(tmp_path / "tools", find_booking=BOOKING.replace("++asked", "process.pid"))
    async with toolbox(tmp_path / "tools") as tools:
        program = (await run(tools, "find_booking", '{"code": "A"}')).split()[-1]
        await until(lambda: os.path.exists(f"/proc/{program}"))
    await until(lambda: not os.path.exists(f"/proc/{program}"))


async def test_tools_see_the_environment_and_the_folder_of_avrs_connectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_KEY", "a-crm-key")
    text = BOOKING.replace("++asked", "process.env.CRM_KEY} ${process.cwd()")
    async with toolbox(write(tmp_path / "tools", find_booking=text)) as tools:
        result = await run(tools, "find_booking", '{"code": "A"}')
    assert result.endswith(f" a-crm-key {tmp_path}")


async def test_a_name_that_is_taken_is_not_offered_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "python").mkdir()
    (tmp_path / "python" / "own.py").write_text(
        "from avr_sts_speechmatics.tools import tool\n\n\n@tool\n"
        "async def find_booking(code: str) -> str:\n"
        '    """Look up a booking.\n\n    code: the code.\n    """\n    return "python"\n'
    )
    folder = write(tmp_path / "tools", find_booking=BOOKING)
    with caplog.at_level(logging.WARNING):
        opened = await open_toolbox(tmp_path / "python", None, folder, timeout_s=5, first_try_s=20)
    try:
        assert [spec.name for spec in opened.specs(None)] == ["find_booking"]
        assert await run(opened, "find_booking", '{"code": "A"}') == "python"
    finally:
        await opened.close(finish=False)
    assert "find_booking is not offered" in caplog.text


async def test_without_node_one_sentence_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write(tmp_path / "tools", find_booking=BOOKING)
    monkeypatch.setattr(javascript_files, "node", lambda: None)
    with pytest.raises(SettingsError, match=r"need Node 18 or later.*\[javascript\]"):
        await open_toolbox(None, None, folder, timeout_s=5)
    # Tools that the panel mounted, for which nobody asked: the service starts without them.
    monkeypatch.setattr(tool_runner, "MOUNTED", folder)
    opened = await open_toolbox(None, None, timeout_s=5)
    await opened.close()
    assert "need Node 18 or later" in caplog.text


async def test_tools_that_the_panel_mounted_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "tools", find_booking=BOOKING)
    monkeypatch.setattr(tool_runner, "MOUNTED", folder)
    opened = await open_toolbox(None, None, timeout_s=5, first_try_s=20)
    try:
        assert [spec.name for spec in opened.specs(None)] == ["find_booking"]
    finally:
        await opened.close(finish=False)


def test_node_comes_from_the_path_or_from_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    packaged = javascript_files.node()
    assert packaged is not None, "the package is among those that the tests need"
    assert subprocess.check_output([packaged, "--version"], text=True).startswith("v")
    own = tmp_path / "node"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert javascript_files.node() == str(own)


@pytest.mark.timeout(180)
async def test_axios_and_dotenv_are_found_beside_the_tools(tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None and not os.environ.get("CI"):
        pytest.skip("npm is not installed")
    assert npm is not None
    folder = tmp_path / "tools"
    folder.mkdir()
    install = [npm, "install", "--no-audit", "--no-fund", "axios@1", "dotenv@16"]
    installing = await asyncio.create_subprocess_exec(
        *install, cwd=folder, stdout=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(installing.wait(), 120) == 0
    (folder / ".env").write_text("CRM=http://127.0.0.1:9/\n")
    text = BOOKING.replace(
        "let asked = 0;",
        "require('dotenv').config(); const axios = require('axios');\n"
        "let asked = process.env.CRM;\n",
    ).replace(
        "`${uuid} ${args.code} ${++asked}`",
        "axios.get(asked).catch((error) => `${asked} ${error.code}`)",
    )
    async with toolbox(write(folder, find_booking=text)) as tools:
        result = await run(tools, "find_booking", '{"code": "A"}')
    assert result == "http://127.0.0.1:9/ ECONNREFUSED"
