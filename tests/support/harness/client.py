"""A client of the HTTP API, as thin as curl."""
import requests

from .wait import wait_until

FINAL = ("succeeded", "failed", "cancelled")
TIMEOUT_S = 60


def problem_of(answer):
    """The slug of a problem answer."""
    assert answer.headers["Content-Type"].startswith("application/problem+json"), answer.text
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["title"]
    return body["type"].removeprefix("urn:unreel:problem:")


class Client:
    def __init__(self, url, email=None, password=None):
        self.url = url
        self.session = requests.Session()
        if email is not None:
            self.login(email, password)

    def login(self, email, password):
        answer = requests.post(self.url + "/login", auth=(email, password), timeout=TIMEOUT_S)
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.text.strip()}"

    @property
    def token(self):
        return self.session.headers["Authorization"].split()[1]

    def get(self, path, **kwargs):
        return self.session.get(self.url + path, timeout=TIMEOUT_S, **kwargs)

    def post(self, path, **kwargs):
        return self.session.post(self.url + path, timeout=TIMEOUT_S, **kwargs)

    def delete(self, path, **kwargs):
        return self.session.delete(self.url + path, timeout=TIMEOUT_S, **kwargs)

    def upload_form(self, path, name=None, fields=None):
        """POST /upload, as a browser or curl -F does; the answer, whatever it is."""
        with open(path, "rb") as file:
            return self.post("/upload", files={"file": (name or path.name, file, "video/mp4")}, data=fields)

    def upload_raw(self, body, **options):
        """POST /v1/jobs with the file as the body."""
        if hasattr(body, "read_bytes"):
            body = body.read_bytes()
        return self.post("/v1/jobs", data=body, params=options, headers={"Content-Type": "video/mp4"})

    def submit(self, path, **options):
        """Uploads and expects to be accepted; the job."""
        answer = self.upload_raw(path, filename=getattr(path, "name", "x"), **options)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job_id):
        answer = self.get(f"/v1/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_state(self, job_id, states, timeout=60):
        def reached():
            job = self.job(job_id)
            return job if job["state"] in states else None

        return wait_until(reached, timeout, what=f"{job_id} {states}")

    def wait_job(self, job_id, timeout=60):
        """The job once it is final."""
        return self.wait_state(job_id, FINAL, timeout)

    def convert(self, path, timeout=60, **options):
        """Uploads, waits, expects success; the job."""
        job = self.wait_job(self.submit(path, **options)["id"], timeout)
        assert job["state"] == "succeeded", job
        return job

    def download(self, fid, **headers):
        return self.get("/download", params={"fid": fid}, headers=headers)
