"""The Flow Service API: who may use it, and where the definition lives that it reads and changes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from processor.settings.group import PREFIX, Group
from processor.settings.topic_names import topic_name


class ApiSettings(Group):
    """The API, and the configuration that is kept in Kafka."""

    model_config = SettingsConfigDict(env_prefix=PREFIX)

    configuration: Literal["auto", "files", "kafka"] = Field(
        "auto",
        description="Where destination and governance are defined: in `files`, or in `kafka`, in a small topic that every member of "
        "the group follows and the API changes. `auto`: in Kafka where there is a token of the API, else in files.",
    )
    configuration_topic: Annotated[str, AfterValidator(topic_name)] = Field(
        "",
        description="The small compacted topic of that definition, of this group and topic alone; "
        "`<group>-<topic>-configuration` where unset, or, where Kafka takes no such name, `<changelog>-configuration`.",
    )
    api_token: SecretStr | None = Field(
        None,
        description="Tokens that let their bearers read and change the definition by the API (`Authorization: Bearer`), 16 characters or more, parted by "
        "blanks or lines; there is no API without one.",
    )
    api_token_file: Path | None = Field(
        None,
        description="A file with those tokens, one a line, `#` begins a comment; read anew when it changes, so that tokens are "
        "rotated without a restart.",
    )
    api_read_token: SecretStr | None = Field(
        None, description="Tokens that let their bearers read by the API, and change nothing."
    )
    api_read_token_file: Path | None = Field(
        None, description="A file with those, in the form of PROCESSOR_API_TOKEN_FILE."
    )
    api_behind_tls_proxy: bool = Field(
        default=False,
        description="Whether a proxy does TLS before the API: without it, or a certificate of the port's own, the API is served to "
        "this machine alone.",
    )
    api_secret_key_file: Path | None = Field(
        None,
        description="A file with the keys that secrets of the definition are encrypted with, one a line, each 32 bytes as URL-safe "
        "Base64 (Fernet); the first encrypts, all decrypt. The same on every member; read anew when it changes.",
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.api_token is not None and self.api_token_file is not None:
            raise ValueError("api_token and api_token_file exclude each other")
        if self.api_read_token is not None and self.api_read_token_file is not None:
            raise ValueError("api_read_token and api_read_token_file exclude each other")
        if self.configuration == "files" and self.has_api:
            raise ValueError(
                "configuration is `files`, which the API cannot change: set it to `kafka`, or remove api_token and api_read_token"
            )
        return self

    @property
    def has_api(self) -> bool:
        """Whether the API is served."""
        given = (self.api_token, self.api_token_file, self.api_read_token, self.api_read_token_file)
        return any(each is not None for each in given)

    @property
    def is_in_kafka(self) -> bool:
        """Whether the definition is kept in Kafka."""
        return self.configuration == "kafka" or (self.configuration == "auto" and self.has_api)
