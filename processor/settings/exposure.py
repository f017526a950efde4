"""Whom the API may be served to: its tokens go over the network in the clear where nobody does TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from processor.errors import Problem
from processor.settings.servers import is_loopback

if TYPE_CHECKING:
    from processor.settings.api import ApiSettings
    from processor.settings.service import ServiceSettings


def exposure_problems(service: ServiceSettings, api: ApiSettings) -> list[Problem]:
    """Why the API may not be served at the port's address; empty where it may, or where there is none."""
    has_tls = service.http_tls_cert_file is not None or api.api_behind_tls_proxy
    if not api.has_api or has_tls or is_loopback(service.http_host):
        return []
    return [
        Problem(
            source="environment",
            line=None,
            member="PROCESSOR_HTTP_HOST",
            message=f"it is {service.http_host}, and the API would be served there to other machines without TLS, its tokens in "
            "the clear",
            remedy="Give PROCESSOR_HTTP_TLS_CERT_FILE and _KEY_FILE, or set PROCESSOR_API_BEHIND_TLS_PROXY=true where a proxy "
            "before it does TLS, or listen at 127.0.0.1",
        )
    ]
