"""Every exception that this package raises on purpose.

* ProcessorError
  * ConfigurationError         a file or a variable is wrong; nothing was connected (exit code 78)
    + problems                 all that is wrong, each with file, line, member and remedy
  * InvalidEvent               one event is not what it must be; it goes to the dead letters
    + reason                   a word of `Reason`
  * InvalidStateRecord         a state record cannot be read by this version
  * KafkaError
    * KafkaUnavailable         cured by waiting
    * KafkaRefused             cured by a person: permission, topic, credentials
  * KinesisError
    * KinesisUnavailable       cured by waiting
      + outcome_unknown        whether the request may have been carried out
      * KinesisUnreadable      an answer that does not say what became of the request
      * KinesisTooLarge        something on the way takes no request of this size; a smaller one may pass
    * KinesisRejected          a request whose content is at fault: some record of it
    * KinesisRefused           cured by a person: permission, stream, credentials
      + code                   AWS' name of the error, where an answer has one
  * StateError                 state cannot be read or kept: a disk that is full or broken
    * StateUnavailable         a disk that takes nothing, or does not answer, now; cured by waiting, for room mostly
    * StateRefused             state, changelog and offsets do not agree; a person must decide (exit code 78)
  * DefinitionUnavailable      the definition that is kept in Kafka is not known now; cured by waiting, where it does not say else
  * DefinitionConflict         others changed that definition again and again meanwhile; a new try may cure it
  * WorkerStalled              there is work and no progress; a new start may cure it
  * EmbeddedServerError        the demo's own Kafka or Kinesis did not start

Foreign exceptions are mapped to these once, at the boundary that meets them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

EXIT_BAD_CONFIGURATION = 78
"""`EX_CONFIG` of BSD's sysexits.h."""


class Reason(StrEnum):
    """Why an event is in the dead-letter topic."""

    BAD_KEY = "bad-key"
    BAD_JSON = "bad-json"
    BAD_MEMBERSHIP = "bad-membership"
    BAD_IDENTITY = "bad-identity"
    BAD_LABELS = "bad-labels"
    TOO_LARGE = "too-large"
    REJECTED = "rejected"
    INTERNAL = "internal"
    """Something in the processor failed on it that nobody expected: a fault of the processor, not of the event."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration.

    `source` is a file's path, or `environment`; `line` counts from 1 and is None where there is none;
    `member` is a dotted path (`segments[1].id`) or a variable's name.
    """

    source: str
    line: int | None
    member: str
    message: str
    remedy: str

    def __str__(self) -> str:
        place = self.source if self.line is None else f"{self.source}:{self.line}"
        return f"{place}: {self.member}: {self.message}. {self.remedy}"


class ProcessorError(Exception):
    """The root: what `except ProcessorError` catches is ours."""


class ConfigurationError(ProcessorError):
    """A configuration that cannot be used; `problems` holds all that was found, in order of place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class InvalidEvent(ProcessorError):
    """An event that breaks the event format; it changes no state."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class InvalidStateRecord(ProcessorError):
    """A state record that this version cannot read."""


class KafkaError(ProcessorError):
    """Kafka did not do what was asked."""


class KafkaUnavailable(KafkaError):
    """Kafka does not answer now; waiting cures it."""


class KafkaRefused(KafkaError):
    """Kafka answers and refuses; a person must change a permission, a topic or a credential."""


class KinesisError(ProcessorError):
    """Kinesis did not do what was asked."""


class KinesisUnavailable(KinesisError):
    """Kinesis does not answer now; waiting cures it."""

    def __init__(self, message: str, *, outcome_unknown: bool = False) -> None:
        super().__init__(message)
        self.outcome_unknown = outcome_unknown


class KinesisUnreadable(KinesisUnavailable):
    """An answer that does not say what became of the request, which may have been carried out."""

    def __init__(self, message: str) -> None:
        super().__init__(message, outcome_unknown=True)


class KinesisTooLarge(KinesisUnavailable):
    """Something on the way takes no request of this size, and Kinesis has none of it; a smaller one may pass."""


class KinesisRejected(KinesisError):
    """Kinesis answers that a request's content is at fault; some record of it, if it held several."""


class KinesisRefused(KinesisError):
    """Kinesis, or what stands before it, refuses; a person must change a permission, a stream or a credential."""

    def __init__(self, message: str, *, code: str = "") -> None:
        super().__init__(message)
        self.code = code


class StateError(ProcessorError):
    """State cannot be read or kept."""


class StateUnavailable(StateError):
    """The disk takes nothing now: it is full, or a quota is, or it may only be read, or fails; that may pass."""


class StateRefused(StateError):
    """State, changelog and committed offsets contradict each other; going on would lie to the destination."""


class WorkerStalled(ProcessorError):
    """The worker has work and makes no progress, though Kafka and Kinesis answer."""


class DefinitionUnavailable(ProcessorError):
    """The definition that is kept in Kafka was not read yet, or Kafka is away, or a later release wrote it."""


class DefinitionConflict(ProcessorError):
    """Each time that a change was proposed, somebody else's had been accepted before it; nothing was changed."""


class EmbeddedServerError(ProcessorError):
    """An embedded server did not start or did not answer."""


def exit_code(failures: Iterable[BaseException]) -> int:
    """78 where a person must mend something first, so that a supervisor need not try again."""
    refusals = ConfigurationError, KafkaRefused, KinesisRefused, StateRefused, InvalidStateRecord
    return EXIT_BAD_CONFIGURATION if any(isinstance(error, refusals) for error in failures) else 1


def leaves(failure: BaseExceptionGroup) -> Iterator[BaseException]:
    """The errors in a group, and in the groups within it."""
    for error in failure.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
