"""Names that the two services give things: specs, paths, members of bookkeeping, references to marketing actions."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote_to_bytes

PROFILE_SERVICE_SPEC: Final = "8a9c3494-9708-43d7-ae3f-cda01e5030e1"
"""The connection spec of the platform's own profiles, as the published tutorial gives it."""
KINESIS_SPEC: Final = "86043421-563b-46ec-8e6c-e23184711bf6"
EVENT_HUBS_SPEC: Final = "bf9f5905-92b7-48bf-bf20-455bc6b60a4e"
PROFILE_FLOW_SPEC: Final = "71471eba-b620-49e4-90fd-23f1fa0174d8"
"""The flow spec of profile-based destinations."""
SPEC_VERSION: Final = "1.0"
KINESIS_AUTHENTICATION: Final = "Aws Kinesis authentication credentials"
TRANSFORMATION: Final = "GeneralTransform"

MARKETING_ACTIONS_URL: Final = "https://platform.adobe.io/data/foundation/dulepolicy/marketingActions"

BOOKKEEPING: Final = frozenset(
    {
        "id", "createdAt", "updatedAt", "createdBy", "updatedBy", "createdClient", "updatedClient", "sandboxId",
        "sandboxName", "imsOrgId", "imsOrg", "version", "etag", "created", "createdUser", "updated", "updatedUser",
        "_links", "_page", "inheritedAttributes", "lastRunDetails", "lastOperation", "providerRefId",
    }
)  # fmt: skip
"""Members by which the platform keeps its books: they say nothing of what is exported."""


def action_ref(kind: str, name: str) -> str:
    """The URI of a marketing action; `kind` is `core` or `custom`."""
    return f"{MARKETING_ACTIONS_URL}/{kind}/{quote(name, safe='')}"


def is_custom_ref(ref: str) -> bool:
    """Whether a URI says that its marketing action is a custom one."""
    return "marketingActions/custom/" in ref


def action_of_ref(ref: str, known: frozenset[str]) -> str:
    """The marketing action that a reference names: the last segment of a URI's path, percent-decoded once.

    A text without a slash is the name itself where `known` holds it, else it is decoded, too.

    Raises:
        ValueError: what is decoded is not UTF-8.

    """
    if "/" not in ref and ref in known:
        return ref
    segment = ref.partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
    return unquote_to_bytes(segment).decode()
