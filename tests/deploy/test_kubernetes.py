"""The manifests: against Kubernetes' own schemas, against each other, against the settings and the code."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import kubernetes_validate
import pytest

import processor
from processor.cli.worker_processes import LEAVE_S
from processor.configuration import parse_configuration
from processor.governance.plan import compile_plan
from processor.operations.sizing import Load, load_constants, size
from processor.settings import KafkaSettings, Settings, StateSettings, load_settings
from tests.deploy.dockerfile import stages
from tests.deploy.manifests import (
    CUSTOM,
    OVERLAYS,
    config_map,
    container,
    environment,
    pod,
    quantity_bytes,
    rendered,
    the,
    workload,
)
from tests.deploy.operators import check_operators_objects
from tests.support.deploy_files import DEPLOY
from tests.support.pages import commands

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.parametrize("overlay", OVERLAYS), pytest.mark.needs("kustomize")]

MIB: Final = 1024 * 1024
INTERPRETER_BYTES: Final = 160 * MIB
"""What a worker takes beside its bounded buffers."""
KUBERNETES_VERSIONS: Final = ("1.33", "1.37")


def settings(overlay: str, tmp_path: Path) -> Settings:
    secret = tmp_path / "password"
    secret.write_text("from the secret")
    return load_settings(environment(rendered(overlay), container(overlay), secret))


@pytest.mark.parametrize("version", KUBERNETES_VERSIONS)
def test_kubernetes_takes_every_object(overlay: str, version: str) -> None:
    for document in rendered(overlay):
        if not document["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(document, version, strict=True)


@pytest.mark.needs("node", "typescript", "@kubernetes-models")
def test_the_operators_take_theirs(overlay: str, tmp_path: Path) -> None:
    documents = [each for each in rendered(overlay) if each["apiVersion"].startswith(CUSTOM)]
    assert documents
    check_operators_objects(documents, tmp_path)


def test_the_settings_take_the_environment(overlay: str, tmp_path: Path) -> None:
    loaded = settings(overlay, tmp_path)
    assert loaded.kafka.sasl_password is not None
    assert loaded.kafka.sasl_password.get_secret_value() == "from the secret"


def test_the_two_files_are_valid(overlay: str) -> None:
    files = config_map(rendered(overlay), "processor-files")
    plan = compile_plan(
        *parse_configuration(
            (files["destination.yaml"], "destination.yaml"), (files["governance.yaml"], "governance.yaml"), {}
        )
    )
    assert plan.destination.connection.secret_key is None, "credentials come from the role"


def test_the_files_are_where_the_settings_look(overlay: str, tmp_path: Path) -> None:
    loaded = settings(overlay, tmp_path)
    mounts = {mount["mountPath"] for mount in container(overlay)["volumeMounts"]}
    assert str(loaded.files.destination_file.parent) in mounts
    assert str(loaded.files.governance_file and loaded.files.governance_file.parent) in mounts
    assert str(loaded.state.directory) in mounts


def test_every_password_is_mounted_where_the_environment_looks(overlay: str) -> None:
    files = {
        f"{mount['mountPath']}/{item['path']}"
        for volume in pod(overlay)["spec"]["volumes"]
        if "secret" in volume
        for mount in container(overlay)["volumeMounts"]
        if mount["name"] == volume["name"]
        for item in volume["secret"]["items"]
    }
    named = {each["value"] for each in container(overlay)["env"] if each["name"].endswith("_PASSWORD_FILE")}
    assert named == files


def secrets(tree: Any) -> Iterator[tuple[str, str]]:
    """The name and key of every secret that is read."""
    if isinstance(tree, dict):
        for name in ("secretKeyRef", "secretTargetRef"):
            found = tree.get(name, [])
            for each in found if isinstance(found, list) else [found]:
                yield each["name"], each["key"]
        if "secretName" in tree:
            yield from ((tree["secretName"], item["key"]) for item in tree["items"])
        for member in tree.values():
            yield from secrets(member)
    elif isinstance(tree, list):
        for item in tree:
            yield from secrets(item)


def test_the_secret_is_the_one_that_the_page_creates(overlay: str) -> None:
    (line,) = commands("On Kubernetes", "kubectl -n processor create secret generic")
    name = line.split()[6]
    made = {(name, key) for key in re.findall(r"--from-(?:literal|file)=(\w+)=", line)}
    for document in rendered(overlay):
        read = set(secrets(document))
        assert read in (set(), made), document["kind"]


def test_what_the_pods_name_is_there(overlay: str) -> None:
    documents, spec = rendered(overlay), pod(overlay)["spec"]
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}
    named = {("ServiceAccount", spec["serviceAccountName"])}
    named |= {("ConfigMap", each["configMapRef"]["name"]) for each in container(overlay)["envFrom"]}
    named |= {("ConfigMap", each["configMap"]["name"]) for each in spec["volumes"] if "configMap" in each}
    if overlay == "statefulset":
        named.add(("Service", workload(overlay)["spec"]["serviceName"]))
    assert len(named) >= 3
    assert named <= there


def test_no_variable_comes_from_services(overlay: str) -> None:
    assert pod(overlay)["spec"]["enableServiceLinks"] is False


def test_the_port_is_the_one_that_is_served(overlay: str, tmp_path: Path) -> None:
    served = settings(overlay, tmp_path).service
    assert served.http_host == "0.0.0.0"
    (port,) = container(overlay)["ports"]
    assert (port["name"], port["containerPort"]) == ("http", served.http_port)
    probes = [container(overlay)[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    (scraped,) = the(rendered(overlay), "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert {probe["port"] for probe in probes} | {scraped["port"]} == {"http"}


def test_the_image_is_this_version(overlay: str) -> None:
    assert container(overlay)["image"] == f"processor:{processor.__version__}"


def test_the_pod_is_restricted(overlay: str) -> None:
    """As the Pod Security Standards' profile `restricted` has it, and a read-only root on top."""
    of_pod, of_container = pod(overlay)["spec"]["securityContext"], container(overlay)["securityContext"]
    assert of_pod["runAsNonRoot"] is True
    assert of_pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert of_container["allowPrivilegeEscalation"] is False
    assert of_container["capabilities"] == {"drop": ["ALL"]}
    assert of_container["readOnlyRootFilesystem"] is True
    allowed = {"configMap", "emptyDir", "secret", "persistentVolumeClaim"}
    for volume in pod(overlay)["spec"]["volumes"]:
        assert set(volume) - {"name"} <= allowed


def test_the_user_is_the_image_s(overlay: str) -> None:
    last = {each.name: each.text for each in stages(DEPLOY / "Dockerfile")[-1]}
    context = pod(overlay)["spec"]["securityContext"]
    assert last["USER"] == f"{context['runAsUser']}:{context['runAsGroup']}"
    assert context["fsGroup"] == context["runAsGroup"], "else the state volume cannot be written"


def test_the_grace_outlasts_the_drain(overlay: str, tmp_path: Path) -> None:
    grace_s = pod(overlay)["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > settings(overlay, tmp_path).service.shutdown_timeout_ms / 1000 + LEAVE_S


def test_the_memory_limit_is_above_what_the_settings_bound(overlay: str, tmp_path: Path) -> None:
    loaded = settings(overlay, tmp_path)
    worker = loaded.state.memory_bytes + loaded.service.in_flight_bytes + loaded.kinesis.buffer_bytes
    needed = loaded.service.workers * (worker + INTERPRETER_BYTES)
    resources = container(overlay)["resources"]
    assert quantity_bytes(resources["limits"]["memory"]) >= needed
    # Measured among ten million profiles, with the default for the state's memory.
    less_state_bytes = StateSettings.model_fields["memory_bytes"].default - loaded.state.memory_bytes
    measured = loaded.service.workers * (load_constants().worker_bytes - less_state_bytes)
    assert measured <= quantity_bytes(resources["requests"]["memory"]) <= needed


def test_each_worker_has_a_cpu(overlay: str, tmp_path: Path) -> None:
    resources = container(overlay)["resources"]
    assert int(resources["requests"]["cpu"]) == settings(overlay, tmp_path).service.workers
    assert "cpu" not in resources["limits"], "throttling stops heartbeats"


def test_the_autoscaler_stops_at_partitions_by_workers(overlay: str, tmp_path: Path) -> None:
    scaled = the(rendered(overlay), "ScaledObject")
    partitions = int(scaled["metadata"]["annotations"]["processor/source-partitions"])
    assert scaled["spec"]["maxReplicaCount"] == partitions // settings(overlay, tmp_path).service.workers


def test_the_autoscaler_s_threshold_is_some_seconds_of_a_replica_s_work(overlay: str, tmp_path: Path) -> None:
    (trigger,) = the(rendered(overlay), "ScaledObject")["spec"]["triggers"]
    events_a_second = settings(overlay, tmp_path).service.workers * 1e6 / load_constants().cpu_us
    assert 5 < int(trigger["metadata"]["lagThreshold"]) / events_a_second < 15


def test_the_autoscaler_and_the_disruption_budget_leave_one_that_works(overlay: str) -> None:
    budget = the(rendered(overlay), "PodDisruptionBudget")["spec"]
    assert the(rendered(overlay), "ScaledObject")["spec"]["minReplicaCount"] > budget["maxUnavailable"]


def test_the_autoscaler_looks_at_what_the_processor_reads(overlay: str, tmp_path: Path) -> None:
    kafka = settings(overlay, tmp_path).kafka
    scaled = the(rendered(overlay), "ScaledObject")["spec"]
    (trigger,) = scaled["triggers"]
    assert trigger["type"] == "kafka"
    looked_at = trigger["metadata"]
    assert looked_at["bootstrapServers"].split(",") == list(kafka.servers)
    assert (looked_at["topic"], looked_at["consumerGroup"]) == (kafka.topic, kafka.group)
    assert looked_at["offsetResetPolicy"] == kafka.offset_reset
    assert looked_at["sasl"] == kafka.sasl_mechanism.lower().replace("-sha-", "_sha")
    assert (looked_at["tls"] == "enable") == kafka.security_protocol.endswith("SSL")
    target = {"kind": "Deployment", **scaled["scaleTargetRef"]}
    assert (target["kind"], target["name"]) == (
        workload(overlay)["kind"],
        workload(overlay)["metadata"]["name"],
    )
    assert "replicas" not in workload(overlay)["spec"], "kubectl apply would undo the autoscaler's work"


def selectors(tree: Any) -> Iterator[dict[str, str]]:
    """All that select pods: of any kind, at any depth."""
    if isinstance(tree, dict):
        for name, member in tree.items():
            if name in {"selector", "podSelector", "labelSelector"}:
                yield member.get("matchLabels", member)
            yield from selectors(member)
    elif isinstance(tree, list):
        for item in tree:
            yield from selectors(item)


def test_what_selects_pods_selects_ours(overlay: str) -> None:
    ours = pod(overlay)["metadata"]["labels"]
    of_dns = {"k8s-app": "kube-dns"}, {"dns.operator.openshift.io/daemonset-dns": "default"}
    for document in rendered(overlay):
        for selector in selectors(document.get("spec", {})):
            assert selector in (ours, *of_dns), f"{document['kind']}: {selector}"


def test_names_are_looked_up_wherever_clusters_have_their_dns(overlay: str) -> None:
    rules = the(rendered(overlay), "NetworkPolicy")["spec"]["egress"]
    found = {
        (_place(to), port["port"], port["protocol"])
        for rule in rules
        for to in rule.get("to", ())
        for port in rule["ports"]
    }
    for place, port in (("kube-system", 53), ("169.254.20.10/32", 53), ("openshift-dns", 5353)):
        assert {(place, port, "UDP"), (place, port, "TCP")} <= found


def _place(to: dict[str, Any]) -> str:
    if "ipBlock" in to:
        return str(to["ipBlock"]["cidr"])
    return str(to["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])


def test_the_autoscaler_does_not_grow_the_group_where_nothing_is_committed(overlay: str) -> None:
    (trigger,) = the(rendered(overlay), "ScaledObject")["spec"]["triggers"]
    assert trigger["metadata"]["excludePersistentLag"] == "true"
    # Two looks that are closer than a commit would take what moves for what stands still.
    assert trigger["useCachedMetrics"] is True
    scaled = the(rendered(overlay), "ScaledObject")["spec"]
    commit_s = KafkaSettings.model_fields["commit_interval_ms"].default / 1000
    assert scaled["pollingInterval"] >= 10 * commit_s


def test_the_network_lets_kafka_through(overlay: str, tmp_path: Path) -> None:
    loaded = settings(overlay, tmp_path).kafka
    rules = the(rendered(overlay), "NetworkPolicy")["spec"]["egress"]
    open_ports = {number for rule in rules for port in rule["ports"]
                  for number in range(port["port"], port.get("endPort", port["port"]) + 1)}  # fmt: skip
    ours = {int(server.rpartition(":")[2]) for server in loaded.servers}
    of_msk = {int(port) for port in re.findall(r"port (9\d+)", (DEPLOY / "aws" / "README.md").read_text())}
    assert len(of_msk) == 3
    assert ours | of_msk | {443} <= open_ports, "Kafka, MSK's ways in, and Kinesis"


def test_the_network_is_closed_but_for_what_is_named(overlay: str) -> None:
    policy = the(rendered(overlay), "NetworkPolicy")["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    (served,) = policy["ingress"]
    assert [port["port"] for port in served["ports"]] == [
        port["name"] for port in container(overlay)["ports"]
    ]
    blocks = [to["ipBlock"] for rule in policy["egress"] for to in rule.get("to", ()) if "ipBlock" in to]
    for block in blocks:
        assert block["cidr"] == "169.254.20.10/32" or "169.254.169.254/32" in block["except"], (
            "the node's own role"
        )


def test_a_rollout_waits_for_pods_that_restore(overlay: str) -> None:
    if overlay == "statefulset":
        assert workload(overlay)["spec"]["updateStrategy"]["type"] == "RollingUpdate"
        return
    spec = workload(overlay)["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    load = Load(events_per_s=20_000, event_bytes=1200, share_of_changes=0.7, profiles=50_000_000)
    assert spec["progressDeadlineSeconds"] > size(load, load_constants(), 86_400).restore_s


def test_static_members_outlast_a_restart(overlay: str, tmp_path: Path) -> None:
    if overlay == "deployment":
        assert settings(overlay, tmp_path).kafka.instance_id is None, "its pods' names do not come again"
        return
    names = {each["name"]: each for each in container(overlay)["env"]}
    assert names["PROCESSOR_KAFKA_INSTANCE_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    grace_s = pod(overlay)["spec"]["terminationGracePeriodSeconds"]
    assert settings(overlay, tmp_path).kafka.session_timeout_ms >= 2 * grace_s * 1000


def test_state_is_on_the_volume_that_the_overlay_says(overlay: str) -> None:
    volumes = {volume["name"]: volume for volume in pod(overlay)["spec"]["volumes"]}
    if overlay == "deployment":
        resources = container(overlay)["resources"]
        bound = quantity_bytes(volumes["state"]["emptyDir"]["sizeLimit"])
        assert bound <= quantity_bytes(resources["limits"]["ephemeral-storage"])
    else:
        (claim,) = workload(overlay)["spec"]["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "state"
        assert "state" not in volumes
