from collections.abc import Sequence

from processor.profile.structs import Export

def version() -> str: ...  # of the service that it was built with
def put_records_body(head: bytes, records: Sequence[Export]) -> bytes | None: ...
