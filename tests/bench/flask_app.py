"""GET /v1/jobs/<id> as the tutorial's gateway would do it: auth is asked about every token, then the record is read.
Settings: AUTH_URL, JOBS_FILE."""
import os
import sqlite3

import requests
from flask import Flask, Response, request

app = Flask(__name__)
base = None


def records():
    global base
    if base is None:
        base = sqlite3.connect(os.environ["JOBS_FILE"])
        base.execute("CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, body TEXT)")
    return base


def validate(authorization):
    """A new connection each time, as there; a second try, for the ports of a loopback that is hammered run short."""
    for last_try in (False, True):
        try:
            return requests.post(os.environ["AUTH_URL"] + "/validate", timeout=10, headers={"Authorization": authorization})
        except requests.ConnectionError:
            if last_try:
                raise
    return None


@app.get("/v1/jobs/<job_id>")
def job(job_id):
    answer = validate(request.headers.get("Authorization", ""))
    if answer.status_code != 200:
        return "not authorized", 401
    found = records().execute("SELECT body FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return Response(found[0], mimetype="application/json") if found else ("not found", 404)
