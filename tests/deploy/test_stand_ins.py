"""The stand-ins: MongoDB's as a member of a replica set, by its mongosh and by a driver that looks for the set; where
MySQL's keeps its data."""
import os
import shutil
import socket
import subprocess
import time

import pymongo
import pytest
import support
from support import ROOT, output

IMAGES = ROOT / "k8s" / "overlays" / "local" / "images"
FOLDER = IMAGES / "mongodb"
# Those of the tests, fetched once.
JARS = f"""root={ROOT}; . {ROOT}/tests/support/servers/common.sh; . {ROOT}/tests/support/servers/mongodb.sh
mongodb_jars; echo "$cache" """


class Member:
    def __init__(self, folder, jars):
        self.folder, self.jars = folder, jars
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = found.getsockname()[1]
        self.name = f"127.0.0.1:{self.port}"

    def __enter__(self):
        self.process = subprocess.Popen(["java", "-cp", f"{self.jars}:{self.jars}/*", "MongoStandIn", self.folder / "store.mv",
                                         str(self.port), "127.0.0.1", "rs0"])
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return self
            except ConnectionRefusedError:
                assert self.process.poll() is None
                time.sleep(0.1)
        raise TimeoutError

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def mongosh(self, script):
        return subprocess.run([FOLDER / "mongosh", "--quiet", "--port", str(self.port), "--eval", script], check=False,
                              capture_output=True, timeout=30).returncode


@pytest.fixture(scope="module", name="jars")
def fixture_jars():
    if not shutil.which("javac"):
        pytest.skip("NO JAVA: the stand-in for MongoDB is not tested")
    return output("bash", "-c", JARS, env={"HOME": os.environ["HOME"]}).strip()


def probe():
    """Of the manifests: what initiates the set."""
    objects = support.manifests("overlays/minikube")
    pod = next(support.pod_of(found) for found in support.of_kind(objects, "StatefulSet") if support.name_of(found) == "mongodb")
    return pod["containers"][0]["startupProbe"]["exec"]["command"]


def test_a_set_of_one(tmp_path, jars):
    command = probe()
    assert command[:3] == ["mongosh", "--quiet", "--eval"]
    with Member(tmp_path, jars) as member:
        assert member.mongosh("if (!db.hello().isWritablePrimary) quit(1)") != 0
        script = command[3].replace("mongodb-0.mongodb:27017", member.name)
        assert member.name in script
        assert member.mongosh(script) == 0
        client = pymongo.MongoClient(f"mongodb://{member.name}/?replicaSet=rs0", serverSelectionTimeoutMS=5000)
        assert client.admin.command("replSetGetStatus")["members"][0]["name"] == member.name
        client.test.get_collection("things", write_concern=pymongo.WriteConcern("majority", j=True)).insert_one({"_id": 1})
        with pytest.raises(pymongo.errors.OperationFailure):
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [{"_id": 0, "host": "elsewhere:1"}]})
    with Member(tmp_path, jars) as again:
        # Its name in the set is the one that it was initiated with, as with the original.
        assert again.mongosh("if (!db.hello().isWritablePrimary) quit(1)") == 0
        assert again.mongosh(script) == 0
        client = pymongo.MongoClient(f"mongodb://127.0.0.1:{again.port}/?directConnection=true")
        assert client.admin.command("isMaster")["hosts"] == [member.name]
        assert client.test.things.find_one() == {"_id": 1}


SERVER = """#!/bin/bash
echo "$0 $*" >>"$LOG"
case $0 in
*/mariadb-install-db) for word; do [ "${word#--datadir=}" = "$word" ] || mkdir -p "${word#*=}/mysql"; done ;;
*/mysqld) if [[ $* = *--skip-networking* ]]; then trap 'exit 0' TERM; while sleep 0.1; do :; done; fi ;;
*/mysql) cat >/dev/null ;;
esac
"""


def test_mysql_keeps_its_data_where_the_manifests_say(tmp_path):
    """As the original does: in the folder of --datadir, which need not be there, whatever lies beside it."""
    programs, log, root = (tmp_path / name for name in ("bin", "log", "volume"))
    programs.mkdir()
    for name in ("mariadb-install-db", "mysqld", "mysqladmin", "mysql"):
        (programs / name).write_text(SERVER)
        (programs / name).chmod(0o755)
    (root / "lost+found").mkdir(parents=True)
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "LOG": log, "MYSQL_ROOT_PASSWORD": "x"}
    for _ in range(2):
        output(IMAGES / "mysql" / "docker-entrypoint.sh", f"--datadir={root}/data", env=env)
        assert sorted(path.name for path in root.iterdir()) == ["data", "lost+found"]
        assert [path.name for path in (root / "data").iterdir()] == ["mysql"]
        assert f"/mysqld --datadir={root}/data " in log.read_text().splitlines()[-1]
    assert log.read_text().count("mariadb-install-db") == 1


def test_mongosh_fails_where_nobody_answers(tmp_path, jars):
    assert Member(tmp_path, jars).mongosh("db.hello()") != 0
