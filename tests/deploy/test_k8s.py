"""The manifests keep the rules that no schema knows: security, probes, grace, rollout, and that all names resolve."""
import base64
import re
from urllib.parse import urlsplit

import pytest
import support
from support import SERVICES, name_of, of_kind, pod_of, workloads

MEBI = {"Mi": 1, "Gi": 1024}


@pytest.fixture(scope="module", params=support.OVERLAYS)
def overlay(request):
    return request.param


@pytest.fixture(scope="module")
def rendered(overlay):
    return support.manifests(overlay)


@pytest.fixture(scope="module")
def objects(rendered):
    return rendered[0]


def is_ours(container):
    return container["image"].startswith("unreel/")


def containers(objects):
    for workload in workloads(objects):
        for container in pod_of(workload)["containers"]:
            yield workload, container


def ours(objects):
    """(deployment, its pod, its container) of each service."""
    found = [w for w in of_kind(objects, "Deployment")]
    assert sorted(map(name_of, found)) == sorted(SERVICES)
    return [(w, pod_of(w), pod_of(w)["containers"][0]) for w in found]


def environment(container):
    return {entry["name"]: entry for entry in container.get("env", [])}


def mebibytes(text):
    return int(text[:-2]) * MEBI[text[-2:]]


def test_pods_are_restricted(objects):
    namespace, = of_kind(objects, "Namespace")
    for mode in ("enforce", "audit", "warn"):
        assert namespace["metadata"]["labels"][f"pod-security.kubernetes.io/{mode}"] == "restricted"
    for workload, container in containers(objects):
        pod, where = pod_of(workload), name_of(workload)
        assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, where
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod), where
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False and security["capabilities"] == {"drop": ["ALL"]}, where
        assert "privileged" not in security, where
        if is_ours(container):
            assert pod["securityContext"]["runAsUser"] >= 10000 and security["readOnlyRootFilesystem"] is True, where
        for volume in pod.get("volumes", []):
            assert "hostPath" not in volume, where
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], (where, volume)


def test_probes(objects):
    for workload, _, container in ours(objects):
        for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
            assert container[probe]["httpGet"] == {"path": path, "port": "ops"}, name_of(workload)
        if name_of(workload) == "converter":
            assert container["livenessProbe"]["terminationGracePeriodSeconds"] <= 60
    for workload in of_kind(objects, "StatefulSet"):
        container = pod_of(workload)["containers"][0]
        assert "readinessProbe" in container and "startupProbe" in container, name_of(workload)
        assert "livenessProbe" not in container, name_of(workload)


def test_grace_outlasts_the_drain(objects):
    for workload, pod, container in ours(objects):
        name = name_of(workload)
        drain = int(environment(container).get("UNREEL_DRAIN_TIMEOUT_S", {}).get("value", 30))
        command = container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", ["sleep", "0"])
        assert command[0] == "sleep"
        assert pod["terminationGracePeriodSeconds"] >= drain + int(command[1]) + 5, name
        if name in ("auth", "gateway"):
            assert int(command[1]) >= 5, f"{name}: requests still come for a moment after SIGTERM"


def test_rollout_and_disruption(objects, overlay):
    budgets = {budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"]: budget["spec"]
               for budget in of_kind(objects, "PodDisruptionBudget")}
    for workload, pod, _ in ours(objects):
        spec, name = workload["spec"], name_of(workload)
        assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0, name
        keys = {one["topologyKey"]: one for one in pod["topologySpreadConstraints"]}
        assert set(keys) == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
        for one in keys.values():
            assert one["whenUnsatisfiable"] == "ScheduleAnyway"
            assert one["labelSelector"]["matchLabels"] == spec["selector"]["matchLabels"]
        allowed = budgets[name].get("maxUnavailable", spec["replicas"] - budgets[name].get("minAvailable", 0))
        assert allowed >= 1, f"{name}: no node could ever be drained"
        assert overlay != "base" or spec["replicas"] >= 2, name


def test_resources(objects):
    for workload, container in containers(objects):
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory"}, name_of(workload)
        if name_of(workload) == "converter":
            slots = int(environment(container)["UNREEL_SLOTS"]["value"])
            assert mebibytes(container["resources"]["limits"]["memory"]) >= slots * 512 + 256


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
