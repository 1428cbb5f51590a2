"""The Kubernetes manifests: rendered by kubectl, checked against the schemas, and in themselves.

kubectl and kubernetes-validate are among the tools (locks/tools.txt), which `make lint` installs.
Without them the tests are skipped, except with CI set in the environment.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support import ROOT

from avr_sts_speechmatics.cli.serve import FAREWELL_S
from avr_sts_speechmatics.cli.worker import STOP_S
from avr_sts_speechmatics.settings import DECLARATIONS, load
from avr_sts_speechmatics.telemetry import metrics

BASE = ROOT / "deploy" / "kubernetes"

OLDEST, NEWEST = "1.30", "1.37"
"""Versions of Kubernetes whose schemas the manifests must fit."""


def tool(name: str) -> str:
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    if found := shutil.which(name, path=path):
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{name} is not installed: make .venv/installed-tools")
    pytest.skip(f"{name} is not installed (make lint installs it)")


@pytest.fixture(scope="module")
def rendered() -> str:
    words = [tool("kubectl"), "kustomize", str(BASE)]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def manifests(rendered: str) -> dict[str, Any]:
    return {found["kind"]: found for found in yaml.safe_load_all(rendered)}


@pytest.fixture
def pod(manifests: dict[str, Any]) -> Any:
    return manifests["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture
def container(pod: Any) -> Any:
    (only,) = pod["containers"]
    return only


def validated(text: str, version: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "all.yaml").write_text(text)
    words = [tool("kubernetes-validate"), "--strict", "-k", version, str(folder / "all.yaml")]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)


# --- the schemas ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_manifests_fit_the_schemas(rendered: str, version: str, tmp_path: Path) -> None:
    done = validated(rendered, version, tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # An unknown kind is only a warning.
    assert "WARN" not in said
    assert said.count("passed") == rendered.count("\nkind: ")


def test_a_misspelt_field_would_be_found(rendered: str, tmp_path: Path) -> None:
    wrong = rendered.replace("readinessProbe", "readynessProbe")
    assert validated(wrong, NEWEST, tmp_path).returncode != 0


# --- what no schema knows ------------------------------------------------------------------------


def test_everything_selects_the_pods_by_their_labels(manifests: dict[str, Any]) -> None:
    deployment = manifests["Deployment"]["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    spread = deployment["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]
    selectors = [
        deployment["selector"]["matchLabels"],
        manifests["Service"]["spec"]["selector"],
        manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        spread["matchLabels"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items()
    target = manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == (
        "Deployment",
        manifests["Deployment"]["metadata"]["name"],
    )


def test_ports_are_those_of_the_service_and_probes_ask_the_port_that_answers(
    manifests: dict[str, Any], container: Any
) -> None:
    defaults = {name: declaration.default for name, declaration in DECLARATIONS.items()}
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {
        "websocket": defaults["port"],
        "audiosocket": defaults["audiosocket_port"],
        "announcements": defaults["http_port"],
    }
    for port in manifests["Service"]["spec"]["ports"]:
        assert ports[port["targetPort"]] == port["port"]
    paths = {"startupProbe": "/ready", "readinessProbe": "/ready", "livenessProbe": "/health"}
    for probe, path in paths.items():
        assert container[probe]["httpGet"] == {"path": path, "port": "websocket"}


def test_a_pod_that_ends_has_time_for_its_calls(
    manifests: dict[str, Any], pod: Any, container: Any
) -> None:
    drain_s = float(manifests["ConfigMap"]["data"]["DRAIN_S"])
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    pause_s = float(command[-1].partition("sleep(")[2].rstrip(")"))
    assert pod["terminationGracePeriodSeconds"] >= pause_s + drain_s + FAREWELL_S + STOP_S
    # The pod is out of all lists before it begins to end.
    probe = container["readinessProbe"]
    assert pause_s > probe["periodSeconds"] * probe["failureThreshold"]


def test_the_image_has_what_the_pause_before_the_end_runs(container: Any) -> None:
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    assert command[0] == "python"
    compile(command[-1], "preStop", "exec")


def test_the_settings_are_settings_of_the_service_and_hold_no_secret(
    manifests: dict[str, Any], tmp_path: Path
) -> None:
    data = manifests["ConfigMap"]["data"]
    assert data.keys() <= {name.upper() for name in DECLARATIONS}
    chosen = load(data, tmp_path / "no.env")
    assert chosen.host == "0.0.0.0"
    assert chosen.on_busy == "refuse"
    assert not list(chosen.secrets())


def test_the_map_of_settings_and_the_secret_are_found_by_the_pods(
    manifests: dict[str, Any], container: Any
) -> None:
    named, secret = container["envFrom"]
    assert named["configMapRef"]["name"] == manifests["ConfigMap"]["metadata"]["name"]
    created = (BASE / "kustomization.yaml").read_text()
    assert f"create secret generic {secret['secretRef']['name']} " in created


def test_the_pods_have_no_privileges_and_write_only_to_their_volumes(
    pod: Any, container: Any
) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    dockerfile = (ROOT / "Dockerfile").read_text()
    user = pod["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in dockerfile
    assert user["seccompProfile"]["type"] == "RuntimeDefault"
    limits = container["securityContext"]
    assert limits["readOnlyRootFilesystem"] is True
    assert limits["allowPrivilegeEscalation"] is False
    assert limits["capabilities"] == {"drop": ["ALL"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    places = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert all("emptyDir" in volume for volume in places.values())
    assert set(places) == {"/data", "/tmp", "/var/cache/avr-sts-speechmatics"}
    assert "PHRASE_CACHE_DIR=/var/cache/avr-sts-speechmatics" in dockerfile
    assert "DATA_DIR=/data" in dockerfile


def test_cpu_is_asked_for_and_never_taken_away(container: Any, manifests: dict[str, Any]) -> None:
    assert "cpu" not in container["resources"]["limits"]
    # The autoscaler measures against what is asked for.
    assert container["resources"]["requests"]["cpu"]
    (metric,) = manifests["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert metric["resource"]["name"] == "cpu"


# --- scaling by calls ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_calls(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What an operator's own folder with the component makes."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(BASE, folder / "kubernetes")
    own = folder / "own"
    own.mkdir()
    (own / "kustomization.yaml").write_text(
        "resources: [../kubernetes]\ncomponents: [../kubernetes/by-calls]\n"
    )
    words = [tool("kubectl"), "kustomize", str(own)]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_manifests_that_scale_by_calls_fit_the_schemas(
    by_calls: str, version: str, tmp_path: Path
) -> None:
    done = validated(by_calls, version, tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "WARN" not in said


def test_the_autoscaler_may_go_by_calls_as_the_service_and_the_adapter_name_them(
    by_calls: str,
) -> None:
    found = {one["kind"]: one for one in yaml.safe_load_all(by_calls)}
    calls, cpu = found["HorizontalPodAutoscaler"]["spec"]["metrics"]
    assert calls["pods"]["metric"]["name"] == metrics.CALLS.name
    assert cpu["resource"]["name"] == "cpu"
    wanted = float(calls["pods"]["target"]["averageValue"])
    assert wanted < float(found["ConfigMap"]["data"]["MAX_CALLS"])
    adapter = yaml.safe_load((BASE / "by-calls" / "prometheus-adapter.yaml").read_text())
    (rule,) = adapter["rules"]["custom"]
    assert rule["seriesQuery"].startswith(metrics.CALLS.name + "{")
    assert rule["name"]["as"] == metrics.CALLS.name


def test_prometheus_is_told_the_port_of_metrics(manifests: dict[str, Any], container: Any) -> None:
    template = manifests["Deployment"]["spec"]["template"]["metadata"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert template["annotations"]["prometheus.io/port"] == str(ports["websocket"])
    config = yaml.safe_load((ROOT / "examples" / "monitoring" / "kubernetes.yml").read_text())
    rules = config["scrape_configs"][0]["relabel_configs"]
    kept = {rule["regex"] for rule in rules if rule.get("action") == "keep"}
    assert kept == {"websocket", template["labels"]["app.kubernetes.io/name"]}


def test_no_pod_ends_before_another_is_there(manifests: dict[str, Any]) -> None:
    assert manifests["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    scaler = manifests["HorizontalPodAutoscaler"]["spec"]
    assert 2 <= scaler["minReplicas"] <= scaler["maxReplicas"]
