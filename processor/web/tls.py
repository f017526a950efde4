"""TLS of the one port: a certificate from files, which are read anew when they change."""

from __future__ import annotations

import asyncio
import ssl
from functools import partial
from typing import TYPE_CHECKING

import structlog

from processor.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from processor.settings import ServiceSettings

log = structlog.get_logger(__name__)


class Certificate:
    """The certificate that connections are given; `run` it beside the server. Connections that are open keep theirs.

    Raises:
        ConfigurationError: the files cannot be used.

    """

    def __init__(self, settings: ServiceSettings, files: tuple[Path, Path]) -> None:
        self._settings = settings
        self._files = files
        self._seen = _seen(files)
        self.context = self._newest = self._loaded()
        # Asked in every handshake, whether a client names a host or not.
        self.context.sni_callback = self._choose

    async def run(self, interval_s: float) -> None:
        """Look at the files every `interval_s`, until cancelled; those that cannot be used, as half-written ones, change nothing."""
        while True:
            await asyncio.sleep(interval_s)
            await asyncio.to_thread(self.look)

    def look(self) -> None:
        """Take the files if they have changed since the last look."""
        seen = _seen(self._files)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._newest = self._loaded()
        except ConfigurationError as error:
            log.error("the port's new certificate cannot be used, the former one goes on", reason=str(error))  # noqa: TRY400  the reason is all there is to log
        else:
            log.info("the port has a new certificate", file=str(self._files[0]))

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _loaded(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(*self._files, password=partial(_password, self._settings))
        except (OSError, ssl.SSLError, ValueError) as error:
            problem = Problem(
                source="environment",
                line=None,
                member="PROCESSOR_HTTP_TLS_CERT_FILE, _KEY_FILE",
                message=f"the certificate cannot be used: {error}",
                remedy="Give PEM files: the certificate with those between it and its authority, and its key",
            )
            raise ConfigurationError([problem]) from error
        return context


def certificate(settings: ServiceSettings) -> Certificate | None:
    """Return the port's certificate; None where it serves without TLS.

    Raises:
        ConfigurationError: the files cannot be used.

    """
    if settings.http_tls_cert_file is None or settings.http_tls_key_file is None:
        return None
    return Certificate(settings, (settings.http_tls_cert_file, settings.http_tls_key_file))


def _seen(files: tuple[Path, Path]) -> list[tuple[int, int, int] | None]:
    """Return what changes with a file's content, also where a link is turned to another, as Kubernetes does."""
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
    return found


def _password(settings: ServiceSettings) -> str:
    """Return the key's password; asked for where it is encrypted, as OpenSSL would ask a person at the terminal."""
    if settings.http_tls_key_password is None:
        raise ValueError("the key is encrypted, and PROCESSOR_HTTP_TLS_KEY_PASSWORD is not set")
    return settings.http_tls_key_password.get_secret_value()
