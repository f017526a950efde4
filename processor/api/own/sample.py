"""What recent events of the source suggest to map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from processor.api.errors import invalid
from processor.api.request import Answer
from processor.operations.kept_sample import KEPT_S, RENEWED_S

if TYPE_CHECKING:
    from collections.abc import Mapping

    from processor.api.own.looked_at import LookedAt
    from processor.api.request import Request
    from processor.api.tokens import Bearer
    from processor.flow_service.documents import Json
    from processor.operations.kept_sample import TakenSample

SAMPLE_QUERY: Final[Mapping[str, str]] = {
    "refresh": "`true`: read anew, unless that was done within the last five seconds."
}
_AGES_S: Final = {"true": RENEWED_S, "false": KEPT_S}


class Samples:
    """Answers the sample; values in it are masked."""

    def __init__(self, looked_at: LookedAt) -> None:
        self._looked_at = looked_at

    async def look(self, request: Request, _: Bearer) -> Answer:
        """Answer what the sample suggests."""
        given = request.query.get("refresh", ("false",))
        age_s = _AGES_S.get(given[0]) if len(given) == 1 else None
        if age_s is None:
            raise invalid("the parameter refresh is neither `true` nor `false`: give one of the two, or none")
        taken = await self._looked_at.sample.not_older(age_s)
        return Answer(body=_shown(taken, self._looked_at.topic))


def _shown(taken: TakenSample, topic: str) -> dict[str, Json]:
    read, found = taken.read, taken.read.suggestions
    return {
        "sampledAtMs": taken.at_ms,
        "topic": topic,
        "partitions": read.partitions,
        "partitionsRead": read.partitions_read,
        "events": found.events,
        "profiles": found.profiles,
        "invalid": {str(reason): count for reason, count in found.invalid.items()},
        "segments": [
            {
                "namespace": each.namespace,
                "id": each.id,
                "name": each.name,
                "members": each.members,
                "entries": each.entries,
            }
            for each in found.segments
        ],
        "attributes": [
            {"path": each.path, "kinds": each.kinds, "present": each.present, "example": each.example}
            for each in found.attributes
        ],
        "furtherSegments": found.further_segments,
        "furtherAttributes": found.further_attributes,
        "unnameable": found.unnameable,
    }
