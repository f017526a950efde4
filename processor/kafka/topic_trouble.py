"""Tells what keeps a small topic of the service's own from being followed, in the log, as often as that is news."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.errors import KafkaUnavailable

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from processor.errors import ProcessorError


class TopicTrouble:
    """A trouble of one kind, `warning`, with a topic that people call `noun`.

    It is told once as long as its reason stays the same, and again when it is over. That Kafka was not there for one try is no
    warning: the next may well cure it.
    """

    def __init__(self, log: FilteringBoundLogger, noun: str, topic: str, warning: str) -> None:
        self._log = log
        self._noun = noun
        self._topic = topic
        self._warning = warning
        self._reason: str | None = None
        self._told: str | None = None
        """The reason that was warned of last."""

    @property
    def reason(self) -> str | None:
        """Why the last try failed; None where it did not."""
        return self._reason

    def report(self, error: ProcessorError, **remedy: str) -> None:
        """Note that a try has failed."""
        former, self._reason = self._reason, str(error)
        if isinstance(error, KafkaUnavailable) and former is None:
            self._log.info(f"{self._noun} is tried again", topic=self._topic, reason=self._reason)
        elif self._told != self._reason:
            self._told = self._reason
            self._log.warning(self._warning, topic=self._topic, reason=self._reason, **remedy)

    def is_over(self) -> None:
        """Note that it works."""
        told, self._reason, self._told = self._told, None, None
        if told is not None:
            self._log.info(f"{self._noun} is followed again", topic=self._topic)
