from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any

from processor.governance.plan import Removal
from processor.kinesis.lane import Item as _Item
from processor.profile.source_record import Record as _Record
from processor.profile.structs import Export

def version() -> str: ...  # of the service that it was built with
def panics() -> int: ...  # of this process so far, each caught
def put_records_body(head: bytes, records: Sequence[Export]) -> bytes | None: ...
def put_records_cbor(address: dict[str, str], records: Sequence[Export]) -> bytes | None: ...
def stored_in(answer: bytes) -> list[str] | None: ...
def profiles_done(
    partitions: Mapping[int, Mapping[bytes, Sized | None]], items: Sequence[_Item], /
) -> list[int] | None: ...
def record_batches(
    entries: Mapping[bytes, bytes | tuple[int, int]],
    bytes_max: int,
    timestamp_ms: int,
    offset_name: bytes,
    backfill_name: bytes,
) -> list[tuple[bytearray, int]] | None: ...
def seal_batch(
    batch: bytearray, codec: int, producer_id: int, producer_epoch: int, base_sequence: int
) -> bytearray | None: ...
def unpacked(data: bytes, start: int, end: int, content: bytes | None) -> list[Record] | None: ...
def is_whole(data: bytes, start: int, end: int) -> bool | None: ...
def size_bytes(records: Sequence[_Record]) -> int | None: ...
def keys(records: Sequence[_Record]) -> list[bytes] | None: ...
def kept(record: _Record) -> Record | None: ...
def core(plan: object, standing: object, export_type: type[Export]) -> object | None: ...
def apply(
    core: object,
    verdict_of: Callable[[Any], object],
    key: bytes | None,
    value: bytes | None,
    headers: object,
    timestamp_ms: int,
    offset: int,
    state: bytes | None,
    backfill: int,
    is_again: bool,
    /,
) -> tuple[Export | None, bytes | None, list[Removal], int] | None: ...
def process(
    core: object,
    verdict_of: Callable[[Any], object],
    hand_on: Callable[[_Record], None],
    states: dict[bytes, bytes | None],
    records: Sequence[_Record],
    exports: list[Export],
    exported: list[_Record],
    changes: dict[bytes, bytes],
    removed: list[Removal],
    export_bytes_max: int,
    state_bytes_max: int,
    number: int,
    at_ms: int | None,
    offset: int,
    /,
) -> int | None: ...
def counts(core: object, /) -> tuple[int, int, int]: ...
def find_records(
    records: Mapping[bytes, bytes | None],
    profiles: Iterable[bytes],
    found: dict[bytes, bytes | None],
) -> list[bytes] | None: ...
def put_records(
    records: dict[bytes, bytes] | dict[bytes, bytes | None],
    changes: Mapping[bytes, bytes | None],
    entry_overhead_bytes: int,
) -> tuple[int, list[bytes]] | None: ...
def drop_same(
    pending: dict[bytes, bytes], changes: Mapping[bytes, bytes]
) -> int | None: ...  # 1, where it was done
def new_table() -> object: ...
def table_len(table: object, /) -> int: ...
def table_size_bytes(table: object, /) -> int: ...  # of its places, free or not
def table_find(table: object, profiles: list[bytes], found: dict[bytes, bytes | None], /) -> list[bytes]: ...
def table_put(
    table: object, changes: dict[bytes, bytes], entry_overhead_bytes: int, /
) -> tuple[int, list[bytes]]: ...
def table_drop_same(table: object, changes: dict[bytes, bytes], /) -> None: ...
def table_entries(table: object, /) -> tuple[list[bytes], list[bytes]]: ...
def places_of(keys: Sequence[bytes], starts: bytes) -> list[int] | None: ...

class Record:
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> tuple[tuple[str, bytes | None], ...]: ...
