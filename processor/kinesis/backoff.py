"""How long to wait before something is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

    from processor.settings import KinesisSettings


class Backoff:
    """Waits between tries, in seconds, drawn at random so that workers do not try in step."""

    def __init__(self, settings: KinesisSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng

    def wait_s(self, attempts: int) -> float:
        """The wait after so many attempts, from 1 on, failed: it doubles with each, up to `retry_max_ms`."""
        settings = self._settings
        most_ms = min(settings.retry_max_ms, settings.retry_base_ms * 2 ** min(attempts - 1, 30))
        return self._rng.uniform(0, most_ms) / 1000

    def slow_s(self) -> float:
        """The wait while a person must mend something first: half of `slow_retry_ms` to all of it."""
        return self._settings.slow_retry_ms / 1000 * self._rng.uniform(0.5, 1.0)
