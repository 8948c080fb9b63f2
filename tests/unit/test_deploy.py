"""What is there to copy: manifests that Kubernetes would take, and a configuration that onehop takes."""

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

import proxy
from proxy.config.sources import load

DEPLOY = Path(proxy.__file__).parents[1] / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
MANIFESTS = sorted(path for path in KUBERNETES.glob("*.yaml") if path.name != "kustomization.yaml")


def manifest(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / name).read_text("utf-8"))
    return found


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: str(path.name))
def test_manifests_fit_the_schemas_of_kubernetes(path: Path) -> None:
    for document in yaml.safe_load_all(path.read_text("utf-8")):
        kubernetes_validate.validate(document, "1.31", strict=True)


def test_the_kustomization_names_every_manifest() -> None:
    assert sorted(manifest("kustomization.yaml")["resources"]) == [path.name for path in MANIFESTS]


def test_the_configuration_is_valid_and_its_times_fit_in_the_grace_period() -> None:
    config = load(KUBERNETES / "onehop.toml", {}).valid()
    pod = manifest("deployment.yaml")["spec"]["template"]["spec"]
    assert config.shutdown_delay_s + config.timeouts.drain_s + 5 <= pod["terminationGracePeriodSeconds"]
    probe = pod["containers"][0]["readinessProbe"]
    assert config.shutdown_delay_s >= 2 * probe["periodSeconds"] * probe["failureThreshold"]
    ports = {port["name"]: f":{port['containerPort']}" for port in pod["containers"][0]["ports"]}
    assert ports == {"http": config.listen[0], "admin": config.admin.listen}


def test_the_compose_file_gives_as_much_time_as_is_needed() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
    service = compose["services"]["onehop"]
    environment = service["environment"]
    config = load(None, environment).valid()
    assert config.timeouts.drain_s + 2 <= float(service["stop_grace_period"].removesuffix("s"))
    assert service["read_only"] is True
