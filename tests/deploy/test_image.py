"""The image, built of the Dockerfile and run: not root, without any right, its root read-only."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

import processor
from processor.embedded.server import free_ports
from tests.deploy.image import PURE, USER, Image
from tests.support.process import destination_file
from tests.support.world import committed, produce, stored_when, vector

if TYPE_CHECKING:
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

pytestmark = [
    pytest.mark.integration,
    pytest.mark.needs("buildah", "debootstrap", "unshare"),
    pytest.mark.timeout(600),  # the first build installs a Debian
]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A volume, as the orchestrators make them for a user."""
    path = tmp_path / "volume"
    path.mkdir()
    os.chown(path, USER, USER)
    return path


@pytest.fixture
def files(tmp_path: Path) -> Path:
    path = tmp_path / "etc"
    path.mkdir(mode=0o755)
    return path


def output(image: Image, files: Path, state: Path, *arguments: str, entrypoint: str | None = None) -> str:
    command = image.command(files, state, arguments, entrypoint)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=image.environ({}))
    return done.stdout + done.stderr


def test_it_runs_its_version(image: Image, files: Path, state: Path) -> None:
    assert output(image, files, state, "version").strip()


def test_it_has_the_compiled_core(image: Image, files: Path, state: Path) -> None:
    script = "from processor import _native; print(_native.version())"
    assert (
        output(image, files, state, "-I", "-c", script, entrypoint="python") == f"{processor.__version__}\n"
    )


def test_the_build_without_a_compiler_is_pure_python(image: Image) -> None:
    image.store.build("--target", "build", "--build-arg", "COMPILED=0", tag=PURE)
    script = "command -v gcc cargo; find /opt/own -name '*.so' -o -name core.py"
    (only,) = image.store.told_in(PURE, script).splitlines()
    assert only.endswith("/processor/profile/core.py")


def test_it_has_no_compiler(image: Image, files: Path, state: Path) -> None:
    script = "for name in gcc cc c++ as ld make cargo; do command -v $name; done; id -u"
    assert output(image, files, state, "-c", script, entrypoint="/bin/sh").strip() == str(USER)


def test_only_the_state_directory_can_be_written(image: Image, files: Path, state: Path) -> None:
    script = "for each in /tmp /opt/processor /etc/processor /var/lib/processor; do touch $each/x && echo $each; done"
    told = output(image, files, state, "-c", script, entrypoint="/bin/sh").splitlines()
    assert [line for line in told if line.startswith("/")] == ["/var/lib/processor"]
    assert sum("Read-only file system" in line or "Permission denied" in line for line in told) == 3


async def test_it_works_answers_its_health_check_and_ends_on_a_signal(
    image: Image,
    files: Path,
    state: Path,
    kafka: str,
    topic: str,
    kinesis: EmbeddedKinesis,
    kinesis_client: Any,
    stream: str,
) -> None:
    case = vector("seed-example")
    destination_file(files, case, stream, kinesis.endpoint_url)
    await produce(kafka, topic, case["events"])
    (port,) = free_ports(1)
    environ = image.environ(
        {
            "PROCESSOR_KAFKA_SERVERS": kafka,
            "PROCESSOR_KAFKA_TOPIC": topic,
            "PROCESSOR_KAFKA_GROUP": f"group-{topic}",
            "PROCESSOR_WORKERS": "2",
            "PROCESSOR_HTTP_PORT": str(port),
        }
    )
    child = await asyncio.create_subprocess_exec(
        *image.command(files, state), env=environ, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        found = await stored_when(kinesis_client, stream, len(case["exports"]))
        assert [json.loads(data) for _, data in found] == [each["data"] for each in case["exports"]]
        assert await health(image, files, state, environ) == 0
        child.send_signal(signal.SIGTERM)
        assert await child.wait() == 0
        assert await health(image, files, state, environ) != 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert await committed(kafka, f"group-{topic}", topic) == len(case["events"])


async def health(image: Image, files: Path, state: Path, environ: dict[str, str]) -> int:
    """The exit code of the image's own health check."""
    kind, entrypoint, *arguments = image.config["Healthcheck"]["Test"]
    assert kind == "CMD"
    child = await asyncio.create_subprocess_exec(
        *image.command(files, state, arguments, entrypoint),
        env=environ,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await child.wait()
