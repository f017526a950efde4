"""The list of what the image has in it, as `make sbom` writes it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import processor
from tests.support.deploy_files import DEPLOY, ROOT
from tests.support.lock_files import locked

if TYPE_CHECKING:
    from pathlib import Path


def test_all_that_is_installed_is_in_it_by_version_and_hash_and_nothing_else(tmp_path: Path) -> None:
    written = tmp_path / "new" / "sbom.json"
    subprocess.run(["make", "sbom", f"SBOM={written}"], check=True, cwd=ROOT, capture_output=True)
    told = json.loads(written.read_text())
    assert told["bomFormat"] == "CycloneDX"
    of = told["metadata"]["component"]
    assert (of["type"], of["version"]) == ("application", processor.__version__)
    found: dict[str, set[str]] = {}
    for component in told["components"]:
        hashes = [each for reference in component["externalReferences"] for each in reference["hashes"]]
        found.setdefault(component["name"].lower(), set()).update(
            {component["version"], *(f"sha256:{each['content']}" for each in hashes)}
        )
    assert found == locked(DEPLOY / "requirements.lock")
