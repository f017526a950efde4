"""Why no connection comes about: aiokafka says only that none did, whether a broker is away or a key is wrong."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from aiokafka import errors as kafka
from aiokafka.conn import create_conn

from processor.errors import KafkaRefused, KafkaUnavailable
from processor.kafka.client import client_options, mapped
from processor.settings.servers import host_and_port

if TYPE_CHECKING:
    from processor.errors import ProcessorError
    from processor.settings import KafkaSettings

_FOR_ONE_CONNECTION = {"bootstrap_servers", "metadata_max_age_ms"}


async def explained(settings: KafkaSettings, doing: str) -> ProcessorError | None:
    """Try each bootstrap server once more, alone; the first refusal that a person must cure, None where there is none.

    A certificate that does not hold, a password that is wrong or a mechanism that is not offered stays so however
    long one waits.
    """
    options = {
        name: value for name, value in client_options(settings).items() if name not in _FOR_ONE_CONNECTION
    }
    hint: ProcessorError | None = None
    for server in settings.servers:
        try:
            connection = await create_conn(*host_and_port(server), **options)
        except ssl.SSLCertVerificationError as error:
            return KafkaRefused(
                f"{doing}: the certificate of {server} is not trusted: {error.verify_message}: "
                "see PROCESSOR_KAFKA_TLS_CA_FILE and _CHECK_HOSTNAME"
            )
        except ssl.SSLError as error:
            return KafkaRefused(
                f"{doing}: {server} does not speak TLS as asked for ({error.reason}): see PROCESSOR_KAFKA_SECURITY_PROTOCOL"
            )
        except kafka.KafkaError as error:
            found = mapped(error, doing)
            if isinstance(found, KafkaRefused):
                return found
            if settings.security_protocol.endswith("SSL") and isinstance(error, kafka.KafkaConnectionError):
                hint = KafkaUnavailable(
                    f"{doing}: {server} closed the connection after the TLS handshake: it may ask for a client "
                    "certificate, or for one that it trusts: see PROCESSOR_KAFKA_TLS_CERT_FILE"
                )
        except ConnectionResetError:
            hint = KafkaUnavailable(
                f"{doing}: {server} closed the connection at its beginning: does it speak "
                f"{settings.security_protocol}? See PROCESSOR_KAFKA_SECURITY_PROTOCOL"
            )
        except (OSError, TimeoutError, ValueError):
            continue
        else:
            connection.close()
            return None
    return hint
