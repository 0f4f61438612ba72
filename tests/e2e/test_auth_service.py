"""unreel-auth alone, as a process: logins, tokens, keys, accounts, on SQLite and on MySQL."""
import base64
import json
import os
import secrets
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from harness.service import Service, clean_environment

ADMIN = ("root@example.com", "a password of the tests")
BINARY = "unreel-auth"


def mysql(statement):
    url = urlsplit(os.environ["UNREEL_TEST_MYSQL_URL"])
    where = ["-h", url.hostname, "-P", str(url.port or 3306), "-u", url.username]
    if url.password:
        where.append(f"-p{url.password}")
    return subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", "-N", *where, "-e", statement], check=True,
                          capture_output=True, text=True).stdout


@pytest.fixture
def accounts_url(engines, tmp_path):
    """An empty place for accounts; on MySQL not even the database is there."""
    if engines == "embedded":
        yield f"sqlite:{tmp_path}/accounts.db"
        return
    if not os.environ.get("UNREEL_TEST_MYSQL_URL"):
        pytest.skip("SERVERS NOT TESTED: UNREEL_TEST_MYSQL_URL not set (scripts/servers.sh starts them)")
    name = f"unreel_auth_{secrets.token_hex(6)}"
    yield os.environ["UNREEL_TEST_MYSQL_URL"].rstrip("/") + "/" + name
    mysql(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def make_auth(accounts_url, tmp_path):
    """Makes an unreel-auth on these accounts; all are stopped and their logs checked."""
    made = []

    def make(**settings):
        binary = Path(os.environ["UNREEL_TEST_BIN"]) / BINARY
        defaults = {"UNREEL_ACCOUNTS_URL": accounts_url, "UNREEL_ADMIN_EMAIL": ADMIN[0],
                    "UNREEL_ADMIN_PASSWORD": ADMIN[1], "UNREEL_MIGRATE": "true"}
        service = Service(binary, f"auth{len(made)}", tmp_path, {**defaults, **settings}, True)
        made.append(service)
        return service

    yield make
    for service in made:
        service.stop()
        service.check_log()


@pytest.fixture
def auth(make_auth):
    return make_auth().start()


@pytest.fixture
def command(accounts_url, tmp_path):
    """Runs unreel-auth with a command; only the URL of the accounts is set."""
    def run(*arguments, text=None, code=0, **settings):
        env = {**clean_environment(tmp_path), "UNREEL_ACCOUNTS_URL": accounts_url, **settings}
        done = subprocess.run([Path(os.environ["UNREEL_TEST_BIN"]) / BINARY, *arguments], env=env, input=text,
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    return run


def login(service, credentials=ADMIN, **headers):
    return requests.post(f"{service.url}/login", auth=credentials, headers=headers, timeout=30)


def validate(service, token):
    return requests.post(f"{service.url}/validate", headers={"Authorization": f"Bearer {token}"}, timeout=30)


def jwks(service):
    return requests.get(f"{service.url}/.well-known/jwks.json", timeout=30)


def problem(answer, status, slug):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["type"] == f"urn:unreel:problem:{slug}"
    return body


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_login_and_validate(auth):
    answer = login(auth)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain")
    token = answer.text
    assert part(token, 0)["alg"] == "ES256"
    claims = part(token, 1)
    assert claims["username"] == ADMIN[0] and claims["admin"] is True
    assert claims["exp"] - claims["iat"] == 900

    answer = validate(auth, token)
    assert answer.status_code == 200
    told = json.loads(answer.text)  # as the tutorial's gateway reads it
    assert (told["username"], told["admin"], told["exp"]) == (ADMIN[0], True, claims["exp"])

    answer = login(auth, Accept="application/json")
    assert set(answer.json()) == {"token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "Bearer" and answer.json()["expires_in"] == 900
    assert validate(auth, answer.json()["token"]).status_code == 200
    assert token not in auth.log_text()


def test_the_tutorials_gateway(auth):
    """Its access.py, word for word: Basic to /login, the Authorization header handed on to /validate."""
    answer = requests.post(f"{auth.url}/login", auth=ADMIN)
    assert answer.status_code == 200
    answer = requests.post(f"{auth.url}/validate", headers={"Authorization": f"Bearer {answer.text}"})
    assert answer.status_code == 200
    assert json.loads(answer.text)["admin"]
    assert requests.post(f"{auth.url}/login", auth=("", "")).status_code == 401
    assert requests.post(f"{auth.url}/validate", headers={"Authorization": "x y z"}).status_code == 401


def test_refusals(auth):
    wrong = login(auth, (ADMIN[0], "not the password"))
    unknown = login(auth, ("nobody@example.com", "not the password"))
    problem(wrong, 401, "unauthenticated")
    assert wrong.headers["WWW-Authenticate"].startswith("Basic ")
    bodies = [{k: v for k, v in answer.json().items() if k != "trace_id"} for answer in (wrong, unknown)]
    assert bodies[0] == bodies[1]
    names = [sorted(k for k in answer.headers if k not in ("Date", "X-Request-Id")) for answer in (wrong, unknown)]
    assert names[0] == names[1]

    problem(requests.post(f"{auth.url}/login", timeout=10), 401, "unauthenticated")
    problem(requests.post(f"{auth.url}/login", headers={"Authorization": "Basic !!!"}, timeout=10), 401, "unauthenticated")
    problem(requests.get(f"{auth.url}/login", timeout=10), 405, "method-not-allowed")
    problem(requests.get(f"{auth.url}/nothing", timeout=10), 404, "not-found")

    token = login(auth).text
    head, body, signature = token.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": part(token, 0)["kid"]}).encode()).decode().rstrip("=")
    for forged in (f"{head}.{body}.", f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}.{'A' * 86}",
                   f"{head}.{body}.{signature}.x", "x", "a" * 5000):
        problem(validate(auth, forged), 401, "token-invalid")
    answer = requests.post(f"{auth.url}/validate", timeout=10)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")

    # Every outcome is in the log, the address masked, no password.
    log = auth.log_text()
    assert "r…@example.com" in log and "n…@example.com" in log and "denied" in log
    assert ADMIN[0] not in log and "not the password" not in log and ADMIN[1] not in log
    assert auth.metric("unreel_auth_logins_total") >= 3
    assert auth.metric("unreel_http_requests_total") >= 10


def test_lock_of_an_account_outlives_a_restart(make_auth):
    auth = make_auth(UNREEL_LOGIN_ACCOUNT_FAILURES=3).start()
    for _ in range(3):
        problem(login(auth, (ADMIN[0], "wrong")), 401, "unauthenticated")
    answer = login(auth)
    problem(answer, 429, "too-many-requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 1
    time.sleep(1.1)
    problem(login(auth, (ADMIN[0], "wrong")), 401, "unauthenticated")  # now 2 s
    time.sleep(2.1)
    problem(login(auth, (ADMIN[0], "wrong")), 401, "unauthenticated")  # now 4 s
    auth.restart()
    problem(login(auth), 429, "too-many-requests")
    time.sleep(4.1)
    assert login(auth).status_code == 200
    for _ in range(2):
        problem(login(auth, (ADMIN[0], "wrong")), 401, "unauthenticated")
    assert login(auth).status_code == 200


def test_lock_of_an_address(make_auth):
    auth = make_auth(UNREEL_LOGIN_ADDRESS_FAILURES=4).start()
    other = {"X-Forwarded-For": "203.0.113.7"}
    for number in range(4):
        problem(login(auth, (f"user{number}@example.com", "wrong"), **other), 401, "unauthenticated")
    problem(login(auth, **other), 429, "too-many-requests")
    assert login(auth, **{"X-Forwarded-For": "203.0.113.8"}).status_code == 200
    assert login(auth).status_code == 200
    # A client cannot choose its address: what it wrote stands before what the gateway adds.
    problem(login(auth, **{"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}), 429, "too-many-requests")

    strict = make_auth(UNREEL_LOGIN_ADDRESS_FAILURES=4, UNREEL_TRUSTED_PROXIES="10.0.0.0/8").start()
    assert login(strict, **other).status_code == 200  # nobody's word is taken: it is 127.0.0.1


def test_many_logins_at_once(make_auth):
    """All get in, or are told to come back; nothing else happens."""
    auth = make_auth(UNREEL_HASH_SLOTS=1, UNREEL_HASH_QUEUE=2).start()
    codes = []

    def work():
        codes.append(login(auth).status_code)

    threads = [threading.Thread(target=work) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 503} and codes.count(200) >= 3, codes
    assert login(auth).status_code == 200


def test_two_processes_share_everything(make_auth):
    one, two = make_auth().start(wait=False), make_auth().start(wait=False)
    one.wait_ready()
    two.wait_ready()
    assert jwks(one).json() == jwks(two).json()
    assert validate(two, login(one).text).status_code == 200
    assert validate(one, login(two).text).status_code == 200


def test_rotation(make_auth, command):
    one = make_auth().start()
    before = jwks(one)
    assert before.headers["Cache-Control"] == "public, max-age=300"
    token = login(one).text
    assert "signs from" in command("rotate-key")
    assert "already" in command("rotate-key", code=1)
    one.restart()
    two = make_auth().start()
    after = jwks(one).json()["keys"]
    assert len(after) == 2 and before.json()["keys"][0] in after
    assert jwks(two).json()["keys"] == after
    assert all(set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in after)  # nothing private
    # The new one is published, and does not sign yet.
    assert part(login(two).text, 0)["kid"] == part(token, 0)["kid"]
    assert validate(two, token).status_code == 200


def test_fixed_key(make_auth, tmp_path):
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"], check=True,
                         capture_output=True).stdout
    path = tmp_path / "key.pem"
    path.write_bytes(pem)
    auth = make_auth(UNREEL_SIGNING_KEY_FILE=path).start()
    keys = jwks(auth).json()["keys"]
    assert len(keys) == 1
    token = login(auth).text
    auth.restart()
    assert jwks(auth).json()["keys"] == keys
    assert validate(auth, token).status_code == 200


def test_accounts_by_command(make_auth, command):
    command("migrate")
    assert "password:" in command("user", "add", "Ann@Example.org")
    made = json.loads(command("user", "add", "bob@example.org", "--admin", "--json"))
    assert made["email"] == "bob@example.org" and made["admin"] is True
    out = command("user", "add", "cy@example.org", "--password-stdin", text="a password of cy\n")
    assert "password of" not in out
    assert "already" in command("user", "add", "ANN@example.org", code=1)
    assert "e-mail" in command("user", "add", "nobody", code=1)
    assert "common" in command("user", "add", "d@example.org", "--password-stdin", text="password1\n", code=1)
    assert "8 to 128" in command("user", "add", "d@example.org", "--password-stdin", text="x" * 129 + "\n", code=1)
    for wrong in (("user",), ("user", "add"), ("user", "list", "--admin"), ("user", "add", "a@b.c", "d@e.f"),
                  ("user", "frobnicate"), ("migrate", "now"), ("migrate", "--wait"), ("migrate", "--wait", "long")):
        assert "usage" in command(*wrong, code=2)
    listed = json.loads(command("user", "list", "--json"))
    assert [(row["email"], row["admin"], row["disabled"]) for row in listed] == [
        ("Ann@example.org", False, False), ("bob@example.org", True, False), ("cy@example.org", False, False)]
    assert "cy@example.org" in command("user", "list")

    auth = make_auth(UNREEL_ADMIN_EMAIL="", UNREEL_ADMIN_PASSWORD="").start()
    bob = login(auth, ("BOB@example.org", made["password"]))
    assert bob.status_code == 200 and part(bob.text, 1)["admin"] is True
    cy = login(auth, ("cy@example.org", "a password of cy"))
    assert cy.status_code == 200 and part(cy.text, 1)["admin"] is False

    command("user", "password", "bob@example.org", "--password-stdin", text="another one of bob")
    problem(login(auth, ("bob@example.org", made["password"])), 401, "unauthenticated")
    assert login(auth, ("bob@example.org", "another one of bob")).status_code == 200

    command("user", "disable", "bob@example.org")
    problem(login(auth, ("bob@example.org", "another one of bob")), 401, "unauthenticated")
    problem(validate(auth, bob.text), 403, "forbidden")
    command("user", "enable", "bob@example.org")
    assert login(auth, ("bob@example.org", "another one of bob")).status_code == 200
    command("user", "remove", "cy@example.org")
    problem(validate(auth, cy.text), 401, "token-invalid")
    assert "no such account" in command("user", "remove", "cy@example.org", code=1)


@pytest.mark.servers
def test_migrate_waits_for_a_user_of_its_own(make_auth, accounts_url):
    """What a new cluster does: the server and its users come late; who serves may not change the schema."""
    parts = urlsplit(accounts_url)
    database = parts.path[1:]
    owner, server = f"owner_{database[-12:]}", f"serve_{database[-12:]}"

    def url_of(user):
        return f"mysql://{user}:its-password@{parts.hostname}:{parts.port or 3306}/{database}"

    command = [Path(os.environ["UNREEL_TEST_BIN"]) / BINARY, "migrate", "--wait", "60"]
    env = {"PATH": "/usr/bin:/bin", "UNREEL_ACCOUNTS_URL": url_of(owner)}
    with subprocess.Popen(command, env=env, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as migrate:
        try:
            assert "waiting" in migrate.stderr.readline()
            mysql(f"CREATE USER '{owner}'@'%' IDENTIFIED BY 'its-password'; GRANT ALL ON {database}.* TO '{owner}'@'%'; "
                  f"CREATE USER '{server}'@'%' IDENTIFIED BY 'its-password'; "
                  f"GRANT SELECT, INSERT, UPDATE, DELETE ON {database}.* TO '{server}'@'%'")
            out, err = migrate.communicate(timeout=30)
            assert migrate.returncode == 0 and "up to date" in out, err
            auth = make_auth(UNREEL_ACCOUNTS_URL=url_of(server), UNREEL_MIGRATE="false").start()
            assert login(auth).status_code == 200
        finally:
            migrate.kill()
            mysql(f"DROP USER IF EXISTS '{owner}'@'%', '{server}'@'%'")


def test_migrate_does_not_wait_for_ever(command):
    began = time.monotonic()
    said = command("migrate", "--wait", "1", code=1, UNREEL_ACCOUNTS_URL="mysql://unreel:x@127.0.0.1:9/unreel")
    assert "waiting" in said and time.monotonic() - began >= 1


@pytest.mark.servers
def test_schema_behind(make_auth, command):
    """Without UNREEL_MIGRATE the service runs no DDL: it waits for the command."""
    auth = make_auth(UNREEL_MIGRATE="false")
    auth.start(wait=False)
    mysql(f"CREATE DATABASE {auth.settings['UNREEL_ACCOUNTS_URL'].rsplit('/', 1)[1]}")

    def detail():
        try:
            answer = auth.ops("/readyz")
        except requests.RequestException:
            return ""
        details = answer.json().get("details", {})
        return details.get("accounts", {}).get("detail", "") if answer.status_code == 503 else ""

    deadline = time.monotonic() + 30
    while "run unreel-auth migrate" not in detail():
        assert time.monotonic() < deadline, auth.tail()
        time.sleep(0.1)
    assert auth.ops("/livez").status_code == 200
    problem(login(auth), 503, "unavailable")
    problem(jwks(auth), 503, "unavailable")
    assert "behind" in command("user", "list", code=1)
    command("migrate")
    auth.wait_ready()
    assert login(auth).status_code == 200


@pytest.mark.servers
def test_dropped_connections(auth):
    assert login(auth).status_code == 200
    database = auth.settings["UNREEL_ACCOUNTS_URL"].rsplit("/", 1)[1]
    rows = mysql(f"SELECT id FROM information_schema.processlist WHERE db = '{database}'").split()
    assert rows
    for row in rows:
        mysql(f"KILL {row}")
    assert login(auth).status_code == 200


def test_wrong_settings(make_auth, accounts_url):
    for wrong in ({"UNREEL_ADMIN_PASSWORD": "short"}, {"UNREEL_ADMIN_PASSWORD": "password1"},
                  {"UNREEL_ADMIN_EMAIL": "root"}, {"UNREEL_SIGNING_KEY": "no key"},
                  {"UNREEL_TRUSTED_PROXIES": "localhost"}, {"UNREEL_TOKEN_LIFE_S": "59"},
                  {"UNREEL_ACCOUNTS_URL": "postgres://x/y"}, {"UNREEL_ACCOUNTS_URL": "mysql://h/db?ssl=1"}):
        service = make_auth(**wrong)
        service.start(wait=False)
        assert service.wait_exit(30) in (1, 2), wrong
        if "ADMIN_PASSWORD" in list(wrong)[0]:
            assert list(wrong.values())[0] not in service.log_text()
