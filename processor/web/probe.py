"""Whether the service of this environment is alive, as an exit code: `python -I -m processor.web.probe`.

The image has no other client. With TLS the certificate is not looked at: it need not name this machine's own address.
"""

from __future__ import annotations

import os
import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_OK: Final = 200
_TIMEOUT_S: Final = 4.0


def trouble(environ: Mapping[str, str]) -> str | None:
    """Return why the service is not alive, or does not answer; None where it is alive."""
    connection = _connection(environ)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, HTTPException) as error:
        return f"/livez does not answer: {error}"
    finally:
        connection.close()
    return None if answer.status == _OK else text


def _connection(environ: Mapping[str, str]) -> HTTPConnection:
    port = int(environ.get("PROCESSOR_HTTP_PORT") or 8080)
    if not environ.get("PROCESSOR_HTTP_TLS_CERT_FILE"):
        return HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return HTTPSConnection("127.0.0.1", port, timeout=_TIMEOUT_S, context=context)


if __name__ == "__main__":
    sys.exit(trouble(os.environ))
