"""TLS, mutual TLS, PLAIN and SCRAM against the real broker: what works, and what is said where it does not."""

from __future__ import annotations

import asyncio
import random
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from processor.embedded import start_kafka
from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.topics import open_topics
from processor.service.run import run_service
from tests.conftest import create_topic
from tests.support.numbered_changes import case, changes, expected, numbers
from tests.support.scripted_kinesis import ScriptedKinesis
from tests.support.served_kinesis import served
from tests.support.world import plan_for, produce, running, settings_for, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from processor.embedded.kafka import EmbeddedKafka
    from processor.settings import Settings

pytestmark = [pytest.mark.integration]

PASSWORD = "pass-3d5f"
LISTENERS = {
    "PLAIN": "SASL_PLAINTEXT",
    "SCRAM": "SASL_SSL",
    "TLS": "SSL",
    "MUTUAL": "SSL",
}
_MODULE = "org.apache.kafka.common.security"


class Secured:
    """A broker with all listeners, and the files of its authority and of a client."""

    def __init__(self, broker: EmbeddedKafka, files: Path) -> None:
        self.broker = broker
        self.files = files

    def settings(self, listener: str, **changes: str) -> Settings:
        named = {
            "kafka_security_protocol": LISTENERS[listener],
            "kafka_tls_ca_file": str(self.files / "ca.pem"),
            **changes,
        }
        return settings_for(self.broker.addresses[listener], "events", **named)

    def ways(self) -> dict[str, Settings]:
        sasl = {"kafka_sasl_user": "alice", "kafka_sasl_password": PASSWORD}
        client = {
            "kafka_tls_cert_file": str(self.files / "client.pem"),
            "kafka_tls_key_file": str(self.files / "client.key"),
        }
        return {
            "PLAIN": self.settings("PLAIN", kafka_sasl_mechanism="PLAIN", **sasl),
            "SCRAM-SHA-256": self.settings("SCRAM", kafka_sasl_mechanism="SCRAM-SHA-256", **sasl),
            "SCRAM-SHA-512": self.settings("SCRAM", kafka_sasl_mechanism="SCRAM-SHA-512", **sasl),
            "TLS": self.settings("TLS"),
            "mutual TLS": self.settings("MUTUAL", **client),
        }


def pem_store(path: Path, certificate: trustme.LeafCert) -> None:
    """Key and chain in one file, the key in the form that Java reads."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), None)
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(plain + b"".join(blob.bytes() for blob in certificate.cert_chain_pems))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    files = tmp_path_factory.mktemp("tls")
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(str(files / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(files / "other-ca.pem"))
    pem_store(files / "broker.pem", authority.issue_cert("localhost", key_type=trustme.KeyType.RSA))
    client = authority.issue_cert("client", key_type=trustme.KeyType.RSA)
    client.private_key_pem.write_to_path(str(files / "client.key"))
    client.cert_chain_pems[0].write_to_path(str(files / "client.pem"))
    scram = f"{_MODULE}.scram.ScramLoginModule required;"
    properties = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(files / "broker.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(files / "ca.pem"),
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.plain.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.plain.plain.sasl.jaas.config": (
            f'{_MODULE}.plain.PlainLoginModule required user_alice="{PASSWORD}";'
        ),
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "listener.name.scram.scram-sha-256.sasl.jaas.config": scram,
        "listener.name.scram.scram-sha-512.sasl.jaas.config": scram,
    }
    with start_kafka(properties, listeners=LISTENERS) as broker:
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
            subprocess.run(
                [
                    *broker._java("-Xmx128m"),
                    "kafka.admin.ConfigCommand",
                    *("--bootstrap-server", broker.bootstrap_servers, "--entity-type", "users"),
                    *(
                        "--entity-name",
                        "alice",
                        "--alter",
                        "--add-config",
                        f"{mechanism}=[password={PASSWORD}]",
                    ),
                ],
                check=True,
                capture_output=True,
            )
        asyncio.run(create_topic(broker.bootstrap_servers, "events", partitions=2))
        asyncio.run(produce(broker.bootstrap_servers, "events", changes(20)))
        yield Secured(broker, files)


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "TLS", "mutual TLS"])
async def test_the_service_works_over_secured_connections(secured: Secured, way: str) -> None:
    kinesis = ScriptedKinesis(random.Random(3))
    async with served(kinesis) as url, running(secured.ways()[way], plan_for(case(), "s", url)) as status:
        await until(lambda: status.figures.exported == 20)
    assert numbers(kinesis) == expected(20)


@pytest.mark.parametrize(
    ("listener", "changed", "told"),
    [
        ("PLAIN", {"kafka_sasl_user": "alice", "kafka_sasl_password": "wrong-8c"}, "refused the credentials"),
        (
            "SCRAM",
            {
                "kafka_sasl_mechanism": "SCRAM-SHA-512",
                "kafka_sasl_user": "alice",
                "kafka_sasl_password": "wrong-8c",
            },
            "refused the credentials",
        ),
        (
            "PLAIN",
            {
                "kafka_sasl_mechanism": "SCRAM-SHA-512",
                "kafka_sasl_user": "alice",
                "kafka_sasl_password": PASSWORD,
            },
            "does not offer this mechanism",
        ),
        ("TLS", {"kafka_tls_ca_file": "other-ca.pem"}, "is not trusted"),
    ],
)
async def test_what_no_waiting_cures_is_an_error_at_the_start_with_its_remedy(
    secured: Secured, listener: str, changed: dict[str, str], told: str
) -> None:
    if "kafka_tls_ca_file" in changed:
        changed = {"kafka_tls_ca_file": str(secured.files / changed["kafka_tls_ca_file"])}
    settings: Any = secured.settings(listener, **changed)
    async with served(ScriptedKinesis(random.Random(3))) as url:
        with pytest.raises(KafkaRefused, match=told) as caught:
            await run_service(settings, plan_for(case(), "s", url), asyncio.Event())
    assert "wrong-8c" not in str(caught.value)
    assert PASSWORD not in str(caught.value)


async def connect(settings: Settings) -> None:
    async with open_topics(settings.kafka):
        pass


async def test_a_client_certificate_that_is_missing_is_reported(secured: Secured) -> None:
    with pytest.raises(KafkaUnavailable, match="it may ask for a client certificate"):
        await connect(secured.settings("MUTUAL"))


async def test_tls_to_a_listener_without_it_is_reported(secured: Secured) -> None:
    plain = secured.settings("TLS", kafka_servers=secured.broker.bootstrap_servers)
    with pytest.raises(KafkaUnavailable, match="does it speak SSL"):
        await connect(plain)
