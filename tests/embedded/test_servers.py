"""The servers that the demo and the tests bring: they keep what they stored, and never outlive their starter."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from processor.embedded import start_kafka
from processor.embedded.server import ServerProcess, free_ports
from processor.errors import EmbeddedServerError
from tests.conftest import create_topic
from tests.support.world import produce, read_topic, vector

if TYPE_CHECKING:
    from collections.abc import Callable


LINUX_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_server_that_ends_at_its_start_is_reported_with_its_log(tmp_path: Path) -> None:
    server = ServerProcess(
        "the server",
        [sys.executable, "-c", "import sys; sys.exit('no such port')"],
        tmp_path / "log",
    )
    with pytest.raises(EmbeddedServerError, match=r"ended at its start:\nno such port$"):
        server.wait_until(lambda: False, timeout_s=30)


def test_a_server_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    server = ServerProcess("the server", ["sleep", "600"], tmp_path / "log")
    with pytest.raises(EmbeddedServerError, match="did not answer within 0 s"):
        server.wait_until(lambda: False, timeout_s=0)
    wait_for(lambda: not is_alive(server.pid))


def test_a_command_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="could not be started"):
        ServerProcess("the server", ["no-such-command"], tmp_path / "log")


def test_a_server_goes_with_a_starter_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib, signal\n"
        "from processor.embedded.server import ServerProcess\n"
        "server = ServerProcess('x', ['sleep', '600'], pathlib.Path(sys.argv[1]))\n"
        "print(server.pid, flush=True)\n"
        "signal.pause()\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    pid = int(starter.stdout.readline())
    assert is_alive(pid)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    wait_for(lambda: not is_alive(pid))


def test_servers_have_ports_that_no_connection_of_a_client_takes_meanwhile() -> None:
    ports = free_ports(500)
    assert len(set(ports)) == 500
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", free_ports(1)[0]))
        server.listen()
        client.connect(server.getsockname())
        # Where a system gives clients others than by default, this holds of none.
        first_of_clients = int((LINUX_PORTS.read_text() if LINUX_PORTS.exists() else "49152").split()[0])
        assert client.getsockname()[1] > max(ports) or first_of_clients <= max(ports)


def test_a_kafka_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as another:
        another.bind(("127.0.0.1", free_ports(1)[0]))
        another.listen()
        taken = another.getsockname()[1]
        monkeypatch.setattr(
            "processor.embedded.kafka.free_ports", lambda count: [taken, *free_ports(1)][:count]
        )
        with (
            pytest.raises(EmbeddedServerError, match=f"bind to 127.0.0.1:{taken}: Address already in use"),
            start_kafka(),
        ):
            pass


async def test_kafka_keeps_what_it_acknowledged_over_a_kill() -> None:
    event = vector("seed-example")["events"][0]
    with start_kafka() as broker:
        await create_topic(broker.bootstrap_servers, "events", partitions=1)
        await produce(broker.bootstrap_servers, "events", [event])
        pid, servers = broker.pid, broker.bootstrap_servers
        broker.kill()
        assert not is_alive(pid)
        broker.restart()
        assert broker.bootstrap_servers == servers
        (record,) = await read_topic(broker.bootstrap_servers, "events", 1)
        assert record.key == event["key"].encode()
        pid = broker.pid
    assert not is_alive(pid)
