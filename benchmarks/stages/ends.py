"""The stages at both ends, state, Kinesis and changelog, without their servers; and the floor of each."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pybase64
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from botocore.credentials import ReadOnlyCredentials
from rocksdict import Options, Rdict, WriteBatch

from benchmarks.stages.samples import BATCH, changed, samples
from processor.kafka.changelog_batches import batches_of
from processor.kafka.fetched_batches import unpack_whole_batches
from processor.kinesis.kinesis_json import request_body
from processor.kinesis.signature import Frame, Signer
from processor.settings import StateSettings
from processor.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Callable

_PROFILES = 50_000
_KEPT_MS = 86_400_000
_BATCH_BYTES = 256 * 1024
_PLACE = TopicPartition("events", 0)
_AIOKAFKAS_OWN = fetcher.PartitionRecords


def poll(count: int) -> Callable[[], None]:
    """Unpacking what a fetch returned, in batches of the producer's, by whole batches."""
    unpack_whole_batches()
    fetched = _fetched(count)

    def run() -> None:
        records = fetcher.PartitionRecords(_PLACE, fetcher.MemoryRecords(fetched), [], 0, None, None, True, 0)
        records.take(count)

    return run


def poll_as_aiokafka_does(count: int) -> Callable[[], None]:
    """The same, a record at a time."""
    fetched = _fetched(count)

    def run() -> None:
        records = _AIOKAFKAS_OWN(_PLACE, MemoryRecords(fetched), [], 0, None, None, True, 0)
        list(records)

    return run


def poll_floor(count: int) -> Callable[[], None]:
    """The same by aiokafka's parsers in C alone, checksums included."""
    fetched = _fetched(count)

    def run() -> None:
        records = MemoryRecords(fetched)
        while records.has_next():
            batch = records.next_batch()
            batch.validate_crc()
            list(batch)

    return run


def state(count: int) -> Callable[[], None]:
    """A batch's look-up in the store, and the write of its changes: 50,000 profiles, those of a batch at random."""
    loop = asyncio.new_event_loop()
    home = _new_home()
    settings = StateSettings.model_validate({"directory": home})
    directory = StateDirectory(settings, "benchmark", "events", "none", partitions=1)
    store = loop.run_until_complete(directory.open(0, deletions_kept_ms=_KEPT_MS, purged_kept_ms=_KEPT_MS))
    keys, value = _keys(), _record()
    loop.run_until_complete(store.apply(dict.fromkeys(keys, value), 1))
    rng, position = random.Random(1), 1

    def run() -> None:
        nonlocal position
        position += count
        batch = rng.sample(keys, count)
        loop.run_until_complete(store.get_many(batch))
        loop.run_until_complete(store.apply(dict.fromkeys(batch, value), position))

    return run


def state_floor(count: int) -> Callable[[], None]:
    """The same by rocksdict alone: one multi-get, one batch, no log of writes."""
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    store = Rdict(str(_new_home()), options)
    keys, value = _keys(), _record()
    for key in keys:
        store[key] = value
    rng = random.Random(1)

    def run() -> None:
        batch = rng.sample(keys, count)
        store.get(list[Any](batch))
        writes = WriteBatch(raw_mode=True)
        for key in batch:
            writes.put(key, value)
        store.write(writes)

    return run


def pack(count: int) -> Callable[[], None]:
    """A call's body of 500 exports."""
    records = [sample.export for sample in changed(count) if sample.export is not None]
    address = {"StreamName": "exports"}

    def run() -> None:
        request_body(address, records)

    return run


def pack_floor(count: int) -> Callable[[], None]:
    """Their data in base64, joined."""
    records = [sample.export for sample in changed(count) if sample.export is not None]

    def run() -> None:
        b",".join([pybase64.b64encode(record.data) for record in records])

    return run


def sign(count: int) -> Callable[[], None]:
    """The signature of a call of 500 exports."""
    signer, body = Signer("eu-west-1"), _body(count)
    keys = ReadOnlyCredentials("benchmark", "benchmark", None)
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecords", "Content-Type": "application/x-amz-json-1.1"}
    frame = Frame("http://127.0.0.1:1/", headers)

    def run() -> None:
        signer.signed(frame, body, keys)

    return run


def sign_floor(count: int) -> Callable[[], None]:
    """The SHA-256 of the body."""
    body = _body(count)

    def run() -> None:
        hashlib.sha256(body).hexdigest()

    return run


def changelog(count: int) -> Callable[[], None]:
    """Batches of 500 state records, as the producer is given them, and closed for sending."""
    entries = dict(_entries(count))

    def run() -> None:
        for batch in batches_of(entries, _BATCH_BYTES):
            batch._build()  # noqa: SLF001  what the producer does when it sends

    return run


def changelog_floor(count: int) -> Callable[[], None]:
    """The same by aiokafka's builder in C alone, uncompressed."""
    entries = list(dict(_entries(count)).items())

    def run() -> None:
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, _BATCH_BYTES)
        for offset, (key, value) in enumerate(entries):
            builder.append(offset, 1_600_000_000_000, key, value, [])
        builder.build()

    return run


def _new_home() -> Path:
    """A directory that goes with the process."""
    home = Path(tempfile.mkdtemp(prefix="benchmark-stage-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


def _fetched(count: int) -> bytes:
    """Events of the reference workload in batches of 16 KiB, aiokafka's default."""
    batches, builder = list[bytes](), DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 16 * 1024)
    relative, first = 0, 0
    for sample in samples()[:count]:
        event = sample.event
        if builder.append(relative, event.timestamp_ms, event.key, event.value, []) is None:
            batches.append(_at(first, builder))
            first, relative = first + relative, 0
            builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 16 * 1024)
            builder.append(relative, event.timestamp_ms, event.key, event.value, [])
        relative += 1
    return b"".join([*batches, _at(first, builder)])


def _at(offset: int, builder: DefaultRecordBatchBuilder) -> bytes:
    """A batch as the broker keeps it: the base offset is not part of the checksum."""
    return offset.to_bytes(8, "big") + bytes(builder.build())[8:]


def _keys() -> list[bytes]:
    return [b"profile-%010d" % number for number in range(_PROFILES)]


def _record() -> bytes:
    return next(sample.after for sample in changed(BATCH) if sample.after is not None)


def _entries(count: int) -> list[tuple[bytes, bytes]]:
    return [(sample.event.key, sample.after) for sample in changed(count) if sample.after is not None]


def _body(count: int) -> bytes:
    records = [sample.export for sample in changed(count) if sample.export is not None]
    return request_body({"StreamName": "exports"}, records)
