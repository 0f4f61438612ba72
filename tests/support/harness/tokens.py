"""Tokens that are almost right."""
import base64
import json
import subprocess


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def altered(token, changes):
    """Head and claims of a token, some claims changed; not signed."""
    head, claims, _ = token.split(".")
    body = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return f"{head}.{base64url(json.dumps({**body, **changes}).encode())}"


def signature(text, key):
    """ES256 by openssl: its DER holds the two numbers that a token wants side by side."""
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], input=text.encode(), capture_output=True, check=True).stdout
    r_len = der[3]
    r, s = der[4:4 + r_len], der[6 + r_len:]
    return base64url(b"".join(int.from_bytes(number, "big").to_bytes(32, "big") for number in (r, s)))
