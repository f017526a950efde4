"""Members whose definition is in Kafka, and calls of the API that make one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.members import Member, member_environ

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import aiohttp

SECRET = "a-secret-key-that-nobody-sees"
TOKEN = "a-token-of-the-tests-0123456789"
KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
SERVICE = "/data/foundation/flowservice"
PLATFORM = {"id": "8a9c3494-9708-43d7-ae3f-cda01e5030e1", "version": "1.0"}
KINESIS = {"id": "86043421-563b-46ec-8e6c-e23184711bf6", "version": "1.0"}
FLOW = {"id": "71471eba-b620-49e4-90fd-23f1fa0174d8", "version": "1.0"}
SEGMENTS = "/transformations/0/params/segmentSelectors/selectors"


class DefinedMember(Member):
    """`processor run` without files."""

    def __init__(self, directory: Path, environ: Mapping[str, str], workers: int = 1) -> None:
        super().__init__(directory, environ, workers)
        self._arguments = ["run", "--workers", str(workers)]


def defined_environ(servers: str, topic: str, directory: Path, **changes: str) -> dict[str, str]:
    """The environment of a member that serves the API, or with `api_token=""` only follows."""
    key_file = directory / "sealing-keys"
    key_file.write_text(KEY)
    environ = {"configuration": "kafka", "api_token": TOKEN, "api_secret_key_file": str(key_file), **changes}
    return member_environ(servers, topic, directory, "http://not.used:1", **environ)


class Api:
    """Calls of one member's API."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url + SERVICE

    async def call(
        self, method: str, path: str, body: Any = None, *, status: int, if_match: str | None = None
    ) -> tuple[Any, str]:
        """The body and the etag of an answer, which must have this status."""
        headers = {"Authorization": f"Bearer {TOKEN}"} | ({"If-Match": if_match} if if_match else {})
        async with self._http.request(method, self._url + path, json=body, headers=headers) as answer:
            told = await answer.json() if answer.content_type.endswith("json") else None
            assert answer.status == status, told
            return told, answer.headers.get("ETag", "")

    async def make(self, path: str, body: Any) -> str:
        """Make an object, and return its id."""
        told, _ = await self.call("POST", path, body, status=201)
        made: str = told["id"]
        return made

    async def patch(self, path: str, *operations: Any, status: int = 202) -> Any:
        """Change an object as it is now."""
        _, etag = await self.call("GET", path, status=200)
        told, _ = await self.call("PATCH", path, list(operations), status=status, if_match=etag)
        return told

    async def connect(self, kinesis_url: str, key: str = "test") -> tuple[str, str]:
        """The platform's source connection, and a connection to Kinesis, as the tutorial makes them."""
        platform = await self.make("/connections", {"name": "platform", "connectionSpec": PLATFORM})
        source = await self.make(
            "/sourceConnections",
            {
                "name": "profiles",
                "connectionSpec": PLATFORM,
                "baseConnectionId": platform,
                "data": {"format": "json"},
                "params": {},
            },
        )
        params = {
            "accessKeyId": key,
            "secretKey": SECRET,
            "region": "eu-west-1",
            "connectionUrl": kinesis_url,
        }
        auth = {"specName": "Aws Kinesis authentication credentials", "params": params}
        kinesis = await self.make(
            "/connections", {"name": "kinesis", "connectionSpec": KINESIS, "auth": auth}
        )
        return source, kinesis

    async def activate(
        self, source: str, kinesis: str, *segments: str, stream: str = "exports"
    ) -> tuple[str, str]:
        """A target connection and a flow of these segments, and of the attribute `number`."""
        target = await self.make(
            "/targetConnections",
            {
                "name": "target",
                "connectionSpec": KINESIS,
                "baseConnectionId": kinesis,
                "data": {"format": "json"},
                "params": {"stream": stream, "region": "eu-west-1"},
            },
        )
        selected = {
            "segmentSelectors": {"selectors": [segment(each) for each in segments]},
            "profileSelectors": {
                "selectors": [{"type": "JSON_PATH", "value": {"path": "number", "operator": "EXISTS"}}]
            },
        }
        flow = await self.make(
            "/flows",
            {
                "name": "flow",
                "flowSpec": FLOW,
                "sourceConnectionIds": [source],
                "targetConnectionIds": [target],
                "transformations": [{"name": "GeneralTransform", "params": selected}],
            },
        )
        return target, flow


def segment(id_: str) -> dict[str, Any]:
    return {"type": "PLATFORM_SEGMENT", "value": {"id": id_}}


def mapped(id_: str) -> dict[str, Any]:
    """The operation that maps a segment."""
    return {"op": "add", "path": f"{SEGMENTS}/-", "value": segment(id_)}
