"""What docs/deploy.md has on Kubernetes: its overlay, its variant without operators, its names and variables."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import kubernetes_validate
import pytest
import yaml

from processor.settings import load_settings
from processor.web.access import OPEN
from tests.deploy.manifests import (
    CUSTOM,
    KUBERNETES,
    OVERLAYS,
    WORKLOADS,
    config_map,
    container,
    environment,
    render,
    rendered,
    the,
)
from tests.deploy.operators import check_operators_objects
from tests.support.deploy_files import DEPLOY, ROOT, load
from tests.support.pages import DOCS, commands
from tests.support.rules import ALERTS, ALL, anchors

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = sorted({ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *DEPLOY.rglob("*.md")})
OPERATORS_KINDS: Final = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule"}


def on_the_page(title: str, page: str = DOCS) -> dict[str, Any]:
    """The YAML that begins with a comment."""
    (text,) = re.findall(rf"```yaml\n(# {title}\n.*?)```", page, flags=re.DOTALL)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def rendered_of_one_s_own(directory: Path, kustomization: dict[str, Any]) -> list[dict[str, Any]]:
    """An overlay outside of `deploy/`, beside a copy of it."""
    shutil.copytree(DEPLOY, directory / "deploy", ignore=shutil.ignore_patterns(".terraform*"))
    own = directory / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    for name in ("destination.yaml", "governance.yaml"):
        shutil.copy(KUBERNETES / "base" / "config" / name, own / name)
    return render(own)


@pytest.mark.needs("kustomize")
def test_an_overlay_of_one_s_own_renders_as_the_page_has_it(tmp_path: Path) -> None:
    documents = rendered_of_one_s_own(tmp_path, on_the_page("kustomization.yaml"))
    (found,) = the(documents, "Deployment")["spec"]["template"]["spec"]["containers"]
    version = container("deployment")["image"].partition(":")[2]
    assert found["image"] == f"registry.example/processor:{version}"
    assert the(documents, "ServiceAccount")["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/mine"
    }
    trigger = the(documents, "ScaledObject")["spec"]["triggers"][0]["metadata"]
    settings = config_map(documents, "processor-settings")
    assert trigger["bootstrapServers"] == settings["PROCESSOR_KAFKA_SERVERS"]
    assert {document["metadata"].get("namespace") for document in documents} == {"processor"}


@pytest.mark.needs("kustomize")
def test_the_same_without_operators_has_pods_and_nothing_of_theirs(tmp_path: Path) -> None:
    whole, without = on_the_page("kustomization.yaml"), on_the_page("without operators")
    together = {**whole, **without, "patches": whole["patches"] + without["patches"]}
    documents = rendered_of_one_s_own(tmp_path, together)
    assert the(documents, "Deployment")["spec"]["replicas"] == 2
    assert not OPERATORS_KINDS & {document["kind"] for document in documents}
    assert {document["apiVersion"].partition("/")[0] for document in documents} == {
        "apps", "networking.k8s.io", "policy", "v1",
    }  # fmt: skip


@pytest.mark.needs("kustomize")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_without_a_password_ask_for_no_secret_and_iam_s_settings_are_taken(
    overlay: str, tmp_path: Path
) -> None:
    whole = on_the_page("kustomization.yaml")
    whole["resources"] = [
        each.replace("overlays/deployment", f"overlays/{overlay}") for each in whole["resources"]
    ]
    whole["configMapGenerator"][1]["literals"] += [
        "PROCESSOR_KAFKA_SASL_MECHANISM=OAUTHBEARER",
        "PROCESSOR_KAFKA_SASL_MSK_REGION=eu-west-1",
    ]
    whole["patches"] += on_the_page("without a password", (DEPLOY / "aws" / "README.md").read_text())[
        "patches"
    ]
    documents = rendered_of_one_s_own(tmp_path, whole)
    spec = the(documents, WORKLOADS[overlay])["spec"]["template"]["spec"]
    assert "ecret" not in str(spec)
    (only,) = spec["containers"]
    assert {mount["name"] for mount in only["volumeMounts"]} == {"files", "state"}
    assert load_settings(environment(documents, only, tmp_path)).kafka.sasl_password is None


@pytest.mark.needs("kustomize", "node", "typescript", "@kubernetes-models")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_closed_port_is_closed_to_all_but_the_probes_and_prometheus(overlay: str, tmp_path: Path) -> None:
    documents = rendered_with("a closed port", overlay, tmp_path)
    for document in documents:
        if not document["apiVersion"].startswith(CUSTOM):
            kubernetes_validate.validate(document, "1.33", strict=True)
    check_operators_objects([each for each in documents if each["apiVersion"].startswith(CUSTOM)], tmp_path)
    (only,) = the(documents, WORKLOADS[overlay])["spec"]["template"]["spec"]["containers"]
    assert {only[f"{kind}Probe"]["httpGet"]["scheme"] for kind in ("startup", "liveness", "readiness")} == {
        "HTTPS"
    }
    assert {only[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")} <= OPEN
    secret = tmp_path / "secret"
    secret.write_text("token-41\n")
    service = load_settings(environment(documents, only, secret)).service
    assert service.http_user is not None
    assert service.http_token is not None
    mounts = {mount["mountPath"] for mount in only["volumeMounts"]}
    assert {
        str(path and path.parent) for path in (service.http_tls_cert_file, service.http_tls_key_file)
    } <= mounts
    (scraped,) = the(documents, "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert (scraped["scheme"], scraped["port"], scraped["path"]) == ("https", "http", "/metrics")
    made = {line.split()[6] for line in commands("A closed port", "kubectl -n processor create secret")}
    assert {scraped["authorization"]["credentials"]["name"]} == made


@pytest.mark.needs("kustomize")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_on_openshift_the_pods_name_no_user(overlay: str, tmp_path: Path) -> None:
    documents = rendered_with("on OpenShift", overlay, tmp_path)
    context = the(documents, WORKLOADS[overlay])["spec"]["template"]["spec"]["securityContext"]
    assert not {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()
    assert context["runAsNonRoot"] is True


def rendered_with(title: str, overlay: str, directory: Path) -> list[dict[str, Any]]:
    """The page's overlay with what it has under another title on top."""
    whole = on_the_page("kustomization.yaml")
    whole["components"] += on_the_page(f"{title}, beside the others")["components"]
    whole["resources"] = [
        each.replace("overlays/deployment", f"overlays/{overlay}") for each in whole["resources"]
    ]
    return rendered_of_one_s_own(directory, whole)


@pytest.mark.needs("kustomize")
def test_the_rules_and_the_dashboard_come_as_they_are_once(tmp_path: Path) -> None:
    whole = on_the_page("kustomization.yaml")
    del whole["replacements"]
    documents = rendered_of_one_s_own(tmp_path, whole)
    assert the(documents, "PrometheusRule")["spec"] == load(DEPLOY / "prometheus" / "rules.yaml")
    dashboard = config_map(documents, "processor-dashboard")["processor.json"]
    assert dashboard == (DEPLOY / "grafana" / "processor.json").read_text()
    of_overlays = {document["kind"] for overlay in OVERLAYS for document in rendered(overlay)}
    assert "PrometheusRule" not in of_overlays, "each would evaluate all deployments' rules"


@pytest.mark.needs("kustomize")
def test_alerts_lead_to_the_run_book_of_one_s_own(tmp_path: Path) -> None:
    documents = rendered_of_one_s_own(tmp_path, on_the_page("kustomization.yaml"))
    rules = [rule for group in the(documents, "PrometheusRule")["spec"]["groups"] for rule in group["rules"]]
    assert runbooks(rules) == {
        name: f"https://git.example/processor/{rule['annotations']['runbook_url']}"
        for name, rule in ALERTS.items()
    }


def test_the_rules_of_a_prometheus_without_the_operator_lead_to_the_run_book_of_one_s_own(
    tmp_path: Path,
) -> None:
    (line,) = commands("Monitoring", "make")
    written = tmp_path / "processor-rules.yaml"
    line = line.replace("processor-rules.yaml", str(written))
    subprocess.run(["/bin/sh", "-ec", line], check=True, cwd=ROOT)
    rules = [rule for group in load(written)["groups"] for rule in group["rules"]]
    for rule in rules:
        if "alert" in rule:
            url = rule["annotations"]["runbook_url"]
            assert url.startswith("https://git.example/processor/docs/operations.md#")
            rule["annotations"]["runbook_url"] = url.removeprefix("https://git.example/processor/")
    assert rules == ALL, "and nothing else is changed"


def runbooks(rules: list[dict[str, Any]]) -> dict[str, str]:
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule}


@pytest.mark.needs("kustomize")
def test_what_kubectl_is_asked_to_touch_is_there(tmp_path: Path) -> None:
    documents = rendered_of_one_s_own(tmp_path, on_the_page("kustomization.yaml"))
    there = {f"{document['kind'].lower()}/{document['metadata']['name']}" for document in documents}
    there.add("statefulset/processor")
    told = set(re.findall(r"\b(?:scaledobject|deployment|statefulset)/\w+", DOCS))
    assert told == {"scaledobject/processor", "deployment/processor", "statefulset/processor"} & there


def test_the_image_s_arguments_are_the_dockerfile_s() -> None:
    told = set(re.findall(r"--build-arg (\w+)=", DOCS))
    declared = re.findall(r"^ARG (\w+)", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert {"PYTHON_IMAGE", "REVISION", "COMPILED"} == told
    assert told <= set(declared)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_is_one_of_the_settings(page: Path) -> None:
    known = set(re.findall(r"PROCESSOR_\w+", (ROOT / "docs" / "configuration.md").read_text()))
    told = set(re.findall(r"(?<!\w)PROCESSOR_\w+(?<!_)", page.read_text()))
    assert told <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        assert to.exists(), target
        assert not anchor or anchor in anchors(to.read_text()), target
