"""The destination file as value objects: what is exported, and where to.

Loading, with lines and remedies, is `processor.configuration`; this module only says what there is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic import SecretStr

PLATFORM_NAMESPACE = "ups"
"""The namespace of segments that the platform itself evaluates."""


@dataclass(frozen=True, slots=True)
class SegmentTimes:
    """When a segment, and its mapping to this destination, came to be and last changed; in ms since the epoch."""

    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    mapping_created_at_ms: int | None = None
    mapping_updated_at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A mapped segment."""

    namespace: str
    id: str
    name: str | None = None
    times: SegmentTimes = SegmentTimes()


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach Kinesis; without keys AWS's default credential chain is used.

    Each of the two keys is given itself, or by the file that holds it.
    """

    region: str
    access_key_id: SecretStr | None = None
    secret_key: SecretStr | None = None
    connection_url: str | None = None
    access_key_id_file: Path | None = None
    secret_key_file: Path | None = None

    @property
    def gives_keys(self) -> bool:
        """Whether there are keys, so that the chain is not asked."""
        return self.access_key_id is not None or self.access_key_id_file is not None


@dataclass(frozen=True, slots=True)
class Destination:
    """The whole file. `stream` is a name or an ARN; `partition_key_namespace` is None where the key is the profile id."""

    name: str
    connection: Connection
    stream: str
    marketing_actions: tuple[str, ...]
    segments: tuple[Segment, ...]
    attributes: tuple[str, ...]
    description: str | None = None
    partition_key_namespace: str | None = None
    include_segment_names: bool = False
    include_segment_timestamps: bool = False
    source: str = field(default="destination.yaml", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Where members (`segments[1]`) stand in the file: some mistakes are known only with the other file."""

    @property
    def exported_to(self) -> str:
        """The stream, as the state remembers it: another one knows nothing of what was exported."""
        return f"{self.connection.region}/{self.stream.rpartition('/')[2]}"
