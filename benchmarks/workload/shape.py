"""What a workload is like, and the destination file that goes with it."""

from __future__ import annotations

import math
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

NAMESPACE: Final = "ups"
_UNMAPPED_PATHS: Final = 3


def _option(default: Any, about: str) -> Any:  # noqa: ANN401  as `field` itself
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class Shape:
    """The parameters of a workload; shares are between 0 and 1.

    The defaults are the reference workload of docs/performance.md.
    """

    event_bytes: int = _option(1200, "an event's value, in bytes; more where its mapped part alone is larger")
    profiles: int = _option(50_000, "how many profiles there are")
    segments: int = _option(20, "segments that profiles are in, mapped or not")
    segments_mapped: int = _option(5, "how many of them the destination maps")
    attributes_mapped: int = _option(3, "attributes that the destination maps")
    share_of_changes: float = _option(0.7, "of all events: those that cause an export")
    share_of_attributes: float = _option(0.3, "of the changes: those of a mapped attribute")
    share_of_identities: float = _option(
        0.05, "of the changes: those of an identity; the rest are memberships"
    )
    share_requalified: float = _option(
        0.1, "of the events that cause none: those that renew a lastQualificationTime"
    )
    share_invalid: float = _option(0.0, "of all events: those that break the event format")
    zipf: float = _option(0.0, "skew of the profiles: 0 is uniform, 1 is Zipf's law, more is steeper")
    seed: int = _option(1, "the same seed gives the same events, byte for byte, on a virtual clock")

    def __post_init__(self) -> None:
        """Raise ValueError where the parts do not fit each other."""
        if not 1 <= self.segments_mapped <= self.segments:
            raise ValueError("segments_mapped must be between 1 and segments")
        if self.attributes_mapped < 1:
            raise ValueError("attributes_mapped must be at least 1")
        if self.event_bytes < 1 or self.profiles < 1:
            raise ValueError("event_bytes and profiles must be at least 1")
        shares = {name: getattr(self, name) for name in self.__slots__ if name.startswith("share_")}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ValueError(f"{name} must be between 0 and 1")
        if self.share_of_changes + self.share_invalid > 1:
            raise ValueError("share_of_changes and share_invalid are more than 1 together")
        if self.share_of_attributes + self.share_of_identities > 1:
            raise ValueError("share_of_attributes and share_of_identities are more than 1 together")
        if not 0 <= self.zipf < math.inf:
            raise ValueError("zipf must be a number from 0 on")

    @property
    def segment_ids(self) -> list[str]:
        """All segments' ids; the mapped ones come first."""
        space = uuid.UUID(int=0)
        return [str(uuid.uuid5(space, f"segment {number}")) for number in range(self.segments)]

    @property
    def attribute_paths(self) -> list[str]:
        """The paths of the mapped attributes."""
        traits = [f"traits.trait{number:03d}" for number in range(self.attributes_mapped - _UNMAPPED_PATHS)]
        return ["loyalty.lastActivity", "loyalty.points", "person.email", *traits][: self.attributes_mapped]


REFERENCE: Final = Shape()


def destination_text(shape: Shape, endpoint_url: str, stream: str = "exports") -> str:
    """The destination file for a workload, with `endpoint_url` in AWS's place."""
    segments = "\n".join(f"  - id: {id_}" for id_ in shape.segment_ids[: shape.segments_mapped])
    return f"""\
name: benchmark
connection: {{region: eu-west-1, accessKeyId: benchmark, secretKey: benchmark, connectionUrl: "{endpoint_url}"}}
stream: {stream}
marketingActions: []
segments:
{segments}
attributes: [{", ".join(shape.attribute_paths)}]
"""
