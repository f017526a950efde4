"""Builds the compiled core and puts it into the wheel, where HATCH_BUILD_HOOKS_ENABLE=1 asks for it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import sys_tags

_IN_THE_WHEEL = "processor/_native.abi3.so"
_NO_CARGO = (
    "HATCH_BUILD_HOOKS_ENABLE=1 asks for the compiled core, and there is no cargo on the PATH: install it "
    "(Debian: apt-get install cargo), or build without that variable; all works as well, slower"
)


class CompiledCore(BuildHookInterface[BuilderConfig]):
    """What hatchling calls before it packs a wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Have cargo build the library, and have hatchling pack it under the tag of what it runs on.

        A wheel for an editable install stays without: there the sources are imported, and the library is not beside them.
        """
        if version == "editable":
            return
        cargo = shutil.which("cargo")
        if cargo is None:
            self.app.abort(_NO_CARGO)
            return
        build_data["force_include"][str(_built(cargo, Path(self.root) / "native"))] = _IN_THE_WHEEL
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{_platform()}"


def _built(cargo: str, crate: Path) -> Path:
    """The library, wherever cargo's own settings have it put; cargo tells where."""
    command = [cargo, "build", "--release", "--offline", "--locked", "--lib"]
    told = subprocess.run(  # noqa: S603  cargo is the one that the PATH names
        [*command, "--message-format", "json-render-diagnostics"],
        cwd=crate,
        check=True,
        stdout=subprocess.PIPE,
    )
    messages = [json.loads(line) for line in told.stdout.splitlines()]
    (library,) = [
        Path(file)
        for message in messages
        if message["reason"] == "compiler-artifact"
        for file in message["filenames"]
        if file.endswith((".so", ".dylib"))
    ]
    return library


def _platform() -> str:
    """This machine's, and not that of all Linuxes with an old glibc: the library is linked to this one's."""
    return next(tag.platform for tag in sys_tags() if not tag.platform.startswith(("manylinux", "musllinux")))
