"""compose.yaml: against the compose specification, the settings, the demo, and the servers that it starts."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest
from compose_spec import PyCompose

import processor
from processor.cli.worker_processes import LEAVE_S
from processor.configuration import load_configuration
from processor.demo import producer
from processor.demo.workload import DESTINATION, GOVERNANCE
from processor.embedded.kafka import KAFKA_VERSION, start_kafka
from processor.embedded.server import free_ports
from processor.governance.plan import compile_plan
from processor.settings import load_settings
from tests.deploy.dockerfile import environment, stages
from tests.support.deploy_files import DEPLOY, ROOT, load
from tests.support.lock_files import locked
from tests.support.needs import program
from tests.support.world import running, settings_for, stored_when, until

if TYPE_CHECKING:
    from pathlib import Path

    from processor.embedded import EmbeddedKinesis

COMPOSE: Final = DEPLOY / "compose.yaml"
SERVICES: Final[dict[str, dict[str, Any]]] = load(COMPOSE)["services"]
OURS: Final = ("prepare", "processor", "producer")
PLACES: Final = {
    "log.dirs", "listeners", "advertised.listeners", "controller.quorum.voters", "node.id",
}  # fmt: skip
"""Of the broker's properties, those that name places of the container."""


def test_the_compose_specification_takes_it() -> None:
    parsed = PyCompose.from_json(json.dumps(load(COMPOSE)))  # YAML's merges are made by then
    parsed.validate()
    assert set(parsed.service_names()) == set(SERVICES)


def test_every_service_that_is_waited_for_says_when_it_is_ready() -> None:
    image_has_a_check = any(each.name == "HEALTHCHECK" for each in stages(DEPLOY / "Dockerfile")[-1])
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                built = "build" in SERVICES[other] and image_has_a_check
                assert built or "test" in SERVICES[other].get("healthcheck", {}), f"{name} waits for {other}"
            else:
                assert how["condition"] == "service_completed_successfully"


@pytest.mark.parametrize("name", OURS)
def test_the_settings_take_the_environment(name: str) -> None:
    of_image = environment(stages(DEPLOY / "Dockerfile")[-1])
    settings = load_settings({**of_image, **SERVICES[name]["environment"]})
    places = {volume.split(":")[1] for volume in SERVICES[name]["volumes"] if ":" in volume}
    assert {str(settings.files.destination_file), str(settings.files.governance_file)} == places


def test_the_files_are_the_demo_s_and_valid() -> None:
    told = DESTINATION.format(region="eu-west-1", url="http://kinesis:5000", stream="profile-exports")
    assert (DEPLOY / "compose" / "destination.yaml").read_text() == told
    assert (DEPLOY / "compose" / "governance.yaml").read_text() == GOVERNANCE
    compile_plan(
        *load_configuration(
            DEPLOY / "compose" / "destination.yaml", DEPLOY / "compose" / "governance.yaml", {}
        )
    )


def test_everything_that_is_mounted_is_there() -> None:
    named = load(COMPOSE)["volumes"]
    for service in SERVICES.values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in named or source.startswith("/") or (DEPLOY / source).is_file(), volume


def test_the_containers_are_restricted() -> None:
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]


def test_the_grace_outlasts_the_drain() -> None:
    settings = load_settings(SERVICES["processor"]["environment"])
    grace_s = int(SERVICES["processor"]["stop_grace_period"].removesuffix("s"))
    assert grace_s > settings.service.shutdown_timeout_ms / 1000 + LEAVE_S


def test_the_versions_are_those_that_the_tests_run() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    moto = next(pin for pin in locked(ROOT / "requirements.lock")["moto"] if not pin.startswith("sha256:"))
    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    assert images["kinesis"] == f"motoserver/moto:{moto}"
    assert {images[name] for name in OURS} == {f"processor:{processor.__version__}"}


@pytest.mark.needs("promtool")
def test_prometheus_takes_its_configuration_and_scrapes_the_service(tmp_path: Path) -> None:
    config = tmp_path / "prometheus.yaml"
    text = (DEPLOY / "compose" / "prometheus.yaml").read_text()
    config.write_text(text.replace("/etc/prometheus/rules.yaml", str(DEPLOY / "prometheus" / "rules.yaml")))
    promtool = program("promtool")
    done = subprocess.run(
        [promtool, "check", "config", str(config)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (scraped,) = load(DEPLOY / "compose" / "prometheus.yaml")["scrape_configs"]
    (names,) = scraped["dns_sd_configs"]
    settings = load_settings(SERVICES["processor"]["environment"])
    assert (names["names"], names["port"]) == (["processor"], settings.service.http_port)


def test_grafana_has_its_source_and_its_dashboard() -> None:
    (source,) = load(DEPLOY / "compose" / "grafana" / "datasources.yaml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = load(DEPLOY / "compose" / "grafana" / "dashboards.yaml")["providers"]
    places = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/processor.json" in places


def test_kafka_and_kinesis_are_looked_for_where_they_are() -> None:
    of_kafka = SERVICES["kafka"]["environment"]
    address = of_kafka["KAFKA_ADVERTISED_LISTENERS"].removeprefix("PLAINTEXT://")
    assert address == SERVICES["processor"]["environment"]["PROCESSOR_KAFKA_SERVERS"]
    host, _, port = address.partition(":")
    assert host in SERVICES
    assert f"PLAINTEXT://0.0.0.0:{port}" in of_kafka["KAFKA_LISTENERS"].split(",")
    assert SERVICES["kafka"]["healthcheck"]["test"][-1] == f"localhost:{port}"
    url = load(DEPLOY / "compose" / "destination.yaml")["connection"]["connectionUrl"]
    own = url.replace("//kinesis:", "//127.0.0.1:")
    assert own != url
    assert own in SERVICES["kinesis"]["healthcheck"]["test"][-1]


def test_kafka_s_health_check_is_the_image_s_tool() -> None:
    assert SERVICES["kafka"]["healthcheck"]["test"][1].startswith("/opt/kafka/bin/")


def test_the_demo_s_commands_are_there() -> None:
    for name in ("prepare", "producer"):
        assert SERVICES[name]["entrypoint"][1:] == ["-m", "processor.demo.producer"]
    done = subprocess.run(
        [sys.executable, "-m", "processor.demo.producer"], capture_output=True, text=True, check=False
    )
    for name in ("prepare", "producer"):
        assert f"processor.demo.producer {SERVICES[name]['command'][0]}" in done.stderr


@pytest.mark.integration
def test_kinesis_health_check_works_on_the_emulator(kinesis: EmbeddedKinesis) -> None:
    test = SERVICES["kinesis"]["healthcheck"]["test"]
    assert test[:2] == ["CMD", "python"]
    code = test[3].replace("http://127.0.0.1:5000", kinesis.endpoint_url)
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    (unused,) = free_ports(1)
    code = test[3].replace("127.0.0.1:5000", f"127.0.0.1:{unused}")
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert done.returncode != 0


@pytest.mark.integration
def test_the_broker_starts_with_these_properties() -> None:
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in SERVICES["kafka"]["environment"].items()
    }
    assert set(properties) > PLACES
    with start_kafka({name: value for name, value in properties.items() if name not in PLACES}) as broker:
        assert broker.pid


@pytest.mark.integration
async def test_what_is_prepared_and_produced_is_what_the_processor_takes(
    kafka: str, kinesis: EmbeddedKinesis, kinesis_client: Any, tmp_path: Path
) -> None:
    name = f"compose-{uuid.uuid4().hex[:8]}"
    destination_file = tmp_path / "destination.yaml"
    text = DESTINATION.format(region="eu-west-1", url=kinesis.endpoint_url, stream=name)
    destination_file.write_text(text)
    destination, governance = await asyncio.to_thread(
        load_configuration, destination_file, DEPLOY / "compose" / "governance.yaml", {}
    )
    settings = settings_for(kafka, name)
    for _ in range(2):  # the second time all is there
        await producer.prepare(settings.kafka, destination)
    stop = asyncio.Event()
    async with running(settings, compile_plan(destination, governance)) as status:
        assert len(status.partitions) == producer.PARTITIONS
        producing = asyncio.create_task(producer.produce(settings.kafka, 200, stop))
        await stored_when(kinesis_client, name, 20)
        stop.set()
        produced = await producing
        await until(lambda: status.figures.received == produced and not status.figures.in_flight)
    assert status.figures.exported >= 20
