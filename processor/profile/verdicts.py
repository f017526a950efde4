"""What governance lets leave, by the labels that an event bears itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from processor.errors import InvalidEvent, Reason

if TYPE_CHECKING:
    from processor.governance.plan import Plan, Verdict

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]
"""A record's headers, in order; a name may stand more than once."""

LABELS_HEADER: Final = "duleLabels"
_VERDICTS_MAX: Final = 4096
_KEPT_LABELS_BYTES_MAX: Final = 1024
"""A header may be as large as an event; what is remembered must not be."""


class Verdicts:
    """The verdicts of one plan, each asked for once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._known: dict[bytes, Verdict] = {}

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._known)

    def of(self, headers: Headers) -> Verdict:
        """What may leave of an event with these headers.

        Raises:
            InvalidEvent: `bad-labels`.

        """
        if not headers:
            return self._plan.standing
        raw = [value for name, value in headers if name == LABELS_HEADER]
        if not raw:
            return self._plan.standing
        if None in raw:
            raise InvalidEvent(Reason.BAD_LABELS, f"the header {LABELS_HEADER} is null")
        joined = b",".join(value for value in raw if value is not None)
        verdict = self._known.get(joined)
        if verdict is None:
            verdict = self._plan.verdict(_labels(raw))
            if len(joined) <= _KEPT_LABELS_BYTES_MAX:
                if len(self._known) >= _VERDICTS_MAX:
                    self._known.clear()
                self._known[joined] = verdict
        return verdict


def _labels(raw: Sequence[bytes | None]) -> frozenset[str]:
    try:
        texts = [value.decode() for value in raw if value is not None]
    except UnicodeDecodeError as error:
        raise InvalidEvent(Reason.BAD_LABELS, f"the header {LABELS_HEADER} is not UTF-8") from error
    labels = [label.strip() for text in texts for label in text.split(",")]
    return frozenset([label for label in labels if label])
