"""The OpenAPI document: valid, complete, and true of real answers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from tests.avr_core import dial
from tests.console.kept import call_row, kept_calls, key_of
from tests.console.served import Port, Response, following
from tests.support import Serve, url_of

from avr_sts_speechmatics.console.live_view import STATES
from avr_sts_speechmatics.sandbox.scripted_cloud import running_sandbox


class Described:
    """The document of a service, and its answers compared with the document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        whole = Resource.from_contents(dict(document), default_specification=DRAFT202012)
        self._registry: Registry[Any] = Registry().with_resource("urn:api", whole)

    def operations(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        return [
            (path, method, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
        ]

    def check(self, path: str, method: str, response: Response) -> None:
        """Check that a response fits what the document says of it."""
        operation = self.document["paths"][path][method]
        described = operation["responses"][str(response.status)]
        if "$ref" in described:
            described = self.document["components"]["responses"][described["$ref"].split("/")[-1]]
        media = response.headers["content-type"].split(";")[0]
        self.fits(response.json(), described["content"][media]["schema"])

    def fits(self, value: object, schema: Mapping[str, Any]) -> None:
        schema = _absolute(schema)
        Draft202012Validator(schema, registry=self._registry).validate(value)


async def test_the_document_is_valid_and_refers_to_no_other_server(
    serve: Serve, tmp_path: Path
) -> None:
    async with running_sandbox() as cloud, serve(cloud, data_dir=tmp_path) as server:
        response = await Port(*server.addresses[0]).ask("/api/v1/openapi.json")
    described = Described(response.json())
    OpenAPIV31SpecValidator(described.document).validate()
    assert "://" not in str(described.document).replace("http://localhost", "")
    names = [operation["operationId"] for _, _, operation in described.operations()]
    assert len(set(names)) == len(names) >= 12
    for path, method, operation in described.operations():
        assert operation["summary"], path
        assert {"400", "401", "403", "429"} <= operation["responses"].keys()
        in_path = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert in_path == {part[1:-1] for part in path.split("/") if part.startswith("{")}, method


async def test_answers_about_kept_calls_are_as_described(tmp_path: Path) -> None:
    async with kept_calls(tmp_path) as kept:
        described = Described((await kept.port.ask("/api/v1/openapi.json")).json())
        await kept.add_whole(1)
        await kept.add(call_row(2, ended_ms=None, reason=None, facts=None, outcome=None))
        for path, asked in (
            ("/v1/calls", "/api/v1/calls"),
            ("/v1/calls", "/api/v1/calls?limit=1"),
            ("/v1/calls", "/api/v1/calls?limit=x"),
            ("/v1/calls/{call}", f"/api/v1/calls/{key_of(1)}"),
            ("/v1/calls/{call}", f"/api/v1/calls/{key_of(2)}"),
            ("/v1/calls/{call}", "/api/v1/calls/nothing"),
            ("/v1/calls/{call}/recording", f"/api/v1/calls/{key_of(1)}/recording"),
            ("/v1/session", "/api/v1/session"),
        ):
            described.check(path, "get", await kept.port.ask(asked))
        deleted = await kept.port.ask(f"/api/v1/calls/{key_of(1)}", method="DELETE")
        described.check("/v1/calls/{key}", "delete", deleted)


async def test_answers_about_running_calls_and_the_service_are_as_described(
    serve: Serve, tmp_path: Path
) -> None:
    async with (
        running_sandbox() as cloud,
        serve(cloud, history="transcripts", data_dir=tmp_path) as server,
    ):
        port = Port(*server.addresses[0])
        described = Described((await port.ask("/api/v1/openapi.json")).json())
        running = described.document["components"]["schemas"]["RunningCall"]
        described.check("/v1/service", "get", await port.ask("/api/v1/service"))
        async with following(*server.addresses[0]) as events, dial(url_of(server)) as core:
            await core.init()
            began = await events.until("began")
            described.fits(began, running)
            assert running["properties"]["state"]["enum"] == list(STATES)
            async with following(*server.addresses[0]) as again:
                _, snapshot = await again.next()
                described.fits(snapshot["calls"][0], running)
            path = f"/api/v1/calls/{began['key']}/hangup"
            ended = await port.ask(path, method="POST")
            described.check("/v1/calls/{key}/hangup", "post", ended)
            path = f"/api/v1/calls/{began['key']}/transfer"
            refused = await port.ask(path, method="POST", body={"extension": "700"})
            described.check("/v1/calls/{key}/transfer", "post", refused)


def _absolute(schema: Any) -> Any:
    """A schema whose references name the document."""
    if isinstance(schema, list):
        return [_absolute(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"urn:api{value}" if name == "$ref" else _absolute(value)
        for name, value in schema.items()
    }
