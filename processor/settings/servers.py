"""Hosts and ports as people write them, checked part by part.

Whether a name is known, and who answers there, is found out where it is connected: it may change.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import Final

from processor.settings.group import Wrong

_LABEL: Final = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")
"""Names of DNS (RFC 1123), and with `_`, as compose and test beds have them."""
_ZONE: Final = re.compile(r"[A-Za-z0-9_.-]{1,63}")
"""Of a link-local address: an interface's name or number."""
_PORT: Final = re.compile(r"[0-9]{1,5}")
_PORT_MAX: Final = 65_535
_REMEDY: Final = "Write host:port, several separated by commas; an IPv6 address in brackets, [::1]:9092"


def servers_of(value: object) -> object:
    """The servers in a variable's text, each as `host:port`.

    Raises:
        Wrong: a part is no `host:port`; which part, what of it, and how it is written.

    """
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    for number, part in enumerate(parts, 1):
        trouble = _trouble(part)
        if trouble is not None:
            place = f"part {number} of {len(parts)}, " if len(parts) > 1 else ""
            raise Wrong(f"{place}{_shown(part)}: {trouble}", _REMEDY)
    return tuple(parts)


def listening_host(value: str) -> str:
    """A host to listen at; an IPv6 address without its brackets.

    Raises:
        Wrong: it is none.

    """
    if _is_ipv6(_unbracketed(value)):
        return _unbracketed(value)
    if _HOST.fullmatch(value):
        return value
    raise Wrong(
        f"{value!r} is neither a host's name nor an address",
        "Write 127.0.0.1 for this machine alone, or 0.0.0.0 for all addresses; the port is PROCESSOR_HTTP_PORT",
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host that is listened at."""
    return host == "localhost" or (is_address(host) and ip_address(host).is_loopback)


def is_address(host: str) -> bool:
    """Whether a host is an IP address, and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def host_and_port(server: str) -> tuple[str, int]:
    """The two halves of a server that is well written; an IPv6 address without its brackets."""
    host, _, port = server.rpartition(":")
    return _unbracketed(host), int(port)


def _trouble(part: str) -> str | None:
    """What is wrong with one part; None where nothing is."""
    if not part:
        return "there is nothing in it"
    if "://" in part:
        return "it has a scheme: PROCESSOR_KAFKA_SECURITY_PROTOCOL says how to connect"
    if "@" in part:
        return "it has a user: PROCESSOR_KAFKA_SASL_USER and _PASSWORD say who connects"
    if _is_ipv6(_unbracketed(part)):
        return "it is an IPv6 address without a port" + (
            "" if part.startswith("[") else ", or not in brackets"
        )
    host, colon, port = part.rpartition(":")
    return _trouble_with_port(port if colon else "") or _trouble_with_host(host)


def _trouble_with_port(port: str) -> str | None:
    if not port:
        return "it has no port"
    if _PORT.fullmatch(port) and 1 <= int(port) <= _PORT_MAX:
        return None
    return f"its port, {port!r}, is no number from 1 to {_PORT_MAX}"


def _trouble_with_host(host: str) -> str | None:
    if _unbracketed(host) != host:
        return None if _is_ipv6(_unbracketed(host)) else f"{_unbracketed(host)!r} is no IPv6 address"
    if not host:
        return "it has no host"
    if _is_ipv6(host):
        return "its IPv6 address is not in brackets"
    if not host.isascii():
        return "its host has letters beyond ASCII: give the name as DNS has it, xn--…"
    return None if _HOST.fullmatch(host) else f"{host!r} is neither a host's name nor an address"


def _is_ipv6(text: str) -> bool:
    address, percent, zone = text.partition("%")
    try:
        return isinstance(ip_address(address), IPv6Address) and (not percent or bool(_ZONE.fullmatch(zone)))
    except ValueError:
        return False


def _unbracketed(text: str) -> str:
    return text[1:-1] if text.startswith("[") and text.endswith("]") else text


def _shown(part: str) -> str:
    """A part as it may be printed: what stands before an `@` may be a password."""
    before, at, after = part.rpartition("@")
    return repr(f"…@{after}" if at and before else part)
