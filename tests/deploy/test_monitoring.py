"""Rules, alerts, runbooks and dashboards: what promtool says of them, and that each belongs to the others."""
import importlib.util
import os
import re
import shutil
import subprocess
import textwrap

import monitoring
import pytest
import support
import yaml
from monitoring import RUNBOOKS
from support import ROOT

CASES = yaml.safe_load((ROOT / "tests" / "deploy" / "alerts.yaml").read_text())


def promtool(*arguments):
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("RULES NOT TESTED: there is no promtool (Debian's package prometheus)")
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_rules_are_valid(tmp_path):
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": monitoring.groups()}))
    assert f"SUCCESS: {len(monitoring.rules())} rules found" in promtool("check", "rules", path)


def plain_rules():
    spec = importlib.util.spec_from_file_location("prometheus_rules", ROOT / "scripts" / "prometheus_rules.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.text()


def test_compose_has_the_same_rules():
    assert (ROOT / "monitoring" / "rules.yml").read_text() == plain_rules(), "run scripts/prometheus_rules.py"


def test_the_configuration_is_valid(tmp_path):
    """As compose.yaml mounts it; there its rules are in another folder."""
    text = (ROOT / "monitoring" / "prometheus.yml").read_text()
    assert text.count("/etc/prometheus/rules.yml") == 1
    path = tmp_path / "prometheus.yml"
    path.write_text(text.replace("/etc/prometheus/rules.yml", str(ROOT / "monitoring" / "rules.yml")))
    promtool("check", "config", path)
    asked = {config["job_name"]: config for config in yaml.safe_load(text)["scrape_configs"]}
    assert {job: config["dns_sd_configs"][0]["port"] for job, config in asked.items()} == {
        **{f"unreel-{service}": ops_port(service) for service in support.SERVICES}, "unreel-rabbitmq": 15692}


def ops_port(service):
    table = support.output(support.BIN / f"unreel-{service}", "--config-markdown")
    return int(re.search(r"`UNREEL_OPS_PORT` \| `(\d+)`", table).group(1))


def needed_for(alert):
    """The alert's rule behind the recorded ones that it asks for. Without annotations, whose labels are looked at below."""
    rule = {key: value for key, value in monitoring.alerts()[alert].items() if key != "annotations"}
    asked = {selector.name for selector in monitoring.names_in(rule["expr"])[0]}
    return [found for found in monitoring.rules() if found.get("record") in asked] + [rule]


def promtool_case(alert, case):
    labels = monitoring.alerts()[alert]["labels"]
    return {"name": f"{alert}: {case['name']}", "interval": "1m",
            "input_series": [{"series": series, "values": str(values)} for series, values in case["series"].items()],
            "alert_rule_test": [{"alertname": alert, "eval_time": f"{case['at']}m",
                                 "exp_alerts": [{"exp_labels": {**labels, **fired}} for fired in case.get("fires", [])]}]}


def test_alerts_fire_when_they_should(tmp_path):
    paths = []
    for alert, cases in CASES.items():
        rules_path, path = tmp_path / f"{alert}.rules.yml", tmp_path / f"{alert}.yml"
        rules_path.write_text(yaml.safe_dump({"groups": [{"name": alert, "rules": needed_for(alert)}]}))
        path.write_text(yaml.safe_dump({"rule_files": [str(rules_path)], "evaluation_interval": "1m",
                                        "tests": [promtool_case(alert, case) for case in cases]}))
        paths.append(path)
    promtool("test", "rules", *paths)


def test_each_alert_has_both_kinds_of_cases():
    assert set(CASES) == set(monitoring.alerts())
    for alert, cases in CASES.items():
        assert {bool(case.get("fires")) for case in cases} == {True, False}, alert


@pytest.mark.parametrize("alert", monitoring.alerts())
def test_annotations(alert):
    rule = monitoring.alerts()[alert]
    assert rule["labels"].keys() == {"severity"} and rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"] + rule["annotations"]["description"]))
    for case in CASES[alert]:
        for fired in case.get("fires", []):
            assert told <= set(fired), f"{case['name']}: the text tells labels that the alert has not"


HEADINGS = ["What it means", "What users notice", "How to look", "What to do", "When it is over"]


@pytest.mark.parametrize("alert", monitoring.alerts())
def test_runbook(alert):
    rule = monitoring.alerts()[alert]
    path = RUNBOOKS / f"{alert}.md"
    assert rule["annotations"]["runbook_url"] == str(path.relative_to(ROOT))
    text = path.read_text()
    assert text.startswith(f"# {alert}\n\nSeverity: {rule['labels']['severity']}. ")
    assert re.findall(r"^## (.*)$", text, re.M) == HEADINGS
    for linked in re.findall(r"\]\((\w+)\.md\)", text):
        assert linked in monitoring.alerts(), linked


def test_no_runbook_is_nobodys():
    listed = re.findall(r"\]\((\w+)\.md\)", (RUNBOOKS / "README.md").read_text())
    assert {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"} == set(monitoring.alerts()) == set(listed)


def test_dashboards():
    found = monitoring.dashboards()
    assert set(found) == {"unreel-overview.json", "unreel-converter.json", "unreel-queue-storage.json"}
    for name, dashboard in found.items():
        assert f"{dashboard['uid']}.json" == name
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids), name
        variable, = dashboard["templating"]["list"]
        assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")
        for panel in dashboard["panels"]:
            targets = panel.get("targets", [])
            assert (panel["type"] == "row") == (not targets), panel["title"]
            assert len({target["refId"] for target in targets}) == len(targets)
            for owner in [panel, *targets] if targets else []:
                assert owner["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]


def test_panels_do_not_overlap():
    for name, dashboard in monitoring.dashboards().items():
        taken = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= 24 and not cells & taken, f"{name}: {panel['title']}"
            taken |= cells


def test_queries_parse(tmp_path):
    """As rules, for promtool: it has no other way to read an expression."""
    path = tmp_path / "queries.yml"
    asked = [{"record": f"query:{number}", "expr": expression} for number, (_, expression) in enumerate(monitoring.queries())]
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    promtool("check", "rules", path)


def test_component():
    """On the minikube overlay: its objects are there, and the pods have the ports that are asked."""
    objects = support.manifests("overlays/minikube", ("monitoring",))
    maps = {support.name_of(found): found for found in support.of_kind(objects, "ConfigMap")}
    for name in monitoring.dashboards():
        made = maps[f"grafana-dashboard-{name.removesuffix('.json')}"]
        assert made["metadata"]["labels"]["grafana_dashboard"] == "1" and set(made["data"]) == {name}
    rules = support.of_kind(objects, "PrometheusRule")
    assert {support.name_of(found) for found in rules} == {"unreel-alerts", "unreel-recording"}
    assert all(found["metadata"]["namespace"] == "unreel" for found in rules)
    check_targets(objects)


def test_the_overlay_in_the_documentation(tmp_path):
    """The label that kube-prometheus-stack asks for, on no pod, and runbooks that Alertmanager can link."""
    block = re.search(r"^<!-- kustomization: monitoring -->\n\n((?: {4}.*\n)+)", (ROOT / "docs" / "operations.md").read_text(), re.M).group(1)
    there = os.path.relpath(support.K8S, os.path.realpath(tmp_path))
    assert block.count("../k8s/") == 2
    (tmp_path / "kustomization.yaml").write_text(textwrap.dedent(block).replace("../k8s/", f"{there}/"))
    if support.renderer() is None:
        pytest.skip("MANIFESTS NOT TESTED: no kustomize 5")
    objects = list(yaml.safe_load_all(support.output(*support.renderer(), tmp_path)))
    for found in support.of_kind(objects, "PodMonitor", "PrometheusRule"):
        assert found["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert not any("release" in support.pod_labels(found) for found in support.workloads(objects))
    rules, = [found for found in support.of_kind(objects, "PrometheusRule") if support.name_of(found) == "unreel-alerts"]
    for rule in [rule for group in rules["spec"]["groups"] for rule in group["rules"]]:
        assert rule["annotations"]["runbook_url"] == f"https://git.example.org/unreel/blob/main/docs/runbooks/{rule['alert']}.md"


def check_targets(objects):
    """Every pod that a PodMonitor selects has the port it names, and Prometheus may reach it."""
    policy, = [found for found in support.of_kind(objects, "NetworkPolicy") if support.name_of(found) == "allow-prometheus"]
    allowed = {entry["port"] for entry in policy["spec"]["ingress"][0]["ports"]}
    asked = set()
    for monitor in support.of_kind(objects, "PodMonitor"):
        port = monitor["spec"]["podMetricsEndpoints"][0]["port"]
        for workload in support.of_kind(objects, "Deployment", "StatefulSet"):
            labels = support.pod_labels(workload)
            if not selects(monitor["spec"]["selector"], labels):
                continue
            ports = [entry["name"] for container in support.pod_of(workload)["containers"] for entry in container.get("ports", [])]
            assert port in ports and port in allowed, support.name_of(workload)
            assert selects(policy["spec"]["podSelector"], labels)
            asked.add(support.name_of(workload))
    assert asked == {*support.SERVICES, "rabbitmq"}


def selects(selector, labels):
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"] for rule in selector.get("matchExpressions", []))
