"""Folders to apply: what is installed, with components of the product on top."""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def combined(folder, base, *components, more=""):
    """Writes a kustomization into the folder, base with the named components and more lines of YAML; the folder."""
    def path_to(target):
        return os.path.relpath(target, folder)

    lines = ["apiVersion: kustomize.config.k8s.io/v1beta1", "kind: Kustomization", "resources:", f"  - {path_to(base)}",
             "components:", *(f"  - {path_to(ROOT / 'k8s' / 'components' / name)}" for name in components)]
    (folder / "kustomization.yaml").write_text("\n".join(lines) + "\n" + more)
    return folder
