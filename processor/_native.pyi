from collections.abc import Mapping, Sequence

from processor.profile.structs import Export

def version() -> str: ...  # of the service that it was built with
def put_records_body(head: bytes, records: Sequence[Export]) -> bytes | None: ...
def record_batches(
    entries: Mapping[bytes, bytes | tuple[int, int]],
    bytes_max: int,
    timestamp_ms: int,
    offset_name: bytes,
    backfill_name: bytes,
) -> list[tuple[bytearray, int]] | None: ...
def seal_batch(
    batch: bytearray, producer_id: int, producer_epoch: int, base_sequence: int
) -> bytearray | None: ...
