"""What stands beside a committed offset is read as it was written, and what somebody else wrote is no mark."""

from __future__ import annotations

import pytest

from processor.kafka.commit_metadata import Mark, mark_in
from processor.kafka.topic_ids import TopicIdentity

HERE = TopicIdentity("Some-Cluster_1", "6f1d2c3b-0000-4000-8000-000000000000")


@pytest.mark.parametrize("mark", [Mark(HERE, 0), Mark(HERE, 12345), Mark(None, 7)])
def test_a_mark_is_read_as_it_was_written(mark: Mark) -> None:
    assert mark_in(str(mark)) == mark


@pytest.mark.parametrize(
    "metadata", ["", "start", "state", "state x c t", "state 1 c", "other 1 c t", "a note"]
)
def test_what_somebody_else_wrote_is_no_mark(metadata: str) -> None:
    assert mark_in(metadata) is None


def test_topics_of_two_clusters_say_nothing_of_each_other() -> None:
    anew = HERE._replace(topic="another")
    assert anew.is_another(HERE)
    assert not HERE.is_another(HERE)
    assert not HERE.is_another(None)
    assert not anew.is_another(HERE._replace(cluster="elsewhere"))
