"""A converter as the tutorial's: takes "video", makes the MP3 in a temporary file, tells "mp3"."""
import json
import subprocess
import tempfile

from bson.objectid import ObjectId
from common import bucket, consume, publish

videos, mp3s = bucket("videos"), bucket("mp3s")


def convert(ch, body):
    message = json.loads(body)
    with tempfile.NamedTemporaryFile(suffix=".mp4") as video, tempfile.NamedTemporaryFile(suffix=".mp3") as mp3:
        video.write(videos.get(ObjectId(message["video_fid"])).read())
        video.flush()
        subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", video.name, "-vn", "-b:a", "128k", mp3.name], check=True)
        message["mp3_fid"] = str(mp3s.put(mp3.read()))
    publish(ch, "mp3", json.dumps(message))


consume("video", convert)
