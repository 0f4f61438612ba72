"""Whatever a manifest names is there: labels, ports, volumes, secrets, hosts, images."""
import base64
import re
from urllib.parse import urlsplit

import pytest
import support
from support import containers, is_ours, name_of, of_kind, pod_of, workloads


def test_the_manifests_are_rendered(rendered, overlay):
    if not rendered[1]:
        pytest.skip(f"k8s/{overlay} IS READ AS IT STANDS: no kubectl with kustomize 5 (UNREEL_TEST_KUBECTL may name one)")


def test_selectors_and_ports(objects):
    by_labels = {}
    for workload in workloads(objects):
        labels = workload["spec"]["template"]["metadata"]["labels"]
        by_labels[labels["app.kubernetes.io/name"]] = workload
        if workload["kind"] != "Job":
            assert workload["spec"]["selector"]["matchLabels"].items() <= labels.items(), name_of(workload)
    services = {}
    for service in of_kind(objects, "Service"):
        if "selector" not in service["spec"]:
            continue  # a patch that was not applied
        services[name_of(service)] = service
        container = pod_of(by_labels[service["spec"]["selector"]["app.kubernetes.io/name"]])["containers"][0]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name_of(service)
    for workload in of_kind(objects, "StatefulSet"):
        assert workload["spec"]["serviceName"] in services
    for workload, container in containers(objects):
        names = {port["name"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            target = container.get(probe, {}).get("httpGet") or container.get(probe, {}).get("tcpSocket") or {}
            assert target.get("port") is None or target["port"] in names, name_of(workload)
        mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
        claims = {name_of(claim) for claim in workload["spec"].get("volumeClaimTemplates", [])}
        assert mounts <= claims | {volume["name"] for volume in pod_of(workload).get("volumes", [])}


def test_references_resolve(rendered, overlay):
    objects, is_rendered = rendered
    made = support.literals(overlay)
    if is_rendered:
        made = {name_of(found): found.get("data", {}) for found in of_kind(objects, "ConfigMap", "Secret")}
    wanted = []
    for workload, container in containers(objects):
        wanted += [(source["configMapRef"]["name"], None) for source in container.get("envFrom", [])]
        wanted += [(volume["configMap"]["name"], None) for volume in pod_of(workload).get("volumes", []) if "configMap" in volume]
        for entry in container.get("env", []):
            for reference in entry.get("valueFrom", {}).values():
                wanted.append((reference["name"], reference["key"]))
    assert wanted
    for name, key in wanted:
        if overlay == "base" and name == "unreel-secrets":
            continue  # an overlay brings them
        assert name in made and (key is None or key in made[name]), (name, key)


def test_urls_lead_to_services(rendered, overlay):
    """Of our own addresses: host and port are those of a Service."""
    objects, is_rendered = rendered
    ports = {name_of(s): s["spec"]["ports"][0]["port"] for s in of_kind(objects, "Service") if "selector" in s["spec"]}
    urls = [entry["value"] for _, container in containers(objects) for entry in container.get("env", [])
            if entry["name"].endswith("_URL") and "value" in entry]
    if overlay != "base":
        secrets = support.literals(overlay)["unreel-secrets"]
        if is_rendered:
            secret = next(found for found in of_kind(objects, "Secret"))
            assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == secrets
        urls += [value for key, value in secrets.items() if key.endswith("-url")]
    assert urls
    for url in map(urlsplit, urls):
        assert ports[url.hostname.split(".")[-1]] == url.port, url.geturl()


def test_images_are_pinned(rendered):
    objects, is_rendered = rendered
    version = re.search(r"project\(unreel VERSION (\S+)", (support.ROOT / "CMakeLists.txt").read_text()).group(1)
    for workload, container in containers(objects):
        if is_ours(container) and not is_rendered:
            continue
        tag = container["image"].partition(":")[2]
        assert tag and tag != "latest", name_of(workload)
        assert not is_ours(container) or tag == version, name_of(workload)
        if workload["kind"] == "Job":
            assert name_of(workload) == "migrate-" + version.replace(".", "-")
