"""A backfill's pace beside live events, on a model of what serves both: a queue with so much room, whoever is the one that is short."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from processor.backfill.pace import Live, Pace

STEP_S = 0.01


@dataclass
class Served:
    """Live events that come at a rate, and a backfill's, which the same `served_per_s` serve, in their order; each live one takes `latency_s` beside."""

    live_per_s: float
    served_per_s: float
    latency_s: float = 0.02
    now_s: float = 0.0
    received: float = 0.0
    waiting_live: float = 0.0
    waiting_again: float = 0.0
    looked_at: float = 0.0
    lags: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def live(self) -> Live:
        return Live(int(self.received), int(self.waiting_live + self.live_per_s * self.latency_s))

    def run(self, pace: Pace, seconds: float) -> None:
        for _ in range(int(seconds / STEP_S)):
            self.now_s += STEP_S
            rate = pace.per_s(self.now_s)
            self.rates.append(rate)
            self.received += self.live_per_s * STEP_S
            self.waiting_live += self.live_per_s * STEP_S
            # A run has so many on their way, at most.
            self.waiting_again = min(self.waiting_again + min(rate, 200_000.0) * STEP_S, 1_000.0)
            served, waiting = self.served_per_s * STEP_S, self.waiting_live + self.waiting_again
            share = min(served / waiting, 1.0) if waiting else 0.0
            self.looked_at += self.waiting_again * share
            self.waiting_again -= self.waiting_again * share
            self.waiting_live -= self.waiting_live * share
            self.lags.append(self.waiting_live)


def test_where_no_live_events_come_nothing_bounds_it() -> None:
    served = Served(0.0, 50_000.0)
    served.run(Pace(served.live), 5.0)
    assert set(served.rates[10:]) == {math.inf}


@given(st.floats(2_000.0, 40_000.0), st.floats(0.2, 0.8), st.floats(0.005, 0.2))
def test_live_events_take_little_longer_and_the_backfill_takes_much_of_what_they_leave(
    served_per_s: float, load: float, latency_s: float
) -> None:
    served = Served(served_per_s * load, served_per_s, latency_s)
    pace = Pace(served.live)
    served.run(pace, 60.0)
    usual_s = max(latency_s, 0.03)
    late = [lag / served.live_per_s + latency_s for lag in served.lags[1_000:]]
    assert sorted(late)[int(0.99 * len(late))] <= 2.5 * usual_s
    assert served.lags[-1] < served.live_per_s * 2.5 * usual_s, "lag does not grow"
    left = served_per_s * (1.0 - load)
    assert served.looked_at >= min(0.3 * left, 0.3 * 200_000.0) * 50.0


def test_where_more_live_events_come_than_are_served_it_goes_on_slowly() -> None:
    served = Served(2_000.0, 1_000.0)
    served.run(Pace(served.live), 60.0)
    assert max(served.rates[1_000:]) <= 200.0


def test_once_live_events_end_it_is_bounded_no_more() -> None:
    served = Served(1_000.0, 2_000.0)
    pace = Pace(served.live)
    served.run(pace, 10.0)
    served.live_per_s = 0.0
    served.run(pace, 10.0)
    assert served.rates[-1] == math.inf


def test_with_the_next_backfill_it_is_learned_anew_how_long_live_events_take() -> None:
    served = Served(1_000.0, 50_000.0, latency_s=0.02)
    pace = Pace(served.live)
    served.run(pace, 10.0)
    before = served.looked_at
    served.latency_s = 0.5  # Kinesis is slower now, for a reason of its own
    served.now_s += 10.0  # none was under way
    served.run(pace, 10.0)
    assert served.looked_at - before > before / 3
