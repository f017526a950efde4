"""Attribute paths in the configuration files: `person.email`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.profile.event import IDENTITIES, MEMBERSHIP

if TYPE_CHECKING:
    from processor.configuration.located import LocatedFile, Place


def check_attribute_path(file: LocatedFile, place: Place, path: str) -> None:
    """Note a problem where `path` can name no attribute of a profile."""
    parts = path.split(".")
    if not all(parts):
        file.complain(place, f"{path!r} has an empty part", "Write the members' names with one dot between")
    elif parts[0] in {MEMBERSHIP, IDENTITIES}:
        file.complain(place, f"{parts[0]} is no attribute", "Remove it: it is exported by itself")
