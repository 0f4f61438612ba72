"""kubectl, and what the tests ask of it. Every call has an end."""
import contextlib
import json
import re
import subprocess
import threading
import urllib.request
from collections import Counter

from harness.wait import wait_until

SERVICES = ("auth", "gateway", "converter", "notifier")
OPS_PORTS = {"auth": 9101, "gateway": 9102, "converter": 9103, "notifier": 9104}
APP = "app.kubernetes.io/name"


class Kube:
    def __init__(self, program, namespace="unreel"):
        self.program, self.namespace = program, namespace

    def run(self, *args, stdin=None, timeout=120):
        """What kubectl prints; its complaint is the test's."""
        command = [self.program, "-n", self.namespace, *map(str, args)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        return done.stdout

    def get(self, *args):
        return json.loads(self.run("get", *args, "-o", "json"))

    def apply(self, folder, timeout=120):
        return self.run("apply", "-k", folder, timeout=timeout)

    def rolled_out(self, *workloads, timeout=300):
        for workload in workloads:
            self.run("rollout", "status", workload, f"--timeout={timeout}s", timeout=timeout + 10)

    def pods(self, app):
        """Those that are ready and stay, by name."""
        def is_ready(pod):
            conditions = {one["type"]: one["status"] for one in pod.get("status", {}).get("conditions", [])}
            return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]

        return sorted(pod["metadata"]["name"] for pod in self.get("pods", "-l", f"{APP}={app}")["items"] if is_ready(pod))

    def pod_count(self, app):
        """All of them, those that are about to go too."""
        return len(self.get("pods", "-l", f"{APP}={app}")["items"])

    def scale(self, app, count, timeout=120):
        self.run("scale", f"deployment/{app}", f"--replicas={count}")
        wait_until(lambda: len(self.pods(app)) == count == self.pod_count(app), timeout, 0.5, f"{count} pods of {app}")
        return self.pods(app)

    def delete_pod(self, name, *options):
        self.run("delete", "pod", name, "--wait=false", *options)

    def node_address(self):
        addresses = self.get("nodes")["items"][0]["status"]["addresses"]
        return next(one["address"] for one in addresses if one["type"] == "InternalIP")

    def node_port(self, app):
        """Of the service of that type whose pods are the app's."""
        found = [one["spec"]["ports"][0]["nodePort"] for one in self.get("services")["items"]
                 if one["spec"]["type"] == "NodePort" and one["spec"]["selector"][APP] == app]
        assert len(found) == 1, found
        return found[0]

    @contextlib.contextmanager
    def forward(self, target, port):
        """A port of this machine that leads to the target's."""
        command = [self.program, "-n", self.namespace, "port-forward", target, f":{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            guard = threading.Timer(30, process.kill)
            guard.start()
            try:
                line = process.stdout.readline()
                guard.cancel()
                found = re.match(r"Forwarding from 127\.0\.0\.1:(\d+) ", line)
                assert found, f"{' '.join(command)}: {line or process.stderr.read()}"
                yield int(found.group(1))
            finally:
                guard.cancel()
                process.kill()

    def ops(self, pod, path):
        """What a service's pod says on its ops port. By way of the node: no network policy stands in between."""
        with self.forward(f"pod/{pod}", OPS_PORTS[pod.split("-")[0]]) as port:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                return answer.read().decode()

    def metrics(self, pod):
        """The sum of each metric of a pod, whatever its labels."""
        sums = Counter()
        for name, value in re.findall(r"^(\w+)(?:\{.*\})? ([-+.\de]+)$", self.ops(pod, "/metrics"), re.M):
            sums[name] += float(value)
        return sums

    def label_of_metric(self, pod, metric, label):
        """The label's value in the metric's one line."""
        return re.search(rf'^{metric}\{{.*\b{label}="([^"]*)"', self.ops(pod, "/metrics"), re.M).group(1)

    def usage(self):
        """What each pod takes just now, as kubelet tells it, by name."""
        node = self.get("nodes")["items"][0]["metadata"]["name"]
        pods = json.loads(self.run("get", "--raw", f"/api/v1/nodes/{node}/proxy/stats/summary"))["pods"]
        rows = []
        for pod in pods:
            if pod["podRef"]["namespace"] == self.namespace and pod.get("containers"):
                memory, cpu = (pod["containers"][0].get(name, {}) for name in ("memory", "cpu"))
                rows.append({"pod": pod["podRef"]["name"], "working set MiB": round(memory.get("workingSetBytes", 0) / 2**20, 1),
                             "rss MiB": round(memory.get("rssBytes", 0) / 2**20, 1),
                             "mCPU": round(cpu.get("usageNanoCores", 0) / 1e6)})
        return sorted(rows, key=lambda row: row["pod"])

    def events(self):
        return self.run("get", "events", "--sort-by=.lastTimestamp")
