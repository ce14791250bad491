"""Manifests of Kubernetes: valid, nothing as root, no data shared between environments."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from kustomize_render import Manifest, containers, render

ROOT = Path(__file__).parents[3]
OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"
IMAGE = f"taxi-assets:{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"
ENVIRONMENTS = ("dev", "test", "prod")
KUBECONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "none", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "none", "user": {}}],
    "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
    "current-context": "none",
}
VALIDATE = Path(sys.executable).with_name("kubernetes-validate")


def validate(manifests: list[Manifest], path: Path) -> subprocess.CompletedProcess[str]:
    path.write_text(yaml.safe_dump_all(manifests))
    command = [VALIDATE, "--strict", "--quiet", path]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module", params=ENVIRONMENTS)
def manifests(request: pytest.FixtureRequest) -> list[Manifest]:
    return render(OVERLAYS / str(request.param))


def named(manifests: list[Manifest], kind: str, name: str) -> Any:
    (found,) = (each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return found


def deployments(manifests: list[Manifest]) -> list[Manifest]:
    found = [each for each in manifests if each["kind"] == "Deployment"]
    assert len(found) == 5
    return found


@pytest.mark.slow
def test_every_manifest_follows_the_schemas_of_kubernetes(manifests: list[Manifest], tmp_path: Path) -> None:
    if not VALIDATE.is_file():
        pytest.skip("kubernetes-validate is not installed: `make env-scale` does it")
    done = validate(manifests, tmp_path / "all.yaml")
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize(("right", "wrong"), [("readinessProbe", "readynessProbe"), ("runAsNonRoot", "runAsNonroot")])
def test_a_misspelled_field_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    if not VALIDATE.is_file():
        pytest.skip("kubernetes-validate is not installed: `make env-scale` does it")
    bento = json.loads(json.dumps(named(render(OVERLAYS / "dev"), "Deployment", "bento")).replace(right, wrong))
    done = validate([bento], tmp_path / "bento.yaml")
    assert done.returncode != 0
    assert wrong in done.stdout + done.stderr


def test_no_container_runs_as_root_or_writes_to_its_root(manifests: list[Manifest]) -> None:
    for each in deployments(manifests):
        pod = each["spec"]["template"]["spec"]
        assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 10001)
        for container in containers(each):
            rights = container["securityContext"]
            assert rights["readOnlyRootFilesystem"]
            assert not rights["allowPrivilegeEscalation"]
            assert rights["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            assert container["livenessProbe"]


def test_only_dagsters_own_pods_reach_the_api_of_kubernetes(manifests: list[Manifest]) -> None:
    with_token = {
        each["metadata"]["name"]
        for each in deployments(manifests)
        if each["spec"]["template"]["spec"]["automountServiceAccountToken"]
    }
    assert with_token == {"dagster-webserver", "dagster-daemon"}


def test_pods_and_runs_have_one_image(manifests: list[Manifest]) -> None:
    images = {container["image"] for each in manifests for container in containers(each)}
    assert images == {named(manifests, "ConfigMap", "taxi-settings")["data"]["DAGSTER_CURRENT_IMAGE"]}


def test_the_manifests_name_the_version_of_the_project(manifests: list[Manifest]) -> None:
    pyproject = (Path(__file__).parents[3] / "pyproject.toml").read_text()
    (version,) = re.findall(r'^version = "(.*)"$', pyproject, re.MULTILINE)
    assert {container["image"] for each in manifests for container in containers(each)} == {f"taxi-assets:{version}"}


def test_traffic_is_denied_unless_a_policy_allows_it(manifests: list[Manifest]) -> None:
    denied = named(manifests, "NetworkPolicy", "deny-all")["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    reached = {
        each["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/name"]
        for each in manifests
        if each["kind"] == "NetworkPolicy" and "Ingress" in each["spec"]["policyTypes"] and each["spec"]["podSelector"]
    }
    assert reached == {"bento", "code-location"}


def test_no_manifest_contains_a_secret(manifests: list[Manifest]) -> None:
    assert not [each for each in manifests if each["kind"] == "Secret"]
    settings = named(manifests, "ConfigMap", "taxi-settings")["data"]
    assert not [name for name in settings if re.search("TOKEN|PASSWORD|SECRET|KEY|CATALOG|URL", name)]


def test_environments_share_no_namespace_and_no_data() -> None:
    rendered = {name: render(OVERLAYS / name) for name in ENVIRONMENTS}
    for name, manifests in rendered.items():
        spaces = {each["metadata"].get("namespace") for each in manifests if each["kind"] != "Namespace"}
        assert spaces == {f"taxi-{name}"}
        settings = named(manifests, "ConfigMap", "taxi-settings")["data"]
        assert settings["TAXI_ENV"] == name
        assert settings["DAGSTER_RUN_NAMESPACE"] == f"taxi-{name}"
        assert settings["TAXI_DATA_PATH"] == f"s3://taxi/{name}"


@pytest.mark.slow
def test_dagster_makes_a_valid_job_of_a_run(manifests: list[Manifest], tmp_path: Path) -> None:
    """The launcher's configuration is checked by dagster-k8s, and its job by the schemas of Kubernetes."""
    pytest.importorskip("dagster_k8s", reason="dagster-k8s is not installed: `make env-scale` does it")
    job = job_of_a_run(manifests, tmp_path / "kubeconfig")
    done = validate([job], tmp_path / "job.yaml")
    assert (done.returncode, done.stdout) == (0, "")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == IMAGE
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert (pod["securityContext"]["runAsUser"], pod["automountServiceAccountToken"]) == (10001, False)
    assert {each["mountPath"] for each in container["volumeMounts"]} > {"/data"}
    assert job["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "dagster-run"


def job_of_a_run(manifests: list[Manifest], kubeconfig: Path) -> Manifest:
    """The job that the launcher of an environment would create."""
    from dagster._config import process_config, resolve_to_config_type
    from dagster_k8s.container_context import K8sContainerContext
    from dagster_k8s.job import construct_dagster_k8s_job
    from dagster_k8s.launcher import K8sRunLauncher
    from kubernetes.client import ApiClient

    kubeconfig.write_text(yaml.safe_dump(KUBECONFIG))
    instance = yaml.safe_load(named(manifests, "ConfigMap", "dagster-instance")["data"]["dagster.yaml"])
    given = {**instance["run_launcher"]["config"], "job_namespace": "taxi-dev"}
    given |= {"load_incluster_config": False, "kubeconfig_file": str(kubeconfig)}
    checked = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), given)
    assert checked.success, checked.errors
    launcher = K8sRunLauncher.from_config_value(None, checked.value)
    context = K8sContainerContext.create_for_run(dg.DagsterRun("train_month"), launcher, include_run_tags=False)
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(IMAGE, launcher),
        ["dagster", "api", "execute_run"],
        "dagster-run-1",
        user_defined_k8s_config=context.run_k8s_config,
        pod_name="dagster-run-1",
        component="run_worker",
    )
    return dict(ApiClient().sanitize_for_serialization(job))
