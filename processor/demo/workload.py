"""A life-like stream of profile-change events; the published example's profile comes first.

Seeded, so that a demo can be repeated event for event.
"""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LIKELY_BUYERS: Final = "7841ba61-23c1-4bb3-a495-00d3g5fe1e93"
NEWSLETTER: Final = "59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae"
LOYAL: Final = "947c1c46-008d-40b0-92ec-3af86eaf41c1"
UNMAPPED: Final = "354e086f-2e11-49a2-9e39-e5d9a76be683"

DESTINATION: Final = """\
name: Loyalty exports
connection:
  region: {region}
  accessKeyId: demo
  secretKey: demo
  connectionUrl: {url}
stream: {stream}
marketingActions: [exportToThirdParty, emailTargeting]
includeSegmentNames: true
segments:
  - {{id: 7841ba61-23c1-4bb3-a495-00d3g5fe1e93, name: Likely buyers}}
  - {{id: 59bd2fkd-3c48-4b18-bf56-4f5c5e6967ae, name: Newsletter readers}}
  - {{id: 947c1c46-008d-40b0-92ec-3af86eaf41c1, name: Loyal customers}}
attributes: [person.email, person.name.lastName, loyalty.points, creditScore]
"""

GOVERNANCE: Final = """\
labels:
  fields: {creditScore: [C2], person.email: [I1]}
  identities: {phone_sha256: [S1]}
policies:
  - name: No credit data to third parties
    status: ENABLED
    marketingActionRefs: [exportToThirdParty]
    deny: {label: C2}
  - name: No precise location in mailings
    status: ENABLED
    marketingActionRefs: [emailTargeting]
    deny: {label: S1}
consentPolicies:
  - name: Marketing email opt-in
    status: ENABLED
    marketingActionRefs: [emailTargeting]
    requires: {path: consents.marketing.email.val, in: ["y"]}
"""

_EXAMPLE_PROFILE: Final = "yourstruly"
_START_MS: Final = 1_590_449_856_000
_NAMES: Final = ("Smith", "García", "Nguyen", "Müller", "Okafor", "Rossi", "Sato", "Kowalska")
_INVALID_SHARE: Final = 0.02
_DELETED_SHARE: Final = 0.01
_REPEATED_SHARE: Final = 0.2


class DemoEvent(NamedTuple):
    """One Kafka record to produce."""

    key: bytes
    value: bytes | None
    timestamp_ms: int


def events(seed: int, profiles: int) -> Iterator[DemoEvent]:
    """Yield events without end, the same ones for the same `seed` and number of `profiles`."""
    rng = random.Random(seed)
    yield from _example()
    alive: dict[str, dict[str, Any]] = {}
    now_ms = _START_MS + 60_000
    while True:
        now_ms += rng.randrange(1, 900)
        key = f"profile-{min(int(rng.paretovariate(0.7)), profiles):05d}"
        if rng.random() < _INVALID_SHARE:
            yield DemoEvent(key.encode(), b'{"segmentMembership": "not an object"}', now_ms)
            continue
        if key in alive and rng.random() < _DELETED_SHARE:
            del alive[key]
            yield DemoEvent(key.encode(), None, now_ms)
            continue
        profile = alive.setdefault(key, _born(key, rng))
        if rng.random() > _REPEATED_SHARE:
            _live(profile, rng, now_ms)
        yield DemoEvent(key.encode(), json.dumps(profile, ensure_ascii=False).encode(), now_ms)


def _example() -> Iterator[DemoEvent]:
    """Yield the published example's profile: in two segments, then out of one of them."""
    profile: dict[str, Any] = {
        "person": {"email": "yourstruly@adobe.com", "name": {"firstName": "Ann", "lastName": "Smith"}},
        "consents": {"marketing": {"email": {"val": "y"}}},
        "segmentMembership": {
            "ups": {
                LIKELY_BUYERS: {"lastQualificationTime": "2020-05-25T21:24:39Z", "status": "realized"},
                NEWSLETTER: {"lastQualificationTime": "2020-05-25T23:37:33Z", "status": "realized"},
            }
        },
        "identityMap": {
            "ecid": [
                {"id": "14575006536349286404619648085736425115"},
                {"id": "66478888669296734530114754794777368480"},
            ],
            "email_lc_sha256": [{"id": "655332b5fa2aea4498bf7a290cff017cb4"}],
        },
    }
    yield DemoEvent(_EXAMPLE_PROFILE.encode(), json.dumps(profile).encode(), _START_MS)
    memberships = profile["segmentMembership"]["ups"]
    memberships[LIKELY_BUYERS]["status"] = "exited"
    memberships[NEWSLETTER]["status"] = "existing"
    yield DemoEvent(_EXAMPLE_PROFILE.encode(), json.dumps(profile).encode(), _START_MS + 1)


def _born(key: str, rng: random.Random) -> dict[str, Any]:
    number = rng.randrange(10**12)
    return {
        "person": {
            "email": f"{key}@example.com",
            "name": {"firstName": "Kim", "lastName": rng.choice(_NAMES)},
        },
        "loyalty": {"points": rng.randrange(500)},
        "creditScore": rng.randrange(300, 850),
        "consents": {"marketing": {"email": {"val": "y"}}},
        "segmentMembership": {"ups": {}},
        "identityMap": {"ecid": [{"id": f"{number:038d}"}], "phone_sha256": [{"id": f"{number:x}"}]},
    }


def _live(profile: dict[str, Any], rng: random.Random, now_ms: int) -> None:
    """Change a profile in place, as one event of its life does."""
    memberships = profile["segmentMembership"]["ups"]
    for entry in memberships.values():
        if entry["status"] == "realized":
            entry["status"] = "existing"
    chance = rng.random()
    if chance < 0.7:  # noqa: PLR2004  mostly, a segment is entered or left
        segment = rng.choice((LIKELY_BUYERS, NEWSLETTER, LOYAL, UNMAPPED))
        entry = memberships.get(segment)
        status = "exited" if entry is not None and entry["status"] == "existing" else "realized"
        memberships[segment] = {"lastQualificationTime": _as_text(now_ms), "status": status}
    elif chance < 0.95:  # noqa: PLR2004  or points are earned
        profile["loyalty"]["points"] += rng.randrange(1, 50)
    else:
        consent = profile["consents"]["marketing"]["email"]
        consent["val"] = "n" if consent["val"] == "y" else "y"


def _as_text(now_ms: int) -> str:
    seconds = (now_ms // 1000) % 86_400
    return f"2020-05-26T{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}Z"
