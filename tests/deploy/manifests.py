"""The overlays as kustomize renders them, and what is asked of them again and again."""

from __future__ import annotations

import functools
import subprocess
from typing import TYPE_CHECKING, Any, Final

from processor.settings import SECRETS
from tests.support.deploy_files import DEPLOY, load_all
from tests.support.needs import program

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES: Final = DEPLOY / "kubernetes"
OVERLAYS: Final = ("deployment", "statefulset")
WORKLOADS: Final = {"deployment": "Deployment", "statefulset": "StatefulSet"}
CUSTOM: Final = ("keda.sh/", "monitoring.coreos.com/")
MEMORY_UNITS: Final = {"Mi": 1024**2, "Gi": 1024**3}


def render(directory: Path) -> list[dict[str, Any]]:
    """What `kubectl apply -k` would apply."""
    command = [program("kustomize"), "build", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return load_all(done.stdout)


@functools.cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    return render(KUBERNETES / "overlays" / overlay)


def the(documents: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only object of a kind."""
    (found,) = [document for document in documents if document["kind"] == kind]
    return found


def workload(overlay: str) -> dict[str, Any]:
    return the(rendered(overlay), WORKLOADS[overlay])


def pod(overlay: str) -> dict[str, Any]:
    found: dict[str, Any] = workload(overlay)["spec"]["template"]
    return found


def container(overlay: str) -> dict[str, Any]:
    (found,) = pod(overlay)["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def config_map(documents: list[dict[str, Any]], prefix: str) -> dict[str, str]:
    """The data of a generated ConfigMap, whose name ends in a hash."""
    (found,) = [
        document["data"]
        for document in documents
        if document["kind"] == "ConfigMap" and document["metadata"]["name"].startswith(prefix)
    ]
    assert isinstance(found, dict)
    return found


def environment(documents: list[dict[str, Any]], where: dict[str, Any], secret: Path) -> dict[str, str]:
    """A container's environment; where it names a mounted secret, it gets the file `secret`."""
    found = dict(config_map(documents, "processor-settings"))
    for each in where["env"]:
        if each["name"].removesuffix("_FILE") in SECRETS:
            found[each["name"]] = str(secret)
        else:
            found[each["name"]] = each.get("value", "from elsewhere")
    return found


def quantity_bytes(text: str) -> int:
    return int(text[:-2]) * MEMORY_UNITS[text[-2:]]
