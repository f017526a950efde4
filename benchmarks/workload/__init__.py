"""A seeded stream of life-like profile-change events, as a library and as a command that fills a topic.

Every profile is born once (`births`, one event each), then lives (`events`): it enters and leaves segments, its
attributes and identities change, or something happens that the destination may not see. `Shape` says how often, how
large and to whom. Whether an event changes what is exported is known when it is made, so that a run can be checked.

Every export carries the time of the event that caused it, in one of its texts: `newest_time` finds it. That is how
the way from Kafka to Kinesis is timed without a word in the events that a real one would not have.
"""

from benchmarks.workload.lives import Event, Workload
from benchmarks.workload.shape import REFERENCE, Shape, destination_text
from benchmarks.workload.times import TIME_TEXT, newest_time, newest_time_text, planned_clock

__all__ = [
    "REFERENCE",
    "TIME_TEXT",
    "Event",
    "Shape",
    "Workload",
    "destination_text",
    "newest_time",
    "newest_time_text",
    "planned_clock",
]
