"""The forms that PutRecords calls are written in, and their answers with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from processor.kinesis import kinesis_cbor, kinesis_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from processor.kinesis.kinesis_json import Answer
    from processor.profile.structs import Export


class Form(NamedTuple):
    """One form: the content type that says it, what writes a call's body, and what reads its answer."""

    content_type: str
    request_body: Callable[[dict[str, str], Sequence[Export]], bytes]
    read_answer: Callable[[bytes, int], Answer]


JSON: Final = Form(kinesis_json.CONTENT_TYPE, kinesis_json.request_body, kinesis_json.read_answer)
CBOR: Final = Form(kinesis_cbor.CONTENT_TYPE, kinesis_cbor.request_body, kinesis_cbor.read_answer)
