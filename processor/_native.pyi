from collections.abc import Iterable, Mapping

def version() -> str: ...  # of the service that it was built with
def find_records(
    records: Mapping[bytes, bytes | None],
    profiles: Iterable[bytes],
    found: dict[bytes, bytes | None],
) -> list[bytes] | None: ...
def put_records(
    records: dict[bytes, bytes] | dict[bytes, bytes | None],
    changes: Mapping[bytes, bytes | None],
    entry_overhead_bytes: int,
) -> int | None: ...
