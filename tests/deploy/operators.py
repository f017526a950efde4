"""The operators' objects against the types that are made from the operators' own schemas."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.deploy.tools import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TYPES: Final = ROOT / "tests" / "node"
TYPED: Final = {
    "ScaledObject": "@kubernetes-models/keda/keda.sh/v1alpha1/ScaledObject",
    "TriggerAuthentication": "@kubernetes-models/keda/keda.sh/v1alpha1/TriggerAuthentication",
    "PodMonitor": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PodMonitor",
    "PrometheusRule": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/PrometheusRule",
}


def check_operators_objects(documents: list[dict[str, Any]], directory: Path) -> None:
    """Nothing in them that the types do not know or want otherwise; `directory` is for the compiler."""
    compiler = TYPES / "node_modules" / ".bin" / "tsc"
    if not compiler.exists() or shutil.which("node") is None:
        reason = "the operators' types are not installed: npm ci --prefix tests/node --ignore-scripts"
        if os.environ.get("PROCESSOR_TEST_SKIP_NOTHING"):
            pytest.fail(reason)
        pytest.skip(reason)
    lines = []
    for number, document in enumerate(documents):
        kind = document["kind"]
        lines.append(f'import type {{ I{kind} as T{number} }} from "{TYPED[kind]}";')
        lines.append(f"export const object{number}: T{number} = {json.dumps(document)};")
    (directory / "node_modules").symlink_to(TYPES / "node_modules")
    (directory / "objects.mts").write_text("\n".join(lines))
    command = [str(compiler), "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
               "--module", "esnext", "--moduleResolution", "bundler", "objects.mts"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=directory)
    assert done.returncode == 0, done.stdout
