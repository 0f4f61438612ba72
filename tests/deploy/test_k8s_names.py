"""Whatever a manifest names is there: labels, ports, volumes, secrets, hosts, images."""
import re
from urllib.parse import urlsplit

import support
from support import ROOT, VERSION, containers, data_of, is_canary, is_ours, name_of, of_kind, pod_labels, pod_of, secret_files, settings, workloads

# What prod finds in its cluster.
BROUGHT = {"unreel-secrets", "unreel-migrate", "unreel-tls"}


def selected(objects, labels):
    return [w for w in workloads(objects) if labels.items() <= pod_labels(w).items()]


def ports_of(workload):
    return {port["name"]: port["containerPort"] for container in pod_of(workload)["containers"] for port in container.get("ports", [])}


def test_selectors(objects):
    for workload in workloads(objects):
        if workload["kind"] != "Job":
            assert selected(objects, workload["spec"]["selector"]["matchLabels"]) == [workload], name_of(workload)
    for budget in of_kind(objects, "PodDisruptionBudget"):
        assert selected(objects, budget["spec"]["selector"]["matchLabels"]), name_of(budget)


def test_services_and_ports(objects):
    services = {name_of(service): service["spec"] for service in of_kind(objects, "Service")}
    for name, service in services.items():
        found = selected(objects, service["selector"])
        assert found, name
        for workload in found:
            for port in service["ports"]:
                assert ports_of(workload)[port["targetPort"]] == port["port"], name
    for workload in of_kind(objects, "StatefulSet"):
        assert workload["spec"]["serviceName"] in services
    for workload, container in containers(objects):
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            target = container.get(probe, {}).get("httpGet") or container.get(probe, {}).get("tcpSocket") or {}
            assert target.get("port") is None or target["port"] in ports_of(workload), name_of(workload)
    for ingress in of_kind(objects, "Ingress"):
        for path in (path for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]):
            backend = path["backend"]["service"]
            assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["ports"]}


def test_volumes(objects):
    for workload, container in containers(objects):
        claims = {name_of(claim) for claim in workload["spec"].get("volumeClaimTemplates", [])}
        volumes = {volume["name"] for volume in pod_of(workload)["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} <= claims | volumes, name_of(workload)
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(paths) == len(set(paths))
        used = {mount["name"] for one in pod_of(workload).get("initContainers", []) + pod_of(workload)["containers"]
                for mount in one["volumeMounts"]}
        assert volumes | claims == used, name_of(workload)


def wanted_names(objects):
    """(where, name, key or None) of each ConfigMap and Secret that something needs."""
    for workload, container in containers(objects):
        where = name_of(workload)
        for source in container.get("envFrom", []):
            yield where, source["configMapRef"]["name"], None
        for entry in container.get("env", []):
            for kind, reference in entry.get("valueFrom", {}).items():
                if kind != "fieldRef":
                    yield where, reference["name"], reference["key"]
    for workload in workloads(objects):
        for volume in pod_of(workload)["volumes"]:
            if "configMap" in volume and not volume["configMap"].get("optional"):
                yield name_of(workload), volume["configMap"]["name"], None
            if not volume.get("secret", {}).get("optional"):
                for item in volume.get("secret", {}).get("items", []):
                    yield name_of(workload), volume["secret"]["secretName"], item["key"]
    for found in of_kind(objects, "TriggerAuthentication"):
        for one in found["spec"]["secretTargetRef"]:
            yield name_of(found), one["name"], one["key"]


def test_references_resolve(objects, overlay):
    made = data_of(objects)
    wanted = list(wanted_names(objects))
    assert len(wanted) > 10
    said = (support.K8S / overlay / "kustomization.yaml").read_text()
    for where, name, key in wanted:
        if overlay == "overlays/prod" and name in BROUGHT:
            assert re.search(rf"^# .*\b{re.escape(key)}\b", said, re.M), (where, name, key)
        else:
            assert name in made and (key is None or key in made[name]), (where, name, key)
    for workload in workloads(objects):
        mounted = secret_files(workload)
        for variable, value in settings(workload, made):
            assert not variable.endswith("_FILE") or value in mounted, (name_of(workload), variable)
    for found in of_kind(objects, "ScaledObject"):
        names = {name_of(one) for one in of_kind(objects, "TriggerAuthentication")}
        assert {trigger["authenticationRef"]["name"] for trigger in found["spec"]["triggers"]} <= names


def test_a_mail_server_may_want_a_login(objects, overlay):
    """The password's key may be missing, as long as no setting names its file; who reads prod is told of both."""
    notifier, = (w for w in of_kind(objects, "Deployment") if name_of(w) == "notifier")
    path, = (path for path, (_, key) in secret_files(notifier).items() if key == "smtp-password")
    given = dict(settings(notifier, data_of(objects)))
    assert next(volume["secret"]["optional"] for volume in pod_of(notifier)["volumes"] if volume["name"] == "smtp") is True
    if overlay == "overlays/prod":
        assert given["UNREEL_SMTP_URL"] and given["UNREEL_SMTP_USER"] and given["UNREEL_SMTP_PASSWORD_FILE"] == path
        assert re.search(r"^# .*\bsmtp-password\b", (support.K8S / overlay / "kustomization.yaml").read_text(), re.M)
    else:
        assert "UNREEL_SMTP_PASSWORD_FILE" not in given and not given["UNREEL_SMTP_URL"]


def test_scaled_objects_are_there(objects):
    for found in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        assert found["spec"]["scaleTargetRef"]["name"] in {name_of(w) for w in of_kind(objects, "Deployment")}


def test_urls_lead_to_services(objects, overlay):
    """Of our own addresses: host and port are those of a Service."""
    services = {name_of(s): {port["port"] for port in s["spec"]["ports"]} for s in of_kind(objects, "Service")}
    urls = [entry["value"] for _, container in containers(objects) for entry in container.get("env", [])
            if entry["name"].endswith("_URL") and "value" in entry]
    for found in of_kind(objects, "Secret"):
        urls += [value for key, value in data_of([found])[name_of(found)].items() if key.endswith("-url")]
    assert len(urls) >= (1 if overlay == "overlays/prod" else 6)
    for url in map(urlsplit, urls):
        assert url.port in services[url.hostname.removesuffix(".unreel").split(".")[-1]], url.geturl()


def test_images_are_pinned(objects, overlay):
    for workload, container in containers(objects):
        name, _, tag = container["image"].partition("@" if overlay == "overlays/prod" and not is_canary(workload) else ":")
        assert name and tag and tag != "latest", name_of(workload)
        if is_ours(container) and overlay != "overlays/prod":
            assert (tag == VERSION) != is_canary(workload), name_of(workload)


def test_the_version_is_the_projects(objects):
    """In labels, and wherever an image of ours is written with its tag."""
    said = [found["metadata"]["labels"].get("app.kubernetes.io/version") for found in of_kind(objects, "Deployment") if not is_canary(found)]
    assert said == [VERSION] * len(support.SERVICES)
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *(path for path in support.K8S.rglob("*") if path.is_file())]
    tags = [(path.name, tag) for path in pages for tag in re.findall(r"\bunreel/[a-z-]+:(\d[\w.]*)", path.read_text())]
    assert len(tags) >= 4 and {tag for _, tag in tags} == {VERSION}, tags


def test_the_migration_has_a_name_of_its_own(objects, overlay):
    """A Job's template never changes: its name changes with all that stands in it, and what it names does not."""
    job, = of_kind(objects, "Job")
    assert re.fullmatch(r"migrate-[a-z0-9]{10}", name_of(job))
    assert "annotations" not in job["metadata"]
    assert [name for where, name, _ in wanted_names(objects) if where == name_of(job)] == ["unreel-migrate"]
    others = {name_of(of_kind(support.manifests(other), "Job")[0]) for other in support.OVERLAYS if other != "overlays/local"}
    assert len(others) == 2
