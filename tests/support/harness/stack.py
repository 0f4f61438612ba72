"""The four services, running."""
import os
import subprocess
from pathlib import Path

from . import webhook
from .client import Client
from .service import Service, clean_environment
from .wait import wait_until

ADMIN = ("admin@example.com", "a password of the tests")


def binary_folder():
    return Path(os.environ["UNREEL_TEST_BIN"])


class Stack:
    """engines is an Embedded or Servers; settings per service as keyword arguments: gateway={...}.

    Each upload is converted (UNREEL_REUSE is off), so that tests can send the same file again."""

    def __init__(self, engines, workdir, converters=1, smtp_url="", binaries=None, **settings):
        self.engines, self.workdir = engines, workdir
        self.binaries = binaries or binary_folder()
        self.settings = settings
        stores = {"UNREEL_BLOBS_URL": engines.blobs_url, "UNREEL_JOBS_URL": engines.jobs_url,
                  "UNREEL_QUEUE_URL": engines.queue_url}
        self.auth = self._make("auth", True, UNREEL_ACCOUNTS_URL=engines.accounts_url, UNREEL_MIGRATE="true",
                               UNREEL_ADMIN_EMAIL=ADMIN[0], UNREEL_ADMIN_PASSWORD=ADMIN[1])
        self.gateway = self._make("gateway", True, UNREEL_AUTH_URL=self.auth.url, UNREEL_REUSE="false", **stores)
        self.converters = [self._make("converter", False, number, UNREEL_LEASE_S=10, **stores)
                           for number in range(converters)]
        self.notifier = self._make("notifier", False, UNREEL_JOBS_URL=engines.jobs_url, UNREEL_QUEUE_URL=engines.queue_url,
                                   UNREEL_SMTP_URL=smtp_url, UNREEL_SMTP_FROM="unreel@example.com",
                                   UNREEL_PUBLIC_URL=self.gateway.url, UNREEL_WEBHOOK_SECRET=webhook.SECRET,
                                   UNREEL_WEBHOOK_ALLOW_PRIVATE="true")

    def _make(self, kind, has_api, number=None, **defaults):
        name = kind if number is None else f"{kind}{number}"
        return Service(self.binaries / f"unreel-{kind}", name, self.workdir, {**defaults, **self.settings.get(kind, {})},
                       has_api)

    @property
    def converter(self):
        return self.converters[0]

    @property
    def services(self):
        return [self.auth, self.gateway, *self.converters, self.notifier]

    def start(self):
        try:
            for service in self.services:
                service.start(wait=False)
            for service in self.services:
                service.wait_ready()
        except BaseException:
            # Nobody stops a stack that never was: what has started must not outlive the run.
            for service in self.services:
                if service.process is not None and service.process.poll() is None:
                    service.kill()
            raise
        return self

    def stop(self):
        """Every service must end in order, and none may have met a sanitizer."""
        failures = []
        for service in reversed(self.services):
            for step in (service.stop, service.check_log):
                try:
                    step()
                except AssertionError as failure:
                    failures.append(str(failure))
        self.engines.remove()
        assert not failures, "\n".join(failures)

    def assert_one_mp3(self, job):
        """The record names one file, and no other attempt's file is left."""
        assert job["state"] == "succeeded", job
        wait_until(lambda: self.engines.blob_ids("mp3s") == {job["mp3_fid"]}, 20,
                   what="the removal of the lost attempt's file")

    def admin(self):
        return Client(self.gateway.url, *ADMIN)

    def add_user(self, address, password="a password of a user"):
        """Makes an account as the operator does, and logs in."""
        self.change_user("add", address, "--password-stdin", text=password + "\n")
        return Client(self.gateway.url, address, password)

    def change_user(self, *arguments, text=None):
        """unreel user ..."""
        env = clean_environment(self.workdir)
        env["UNREEL_ACCOUNTS_URL"] = self.engines.accounts_url
        subprocess.run([self.binaries / "unreel", "user", *arguments], env=env, check=True, input=text, text=True,
                       stdout=subprocess.DEVNULL)
