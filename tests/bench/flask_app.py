"""GET /v1/jobs/<id> as the tutorial's gateway would do it: auth is asked about every token, then the record is read.
Settings: AUTH_URL, JOBS_FILE."""
import os
import sqlite3
import threading

import requests
from flask import Flask, Response, request

app = Flask(__name__)
own = threading.local()


def records():
    """A connection for each thread, as SQLite's module wants it."""
    if not hasattr(own, "base"):
        own.base = sqlite3.connect(os.environ["JOBS_FILE"])
    return own.base


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
