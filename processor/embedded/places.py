"""Where the embedded servers keep what they fetch, and what they write while they run; a bare container has neither."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from processor.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Iterator


def cache_directory() -> Path:
    """The user's, for what is fetched once; it is made where it is not there.

    Raises:
        EmbeddedServerError: there is none, or it cannot be made.

    """
    try:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profile-export-processor"
        home.mkdir(parents=True, exist_ok=True)
    except (
        OSError,
        RuntimeError,
    ) as error:  # without HOME, a user that the system does not know is the latter
        raise EmbeddedServerError(
            f"there is no place to keep Apache Kafka, which is fetched once ({error}): name a directory that can be "
            "written in XDG_CACHE_HOME"
        ) from error
    return home


@contextmanager
def working_directory(prefix: str) -> Iterator[Path]:
    """A directory that is there for as long as the context.

    Raises:
        EmbeddedServerError: none can be made.

    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix)
    except OSError as error:
        raise EmbeddedServerError(
            f"no temporary directory can be made ({error}): name one that can be written in TMPDIR"
        ) from error
    with made as directory:
        yield Path(directory)
