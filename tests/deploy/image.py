"""The image, built without a container engine and run as Kubernetes would: not root, no rights, nothing to write to.

buildah builds the Dockerfile itself. Its base image is in no package registry, so one is made here of Debian's
packages: the same release with the same minor version of Python, in another place.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.deploy_files import DEPLOY, ROOT
from tests.support.needs import program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BASE: Final = "localhost/python:3.13-slim-trixie"
IMAGE: Final = "localhost/processor:test"
PURE: Final = "localhost/processor:pure"
USER: Final = 10001
_CA: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_PIP: Final = Path("/etc/pip.conf")

_RUN_SCRIPT: Final = """\
set -eu
root=$1 files=$2 state=$3; shift 3
mount --make-rprivate /
mkdir -p "$root/etc/processor"
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount --bind "$files" "$root/etc/processor"
mount --bind "$state" "$root/var/lib/processor"
mount -t proc proc "$root/proc"
exec chroot "$root" setpriv --reuid 10001 --regid 10001 --clear-groups --no-new-privs \
    --inh-caps=-all --bounding-set=-all "$@"
"""


class Image:
    """A built image whose files are mounted at `files`."""

    def __init__(self, store: Store) -> None:
        inspected = json.loads(store.run("inspect", "--type", "image", IMAGE))
        self.config: dict[str, Any] = inspected["Docker"]["config"]
        container = store.run("from", "--pull-never", IMAGE).strip()
        self.files = Path(store.run("mount", container).strip())
        self.store, self._container = store, container

    def command(
        self, files: Path, state: Path, arguments: Sequence[str] | None = None, entrypoint: str | None = None
    ) -> list[str]:
        """What runs the image with `files` at /etc/processor and `state` at the state directory, all else read-only."""
        start = [entrypoint] if entrypoint else self.config["Entrypoint"]
        return [
            program("unshare"),
            "--mount",
            "sh",
            "-c",
            _RUN_SCRIPT,
            "run",
            str(self.files),
            str(files),
            str(state),
            *start,
            *(self.config["Cmd"] if arguments is None else arguments),
        ]

    def environ(self, given: Mapping[str, str]) -> dict[str, str]:
        """The image's environment with what is given on top; nothing of ours."""
        own = dict(pair.split("=", 1) for pair in self.config["Env"])
        return {**own, **given}

    def close(self) -> None:
        self.store.run("rm", self._container)


class Store:
    """buildah with a store of its own."""

    def __init__(self, directory: Path) -> None:
        self._command = [
            program("buildah"),
            "--root",
            str(directory / "root"),
            "--runroot",
            str(directory / "run"),
        ]

    def run(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "BUILDAH_ISOLATION": "chroot"},
        )
        assert done.returncode == 0, f"buildah {command}:\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def has(self, image: str) -> bool:
        return image in self.run("images", "--format", "{{.Name}}:{{.Tag}}").splitlines()

    def make_base(self, directory: Path) -> None:
        """Debian with Python, as an image; with this machine's own way to its package index."""
        target = directory / "trixie"
        subprocess.run(
            [
                program("debootstrap"),
                "--variant=minbase",
                "--include=python3,python3-venv,ca-certificates",
                "trixie",
                str(target),
            ],
            check=True,
            capture_output=True,
        )
        for ours in (_CA, _PIP):
            if ours.is_file():
                (target / ours.relative_to("/")).write_bytes(ours.read_bytes())
        container = self.run("from", "scratch").strip()
        self.run("copy", "--quiet", container, str(target), "/")
        self.run(
            "config", "--env", "PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", container
        )
        self.run("commit", "--quiet", "--rm", container, BASE)

    def build(self, *options: str, tag: str = IMAGE) -> None:
        """The Dockerfile as it is."""
        self.run(
            "bud", "--quiet", "--layers", "--format", "docker", "--pull-never", "--build-arg", f"PYTHON_IMAGE={BASE}",
            "--file", str(DEPLOY / "Dockerfile"), "--tag", tag, *options, str(ROOT),
        )  # fmt: skip

    def told_in(self, image: str, script: str) -> str:
        """What a shell prints in a container of an image."""
        container = self.run("from", "--pull-never", image).strip()
        try:
            return self.run("run", container, "sh", "-c", script)
        finally:
            self.run("rm", container)
