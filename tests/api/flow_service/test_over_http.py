"""The published calls over HTTP, with the headers that they have: through the edge, up to a definition in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import aiohttp

from processor.api.flow_service.table import flow_service_routes
from processor.api.http import PREFIX, application
from processor.api.tokens import Tokens
from processor.definition.sealing import Sealing
from processor.settings import ApiSettings, ServiceSettings
from processor.telemetry.report import Fleet
from processor.web.server import serve
from tests.support.dataflows import flow_body, resource, segment_selector, whole_definition
from tests.support.flow_service_calls import SEALING_KEY, SERVICE
from tests.support.kept_in_memory import KeptInMemory

if TYPE_CHECKING:
    from processor.definition.model import Definition

TOKEN: Final = "may-change-anything-1"
HEADERS: Final = {
    "Authorization": f"Bearer {TOKEN}",
    "x-api-key": "{API_KEY}",
    "x-gw-ims-org-id": "{IMS_ORG}",
    "x-sandbox-name": "{SANDBOX_NAME}",
    "accept": "application/json",
}


async def nobody() -> Fleet:
    return Fleet([])


async def test_the_calls_are_answered_with_the_published_statuses_and_headers() -> None:
    kept = KeptInMemory(whole_definition().without([("flows", "flow")]))
    tokens = Tokens(ApiSettings.model_validate({"api_token": TOKEN}))
    sealing = Sealing([SEALING_KEY])
    app = application(flow_service_routes(lambda: sealing), kept.current, kept.change, tokens)
    settings = ServiceSettings.model_validate({"http_port": 0})

    async with serve(settings, nobody, mounted={PREFIX: app}) as url, aiohttp.ClientSession() as http:

        async def ask(method: str, path: str, status: int, body: Any = None, **headers: str) -> Any:
            sent = {} if body is None else {"json": body}
            async with http.request(
                method, f"{url}{SERVICE}{path}", headers=HEADERS | headers, **sent
            ) as answer:
                assert answer.status == status, await answer.text()
                text = await answer.read()
                return (await answer.json() if text else None), answer.headers.get("ETag")

        specs, _ = await ask("GET", "/connectionSpecs", 200)
        assert "Amazon Kinesis" in {each["name"] for each in specs["items"]}
        made, etag = await ask("POST", "/flows", 201, flow_body([]))
        flow = f"/flows/{made['id']}"
        assert made["etag"] == etag
        add = [
            {
                "op": "add",
                "path": "/transformations/0/params/segmentSelectors/selectors/-",
                "value": segment_selector("a"),
            }
        ]
        # The tutorial's script puts quotes around the etag, which has its own.
        kept.comes_first.append(_another_connection)
        changed, newer = await ask("PATCH", flow, 202, add, **{"If-Match": f'"{made["etag"]}"'})
        assert changed == {"id": made["id"], "etag": newer}
        refused, _ = await ask("PATCH", flow, 412, add, **{"If-Match": made["etag"]})
        assert refused["report"]["code"] == "1404-412"
        shown, shown_etag = await ask("GET", flow, 200)
        assert shown["items"][0]["etag"] == shown_etag == newer
        (selector,) = shown["items"][0]["transformations"][0]["params"]["segmentSelectors"]["selectors"]
        assert selector["value"]["id"] == "a"
        await ask("POST", f"{flow}/action?op=disable", 202)
        listed, _ = await ask("GET", "/flows?property=state==disabled&orderby=-createdAt&limit=2", 200)
        assert [each["id"] for each in listed["items"]] == [made["id"]]
        await ask("DELETE", flow, 202)
        await ask("GET", flow, 404)

    assert kept.definition.find("connections", "theirs") is not None


def _another_connection(definition: Definition) -> Definition:
    return definition.with_(resource("connections", "theirs", {"name": "theirs"}))
