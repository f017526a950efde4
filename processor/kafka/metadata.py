"""Looking at topics without making them.

Where a broker has `auto.create.topics.enable=true`, which is Kafka's default, a metadata request that names an absent
topic creates it, with the broker's default partitions and `cleanup.policy=delete`, unless the request says not to.
aiokafka's clients never say so and have no setting for it.
"""

from __future__ import annotations

from functools import partial

from aiokafka import client
from aiokafka.admin import client as admin_client
from aiokafka.protocol.metadata import MetadataRequest


def never_create_by_looking() -> None:
    """Have no client of this process create a topic by asking for it; harmless to call again.

    Consumers, producers and admin clients of aiokafka all build their requests by the name that is replaced here.
    """
    looking = partial(MetadataRequest, allow_auto_topic_creation=False)
    client.MetadataRequest = looking
    admin_client.MetadataRequest = looking
