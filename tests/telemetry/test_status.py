"""One worker's figures and health, by the verbs that change them."""

from __future__ import annotations

from processor.telemetry.status import Status


def test_the_first_assignment_ends_the_start_and_each_is_counted() -> None:
    status = Status()
    assert set(status.conditions) == {"starting"}
    status.rebalanced()
    assert not status.conditions
    status.unhealthy("rebalancing", "joining the group")
    status.rebalanced()
    assert not status.conditions
    assert status.figures.rebalances == 2


def test_what_happens_is_counted_by_what_it_is() -> None:
    status = Status()
    status.lost("deleted", 5)
    status.lost("passed", 2)
    status.lost("deleted", 1)
    status.group_began("nothing")
    status.intruded(3)
    status.reloaded("taken")
    status.reloaded("refused")
    status.kept(0.5)
    status.committed(0.25)
    figures, durations = status.figures, status.durations
    assert figures.lost == {"deleted": 6, "passed": 2}
    assert figures.begun_anew == {"nothing": 1}
    assert figures.intruder_records == 3
    assert figures.reloads == {"taken": 1, "refused": 1}
    assert (durations.changelog.total, durations.commit.total) == (0.5, 0.25)


def test_a_partition_that_is_released_for_one_condition_keeps_that_alone() -> None:
    status = Status()
    status.rebalanced()
    for number in (0, 1):
        status.unhealthy("disk", "the disk is full", number)
        status.unhealthy("changelog", "no leader", number)
    status.released_for("disk", 0)
    assert status.has("disk", 0)
    assert not status.has("changelog", 0)
    assert status.has("changelog", 1)
    assert status.conditions == {"disk": "the disk is full", "changelog": "no leader"}
    status.revoked(0)
    status.revoked(1)
    assert status.is_ready
