"""The operators' objects against the types that are made from the operators' own schemas."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

from tests.support.needs import NODE_MODULES, program

if TYPE_CHECKING:
    from pathlib import Path

TYPED: Final = {
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "TriggerAuthentication": "@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication",
    "PodMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
}


def check_operators_objects(documents: list[dict[str, Any]], directory: Path) -> None:
    """Nothing in them that the types do not know or want otherwise; `directory` is for the compiler."""
    lines = []
    for number, document in enumerate(documents):
        kind = document["kind"]
        lines.append(f'import type {{ I{kind} as T{number} }} from "{TYPED[kind]}";')
        lines.append(f"export const object{number}: T{number} = {json.dumps(document)};")
    (directory / "node_modules").symlink_to(NODE_MODULES)
    (directory / "objects.mts").write_text("\n".join(lines))
    command = [program("node"), str(NODE_MODULES / "typescript" / "bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
               "--module", "esnext", "--moduleResolution", "bundler", "objects.mts"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stdout
