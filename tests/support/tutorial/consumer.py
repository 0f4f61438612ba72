"""A notification service as the tutorial's: prints who would get a mail about which file."""
import json

from common import consume


def notify(_, body):
    message = json.loads(body)
    print(f"mail to {message['username']}: mp3 file_id: {message['mp3_fid']} is now ready!", flush=True)


consume("mp3", notify)
