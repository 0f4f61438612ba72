"""Waiting, with an end."""
import time


def wait_until(condition, timeout=30.0, every=0.05, what="the condition"):
    """Returns the first true value of condition(); fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true within {timeout} s")
        time.sleep(every)
