"""The scripted stream behind HTTP: as Kinesis does, it answers in the form that it is asked in, JSON or CBOR."""

from __future__ import annotations

import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import cbor2
from aiohttp import web

from processor.errors import (
    KinesisRefused,
    KinesisRejected,
    KinesisTooLarge,
    KinesisUnavailable,
    KinesisUnreadable,
)
from processor.profile.structs import Export

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.support.scripted_kinesis import ScriptedKinesis


JSON = "application/x-amz-json-1.1"
CBOR = "application/x-amz-cbor-1.1"


@asynccontextmanager
async def served(
    kinesis: ScriptedKinesis, known_keys: set[str] | None = None, names: Sequence[str] | None = None
) -> AsyncIterator[str]:
    """Serve the stream, by any of `names` or by whatever name, to those who sign with `known_keys`, or to all.

    Yields the endpoint's URL. With `names` these can be listed, and a stream of another name is not there.
    """

    async def answer(request: web.Request) -> web.Response:
        signed = request.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]
        if known_keys is not None and signed not in known_keys:
            return _error(400, "UnrecognizedClientException")
        kinesis.callers.add(request.headers["User-Agent"])
        action = request.headers["X-Amz-Target"].rpartition(".")[2]
        if action == "PutRecords" and request.content_type == CBOR:
            return _in_cbor(await _put(kinesis, cbor2.loads(await request.read())["Records"]))
        body = json.loads(await request.read())
        if action == "PutRecords":
            return await _put(kinesis, body["Records"])
        if action == "ListStreams" and names is not None:
            return _names(kinesis, names)
        if names is not None and "NextToken" not in body and _name(body) not in names:
            return _error(400, "ResourceNotFoundException")
        return _told(kinesis, action, body)

    app = web.Application(client_max_size=32 * 1024 * 1024)
    app.add_routes([web.post("/", answer)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _told(kinesis: ScriptedKinesis, action: str, body: dict[str, Any]) -> web.Response:
    if action == "ListShards":
        return _shards(kinesis, int(body.get("NextToken", 0)))
    if action != "DescribeStreamSummary":
        return _error(400, "InvalidArgumentException")
    if kinesis.faults.refused or kinesis.faults.undescribed:
        return _error(400, kinesis.faults.refused or kinesis.faults.undescribed)
    summary: dict[str, Any] = {
        "MaxRecordSizeInKiB": kinesis.record_bytes // 1024,
        "StreamName": _name(body),
        "StreamStatus": "ACTIVE",
        "StreamModeDetails": {"StreamMode": "ON_DEMAND"},
        "OpenShardCount": len(kinesis.open_shards),
    }
    if kinesis.ignores_keys:
        summary["RecordDistributionStrategy"] = "AUTO"
    return _json({"StreamDescriptionSummary": summary})


def _name(body: dict[str, Any]) -> str:
    """By its name or its ARN."""
    arn: str = body.get("StreamARN", "")
    name: str = body.get("StreamName") or arn.rpartition("/")[2]
    return name


def _names(kinesis: ScriptedKinesis, names: Sequence[str]) -> web.Response:
    if kinesis.faults.unnamed:
        return _error(400, kinesis.faults.unnamed)
    return _json({"StreamNames": sorted(names), "HasMoreStreams": False})


def _shards(kinesis: ScriptedKinesis, page: int) -> web.Response:
    """Two a page, the closed ones included, as Kinesis lists them until their records have expired."""
    if kinesis.faults.unlisted:
        return _error(400, kinesis.faults.unlisted)
    kinesis.listings += 1
    listed = [
        {
            "ShardId": shard.id,
            "HashKeyRange": {
                "StartingHashKey": str(shard.first_hash),
                "EndingHashKey": str(shard.last_hash),
            },
            "SequenceNumberRange": {"StartingSequenceNumber": "1"}
            | ({} if shard.is_open else {"EndingSequenceNumber": "2"}),
        }
        for shard in kinesis.all_shards
    ]
    shown, rest = listed[2 * page : 2 * page + 2], listed[2 * page + 2 :]
    return _json({"Shards": shown} | ({"NextToken": str(page + 1)} if rest else {}))


async def _put(kinesis: ScriptedKinesis, entries: list[dict[str, Any]]) -> web.Response:
    records = [
        # What tells profiles apart is not on the wire; a partition key stands for one here.
        Export(entry["PartitionKey"].encode(), entry["PartitionKey"], _data(entry["Data"]))
        for entry in entries
    ]
    try:
        answer = await kinesis.put(records)
    except KinesisRejected:
        return _error(400, "ValidationException")
    except KinesisRefused as error:
        return _error(400, str(error).removeprefix("PutRecords: "))
    except KinesisUnavailable as error:
        return _unavailable(error)
    results = [
        {"SequenceNumber": "1", "ShardId": result.shard_id}
        if result.error_code is None
        else {"ErrorCode": result.error_code, "ErrorMessage": "as scripted"}
        for result in answer.results
    ]
    return _json({"FailedRecordCount": kinesis.faults.count(answer.failed), "Records": results})


def _data(given: bytes | str) -> bytes:
    return given if isinstance(given, bytes) else base64.b64decode(given)


def _in_cbor(answer: web.Response) -> web.Response:
    if answer.content_type != JSON or not isinstance(answer.body, bytes):
        return answer
    body = cbor2.dumps(json.loads(answer.body))
    return web.Response(status=answer.status, body=body, headers={"Content-Type": CBOR})


def _unavailable(error: KinesisUnavailable) -> web.Response:
    if isinstance(error, KinesisTooLarge):
        return _page(413, "413 Request Entity Too Large")
    if isinstance(error, KinesisUnreadable):
        return _page(200, "Sign in")
    return _error(504, "the connection was lost") if error.outcome_unknown else _error(500, "InternalFailure")


def _json(tree: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(tree).encode(), headers={"Content-Type": JSON})


def _error(status: int, code: str) -> web.Response:
    return _json({"__type": code, "message": "as scripted"}, status)


def _page(status: int, title: str) -> web.Response:
    """What a proxy answers."""
    page = f"<html><head><title>{title}</title></head></html>"
    return web.Response(status=status, text=page, content_type="text/html")
