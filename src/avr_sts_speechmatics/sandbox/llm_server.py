"""The LLM server: `POST /v1/chat/completions` and `GET /v1/models`, for any LLM engine."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from aiohttp import web

from avr_sts_speechmatics.network.untrusted_json import BadJson, decode
from avr_sts_speechmatics.sandbox import chat_completions, faults, strict_servers
from avr_sts_speechmatics.sandbox.chat_completions import Answer, BadRequest
from avr_sts_speechmatics.sandbox.engines import FormFiller, LlmEngine, ToolCall
from avr_sts_speechmatics.sandbox.faults import Fault, Faults
from avr_sts_speechmatics.sandbox.misbehaviour import break_off, has_key, refuse, stall
from avr_sts_speechmatics.sandbox.received import Received, Request

MODEL = "receptionist"
CUT_AFTER_CHUNKS = 3


class LlmServer:
    """Answers requests that carry an API key."""

    def __init__(self, engine: LlmEngine, *, faults: Faults, received: Received | None) -> None:
        self._engine = engine
        self._faults = faults
        self._received = received

    async def models(self, request: web.Request) -> web.Response:
        if not has_key(request):
            return refuse(faults.RefuseKey(part="llm"))
        return web.json_response({"object": "list", "data": [_model(MODEL)]})

    async def model(self, request: web.Request) -> web.Response:
        """Describe a model. Any name is accepted, as in a chat request."""
        if not has_key(request):
            return refuse(faults.RefuseKey(part="llm"))
        return web.json_response(_model(request.match_info["model"]))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = (await request.read()).decode("utf-8", "replace")
        try:
            body = decode(text)
        except BadJson:
            body = text
        record = Request(request.path, dict(request.query), dict(request.headers), body)
        if self._received is not None:
            self._received.chats.append(record)
            self._received.notify()
        try:
            response = await self._answer(request, record)
        except ConnectionResetError:  # the client has what it wanted, or was interrupted
            response = web.Response()
        record.status, record.done = response.status, True
        if self._received is not None:
            self._received.notify()
        return response

    async def _answer(self, request: web.Request, record: Request) -> web.StreamResponse:
        fault = self._faults.take("llm")
        if isinstance(fault, faults.RefuseKey | faults.Status):
            return refuse(fault)
        if isinstance(fault, faults.Stall) and fault.after is None:
            await stall(fault)
        if not has_key(request):
            return refuse(faults.RefuseKey(part="llm"))
        try:
            asked = chat_completions.parse(record.body)
        except BadRequest as error:
            return _bad_request(error)
        if isinstance(fault, faults.Strict):
            refused = strict_servers.refusal(fault, record.body)
            if refused is not None:
                return _refused(refused)
        pieces: AsyncIterator[str | ToolCall]
        if asked.schema is not None and isinstance(self._engine, FormFiller):
            pieces = self._engine.fill(asked.messages, asked.schema)
        else:
            pieces = self._engine.think(asked.messages, asked.tools)
        if isinstance(fault, faults.GarbageToolCall):
            pieces = _pieces(ToolCall(fault.name, fault.arguments))
        answer = Answer(asked)
        if asked.stream:
            return await self._stream(request, record, answer, pieces, fault)
        async for piece in pieces:
            answer.add(piece)
        return web.json_response(answer.whole())

    async def _stream(
        self,
        request: web.Request,
        record: Request,
        answer: Answer,
        pieces: AsyncIterator[str | ToolCall],
        fault: Fault | None,
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        record.status = response.status
        await response.prepare(request)
        await _write(response, answer.opening())
        if isinstance(fault, faults.Chunks):
            await _send_chunks(response, answer, fault)
            return response
        strict = fault if isinstance(fault, faults.Strict) else None
        if strict is not None and strict.rule == "reasoning":
            for text in strict_servers.REASONING:
                await _write(response, answer.chunk({"reasoning_content": text}))
        cut, chunks = _after(fault), 0
        async for piece in pieces:
            if cut is not None and chunks >= cut:
                if await self._misbehave(request, response, fault):
                    return response
                cut = None
            for chunk in answer.add(piece):
                await _write(response, chunk if strict is None else _added(strict, chunk))
            chunks += 1
        if cut is not None and await self._misbehave(request, response, fault):
            return response
        for chunk in answer.closing():
            await _write(response, chunk)
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response

    async def _misbehave(
        self, request: web.Request, response: web.StreamResponse, fault: Fault | None
    ) -> bool:
        """Apply the fault within a stream. Returns True if the fault ends the answer."""
        match fault:
            case faults.Stall():
                await stall(fault)
                return False
            case faults.Malformed(text=text):
                await response.write(f"data: {text}\n\n".encode())
                return False
            case faults.Error(type=type, reason=reason):
                error = {"message": reason, "type": type or "server_error", "param": None}
                await _write(response, {"error": {**error, "code": None}})
                await response.write_eof()
                return True
            case _:
                break_off(request)
                return True


def _after(fault: Fault | None) -> int | None:
    match fault:
        case faults.Stall(after=after):
            return None if after is None else int(after)
        case (
            faults.Truncate(after=after) | faults.Error(after=after) | faults.Malformed(after=after)
        ):
            return CUT_AFTER_CHUNKS if after is None else int(after)
        case _:
            return None


async def _write(response: web.StreamResponse, value: Mapping[str, Any]) -> None:
    await response.write(b"data: " + msgspec.json.encode(value) + b"\n\n")


async def _send_chunks(response: web.StreamResponse, answer: Answer, fault: faults.Chunks) -> None:
    for delta in fault.deltas:
        await _write(response, answer.chunk(delta))
    if fault.finish is not None:
        await _write(response, answer.chunk({}, fault.finish))
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()


def _added(strict: faults.Strict, chunk: dict[str, Any]) -> dict[str, Any]:
    for choice in chunk["choices"]:
        choice["delta"] = strict_servers.added(strict, choice["delta"])
    return chunk


def _refused(refused: strict_servers.Refusal) -> web.Response:
    problem = {"message": refused.message, "type": "invalid_request_error", "param": None}
    return web.json_response({"error": {**problem, "code": refused.code}}, status=refused.status)


async def _pieces(*pieces: str | ToolCall) -> AsyncIterator[str | ToolCall]:
    for piece in pieces:
        yield piece


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "sandbox"}


def _bad_request(error: BadRequest) -> web.Response:
    problem = {"message": str(error), "type": "invalid_request_error", "param": error.param}
    return web.json_response({"error": {**problem, "code": None}}, status=400)
