"""The file of keys is read anew when it changes, and what is wrong with it is told without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from processor.definition.sealing import Sealing, sealed_token
from processor.errors import ConfigurationError
from processor.operations.sealing_key_file import SealingKeyFile

if TYPE_CHECKING:
    from pathlib import Path

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def token(sealing: Sealing) -> str:
    found = sealed_token(sealing.seal("connections", "id", "secretKey", "secret"))
    assert found is not None
    return found


def test_keys_are_rotated_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{OLD}\n")
    file = SealingKeyFile(path)
    sealed = token(file.sealing())
    assert file.sealing() is file.sealing()
    path.write_text(f"# since May\n{NEW}\n{OLD}\n")
    both = file.sealing()
    assert both.unseal("connections", "id", "secretKey", sealed) == "secret"
    assert Sealing([NEW]).unseal("connections", "id", "secretKey", token(both)) == "secret"


def test_without_a_file_there_is_no_key() -> None:
    with pytest.raises(ConfigurationError, match="there is no key to encrypt it with"):
        token(SealingKeyFile(None).sealing())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        (b"\xff", "cannot be read: it is not UTF-8"),
        (b"# none\n", "the file has no key"),
        (b"my-secret\n", "key 1 of the file is not 32 bytes"),
    ],
)
def test_what_is_wrong_with_the_file_is_told_without_what_it_holds(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    path = tmp_path / "keys"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="PROCESSOR_API_SECRET_KEY_FILE") as raised:
        SealingKeyFile(path).sealing()
    assert told in str(raised.value)
    assert "my-secret" not in str(raised.value)
