"""Renders an overlay of deploy/kubernetes as `kubectl kustomize` does.

It knows the fields that are used there. Any other field of a kustomization is an error.
Lists of patches are replaced whole.
"""

from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
_KNOWN = {"apiVersion", "kind", "resources", "namespace", "patches", "images", "replicas"}
_CLUSTER_WIDE = {"Namespace"}


def render(folder: Path) -> list[Manifest]:
    """The manifests of a folder with a kustomization."""
    wanted = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(wanted) - _KNOWN:
        raise ValueError(f"{folder}: fields of Kustomize that are not rendered here: {', '.join(sorted(unknown))}")
    found: list[Manifest] = []
    for name in wanted["resources"]:
        path = folder / name
        found += render(path) if path.is_dir() else list(yaml.safe_load_all(path.read_text()))
    for patch in wanted.get("patches", ()):
        _patch(found, yaml.safe_load((folder / patch["path"]).read_text()))
    for each in found:
        _set_namespace(each, wanted.get("namespace"))
        _set_images(each, wanted.get("images", ()))
        for count in wanted.get("replicas", ()):
            if (each["kind"], each["metadata"]["name"]) == ("Deployment", count["name"]):
                each["spec"]["replicas"] = count["count"]
    return found


def containers(manifest: Manifest) -> list[Manifest]:
    """The containers of a deployment; none of another manifest."""
    return list(manifest["spec"]["template"]["spec"]["containers"]) if manifest["kind"] == "Deployment" else []


def _set_namespace(manifest: Manifest, namespace: str | None) -> None:
    if namespace and manifest["kind"] not in _CLUSTER_WIDE:
        manifest["metadata"]["namespace"] = namespace
        for subject in manifest.get("subjects", ()):
            subject["namespace"] = namespace


def _patch(manifests: list[Manifest], patch: Manifest) -> None:
    (target,) = (
        each
        for each in manifests
        if (each["kind"], each["metadata"]["name"]) == (patch["kind"], patch["metadata"]["name"])
    )
    _merge(target, patch)


def _merge(target: Manifest, patch: Manifest) -> None:
    for key, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value


def _set_images(manifest: Manifest, images: Any) -> None:
    for container in containers(manifest):
        name = container["image"].partition(":")[0]
        for image in images:
            if image["name"] == name:
                container["image"] = f"{image.get('newName', name)}:{image['newTag']}"
