"""Configuration files and an environment for commands."""

from __future__ import annotations

GOVERNANCE = """\
labels:
  fields: {loyalty: [C2]}
policies:
  - {name: Third parties, status: ENABLED, marketingActionRefs: [exportToThirdParty], deny: {label: C2}}
"""


ENVIRON = {
    "PROCESSOR_KAFKA_SERVERS": "127.0.0.1:1",
    "PROCESSOR_KAFKA_TOPIC": "profiles",
    "PROCESSOR_KAFKA_GROUP": "exports",
}
