"""How fast a backfill may go beside live events: as fast as they stay as quick as they were before.

What a backfill takes of a worker, of Kafka and of Kinesis cannot be known beforehand, and any of them may be what there is least of. So
live events themselves are looked at: how many are in the source and not acknowledged, and how many come a second, which makes
how long each takes (Little's law). Where that grows, the backfill slows down; where it does not, it goes faster, bit by bit.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_LOOK_S: Final = 0.05
_FEW_PER_S: Final = 20.0
"""Where fewer live events come, nothing can be said of how long they take, and nothing they need is short."""
_SLOW_PER_S: Final = 200.0
_LEAST_PER_S: Final = 100.0
"""However long live events take, so that a backfill has an end."""
_MOST_PER_S: Final = 1_000_000.0
_LEARNING_S: Final = 1.0
"""For so long it is looked at how long live events take, while the backfill goes slowly."""
_FORGOTTEN_AFTER_S: Final = 5.0
_LONGER: Final = 1.2
_LEAST_DELAY_S: Final = 0.03
"""What is shorter is no delay: a call to Kinesis takes as long."""
_LAG_S: Final = 3.0
"""What is longer is lag, however long it has been so: more live events come than can be worked on."""
_FASTER: Final = 1.02
_SLOWER: Final = 0.9
_WEIGHT: Final = 0.2
"""Of the newest look, in what goes before it: events come in batches, so that one look says little."""
_USUAL_WEIGHT: Final = 0.05
_SLOW_LOOKS: Final = 20


class Live(NamedTuple):
    """Live events: how many were received since the worker's start, and how many are in the source and not acknowledged."""

    received: int
    unacknowledged: int


class Pace:
    """Says how many events a second may be looked at again, from what `look_at_live` finds.

    It goes slowly at first, and learns meanwhile how long live events take; anew where it was not asked for a while.
    """

    def __init__(self, look_at_live: Callable[[], Live]) -> None:
        self._look_at_live = look_at_live
        self._looked_at_s = -math.inf
        self._received = 0
        self._live_per_s = 0.0
        self._delay_s = 0.0
        self._usual_delay_s = 0.0
        self._learns_until_s: float | None = None
        self._per_s = _SLOW_PER_S
        self._slow_looks = 0
        """Looks in a row at which it went slowly."""

    @property
    def is_alone(self) -> bool:
        """Whether no live events came when it was looked last."""
        return math.isinf(self._per_s)

    def per_s(self, now_s: float) -> float:
        """Return how many events a second may be looked at again now; infinity where no live events come."""
        if now_s - self._looked_at_s >= _LOOK_S:
            self._look(now_s)
        return self._per_s

    def _look(self, now_s: float) -> None:
        live, passed_s = self._look_at_live(), now_s - self._looked_at_s
        received, self._received, self._looked_at_s = live.received - self._received, live.received, now_s
        if passed_s > _FORGOTTEN_AFTER_S:
            self._live_per_s, self._learns_until_s, self._per_s = 0.0, None, _SLOW_PER_S
            return
        self._live_per_s += _WEIGHT * (received / passed_s - self._live_per_s)
        if max(self._live_per_s, live.unacknowledged) < _FEW_PER_S:
            self._per_s, self._learns_until_s = math.inf, None
            return
        delay_s = live.unacknowledged / max(self._live_per_s, _FEW_PER_S)
        if self._learns_until_s is None:
            self._learns_until_s, self._usual_delay_s = now_s + _LEARNING_S, delay_s
            self._delay_s, self._per_s = delay_s, _SLOW_PER_S
        self._delay_s += _WEIGHT * (delay_s - self._delay_s)
        self._slow_looks = self._slow_looks + 1 if self._per_s <= _SLOW_PER_S else 0
        if now_s < self._learns_until_s:
            self._usual_delay_s = self._delay_s
            return
        if self._slow_looks > _SLOW_LOOKS:
            # For so long so little was looked at that this is how long live events take by themselves.
            self._usual_delay_s += _USUAL_WEIGHT * (self._delay_s - self._usual_delay_s)
        if self._delay_s > min(max(_LONGER * self._usual_delay_s, _LEAST_DELAY_S), _LAG_S):
            self._per_s = max(self._per_s * _SLOWER, _LEAST_PER_S)
        else:
            self._per_s = min(self._per_s * _FASTER, _MOST_PER_S)
