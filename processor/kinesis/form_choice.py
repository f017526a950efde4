"""Which form the calls to one stream are written in: the one that is set, or by itself the one that is understood there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from processor.errors import KinesisRefused, KinesisRejected, KinesisUnavailable
from processor.kinesis.form import CBOR, JSON

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.errors import KinesisError
    from processor.kinesis.form import Form
    from processor.kinesis.signed_call import Exchange

_SET: Final = {"cbor": CBOR, "json": JSON}
_UNCLEAR_MAX: Final = 20
"""Where a server in between answers so often, and lets JSON pass each time, it is CBOR that it does not let pass."""


class FormChoice:
    """The form of calls to a stream, by its `address`; `exchange` is asked where it is not known."""

    def __init__(
        self, setting: Literal["auto", "cbor", "json"], exchange: Exchange, address: Mapping[str, str]
    ) -> None:
        self._set = _SET.get(setting)
        self._known = self._set or (None if exchange.is_with_aws else JSON)
        self._exchange = exchange
        self._address = address
        self._is_clear = True
        self._unclear = 0
        """How often it was not clear, and JSON passed."""

    async def now(self) -> Form:
        """The form of the next call: CBOR where AWS' own endpoint answers in it to a call without records, else JSON.

        Whatever else speaks Kinesis' language is not asked: some such take CBOR and store other data than they were given.

        Raises:
            KinesisUnavailable, KinesisRefused: there was no answer.

        """
        if self._known is not None:
            return self._known
        body = CBOR.request_body(dict(self._address), ())
        try:
            is_spoken = await self._exchange.answers_in("PutRecords", body, self._address, CBOR.content_type)
        except KinesisUnavailable as error:
            # Whatever became of it, no record was in it.
            raise KinesisUnavailable(str(error)) from error
        if is_spoken:
            self._known = CBOR
            return CBOR
        self._is_clear = is_spoken is not None
        return JSON

    def answered(self, form: Form) -> None:
        """Kinesis has taken a call in this form: where it was asked in CBOR and did not answer in it, JSON is what it speaks.

        Not before: a proxy that wants a sign-in answers in neither.
        """
        if self._known is None and form is JSON:
            self._unclear += not self._is_clear
            if self._is_clear or self._unclear >= _UNCLEAR_MAX:
                self._known = JSON

    def not_understood(self, error: KinesisError) -> KinesisError:
        """What an error means that came in another form than the call; where none is set, it is asked anew before the next call.

        Behind one name may stand several that do not all speak CBOR, and something on the way may have begun to refuse it.
        What they say is no word on the records.
        """
        if self._set is None:
            self._known = None
            if isinstance(error, KinesisRejected):
                return KinesisUnavailable(f"{error}; it was in CBOR, and is answered otherwise now")
            return error
        if isinstance(error, KinesisRefused) and error.code:
            return error
        return KinesisRefused(
            f"{error}; is CBOR understood there? It is what PROCESSOR_KINESIS_FORM has calls written in"
        )
