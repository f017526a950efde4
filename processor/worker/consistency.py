"""Whether a partition's store, changelog, committed offset and source can all be true.

They must not lie: a fresh state beside committed offsets would export `realized` again for everyone,
and lose every exit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from processor.errors import StateRefused
from processor.kafka.changelog import RESTORED_BY

if TYPE_CHECKING:
    from processor.kafka.commit_metadata import Committed, Mark
    from processor.kafka.offsets import Bounds, SourceBounds
    from processor.kafka.topic_ids import TopicIdentity

_NEW_GROUP: Final = "start a new group, which exports every profile anew"
_LOST: Final = f"Delete it, and have {RESTORED_BY}"


def check_identity(
    partition: int, mark: Mark | None, store_changelog: str | None, changelog: TopicIdentity | None
) -> bool:
    """See that the changelog is the topic that the group's offsets rely on, where the brokers know ids.

    Whether the local store may be of a former one, and is of no use: `store_changelog` is the topic's id that it knows. One that
    knows none is of a release that noted none; it may be older than an offset that names the topic.

    Raises:
        StateRefused: it is another topic under the same name.

    """
    if changelog is None:
        return False
    relied_on = None if mark is None else mark.changelog
    if relied_on is None and store_changelog not in {None, changelog.topic}:
        contradiction = f"the local store is of topic {store_changelog}"
    elif changelog.is_another(relied_on):
        contradiction = f"the committed offset relies on topic {relied_on and relied_on.topic}"
    else:
        return relied_on == changelog and store_changelog != changelog.topic
    raise StateRefused(
        f"partition {partition}: {contradiction}, and the changelog is {changelog.topic}: it was deleted and made anew. {_LOST}"
    )


def check_changelog(
    partition: int, committed: Committed | None, changelog: Bounds, store_position: int
) -> None:
    """See that the changelog holds all that it must.

    Raises:
        StateRefused: it does not, or the group's offsets are gone.

    """
    where = f"partition {partition}"
    if committed is None:
        if changelog.end > 0:
            raise StateRefused(
                f"{where}: the group has no committed offset, but its changelog has records: the offset has "
                "expired or was deleted, or the source topic was made anew, which deletes it. Set it with "
                "kafka-consumer-groups.sh --reset-offsets to where the service stopped, or, for a new topic, "
                f"{_NEW_GROUP}. Where the changelog is another group's (a-b with topic c and a with topic b-c make one "
                "name), name another: PROCESSOR_STATE_CHANGELOG_TOPIC"
            )
        return
    if committed.repartition is not None:
        before, now = committed.repartition
        raise StateRefused(
            f"{where}: state is being moved from {before} partitions to {now}, and that was broken off: run "
            "`processor state repartition` again, which ends it"
        )
    if changelog.end == 0 and not committed.is_start:
        raise StateRefused(
            f"{where}: the group has committed offset {committed.offset}, but its changelog is empty: it was "
            f"deleted or made anew. {_LOST}; else {_NEW_GROUP}"
        )
    if committed.mark is not None and committed.mark.position > changelog.end:
        raise StateRefused(
            f"{where}: the committed offset {committed.offset} relies on the changelog up to {committed.mark.position}, but it "
            f"ends at {changelog.end}: it was cut short or made anew. {_LOST}; else {_NEW_GROUP}"
        )
    if store_position > changelog.end:
        raise StateRefused(
            f"{where}: the local store is at changelog offset {store_position}, but the changelog ends at "
            f"{changelog.end}: it was cut short or made anew. {_LOST}; else {_NEW_GROUP}"
        )
    if store_position < changelog.begin:
        raise StateRefused(
            f"{where}: the changelog begins at offset {changelog.begin}, and the local store is at "
            f"{store_position}: records between were deleted, which compaction never does. Bring them back, "
            f"or {_NEW_GROUP}"
        )


def check_store(partition: int, store_position: int, highest_state_offset: int) -> None:
    """See that a group without offsets and without a changelog has left no state here.

    Raises:
        StateRefused: it has.

    """
    if store_position > 0 and highest_state_offset >= 0:
        raise StateRefused(
            f"partition {partition}: the group has no committed offset and its changelog is empty, but the local store has what "
            f"was exported up to offset {highest_state_offset} of the source: to begin anew would lose every exit since. Is that "
            "meant, remove the stores, with `processor state rebuild`. Else stop the service, set the offsets with "
            "kafka-consumer-groups.sh --reset-offsets to where it stopped, or before that, delete the changelog, and have "
            f"{RESTORED_BY}"
        )


class Passed(NamedTuple):
    """Offsets of the source, from `first` to before `end`, whose events were never taken."""

    first: int
    end: int


def passed_by_hand(committed: Committed, consumed: int | None, highest_state_offset: int) -> Passed | None:
    """What somebody who set the group's offset by hand had it pass over; None where nobody did.

    `consumed` is how far the state knows that the source was taken; None where it was made by a release that noted none.
    """
    if (
        committed.mark is not None
        or committed.is_start
        or consumed is None
        or highest_state_offset >= consumed
    ):
        return None  # its own; or that of a release that notes nothing, and has worked on this since
    return Passed(consumed, committed.offset) if committed.offset > consumed else None


def check_source(partition: int, committed: int, source: SourceBounds, highest_state_offset: int) -> None:
    """See that the source is the one that the state was made from.

    Raises:
        StateRefused: it ends before what was processed.

    """
    processed = max(committed, highest_state_offset + 1)
    if processed > source.end:
        raise StateRefused(
            f"partition {partition}: events up to offset {processed - 1} were processed, but the source ends "
            f"at {source.end}: the topic was made anew or cut short. For a new topic, {_NEW_GROUP}"
        )


def check_stream(partition: int, exported_to: str | None, stream: str) -> None:
    """See that the state was exported to this stream.

    Raises:
        StateRefused: it was another one.

    """
    if exported_to is not None and exported_to != stream:
        raise StateRefused(
            f"partition {partition}: the state was exported to {exported_to}, the destination is {stream} now, "
            f"which knows nothing of it: name the former stream, or {_NEW_GROUP}"
        )
