"""A real SMTP server that keeps what it got, and can be told to refuse."""
import email
import email.policy
import ssl
import subprocess
import threading

from aiosmtpd.controller import Controller

from .ports import free_port
from .wait import wait_until


def certificate(folder):
    """A self-signed certificate for localhost: its file and its key's."""
    cert, key = folder / "cert.pem", folder / "key.pem"
    if not cert.exists():
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
                       check=True, capture_output=True)
    return cert, key


class MailServer:
    """handle_DATA is called in aiosmtpd's thread, the rest by the test."""

    def __init__(self, tls_folder=None, port=None):
        self.port = port or free_port()
        self.lock = threading.Lock()
        self.received = []
        self.attempts = 0
        self.reply = "250 OK"
        options = {}
        if tls_folder is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(*map(str, certificate(tls_folder)))
            options = {"tls_context": context, "require_starttls": True}
        self.controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        self.controller.start()

    @property
    def url(self):
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server, session, envelope):
        with self.lock:
            self.attempts += 1
            if self.reply.startswith("250"):
                message = email.message_from_bytes(envelope.original_content or envelope.content, policy=email.policy.default)
                self.received.append((envelope.rcpt_tos, message, session.ssl is not None))
        return self.reply

    def mails_about(self, text):
        """Mails that name the text in their subject or body."""
        with self.lock:
            return [mail for _, mail, _ in self.received
                    if text in str(mail["subject"]) or text in mail.get_body(("plain",)).get_content()]

    def wait_mail(self, text, timeout=30):
        return wait_until(lambda: self.mails_about(text), timeout, what=f"a mail about {text}")[0]

    def stop(self):
        self.controller.stop()
