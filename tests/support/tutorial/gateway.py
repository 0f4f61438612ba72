"""A gateway as the tutorial's: gateway.py PORT."""
import json
import os
import sys

import requests
from bson.objectid import ObjectId
from common import bucket, channel, publish
from flask import Flask, request, send_file

server = Flask(__name__)
videos, mp3s = bucket("videos"), bucket("mp3s")
messages = channel()


def claims():
    """What auth says about the caller's token, or None."""
    answer = requests.post(os.environ["AUTH_URL"] + "/validate", timeout=30,
                           headers={"Authorization": request.headers.get("Authorization", "")})
    return json.loads(answer.text) if answer.status_code == 200 else None


@server.post("/login")
def login():
    basic = request.authorization
    if not basic:
        return "missing credentials", 401
    answer = requests.post(os.environ["AUTH_URL"] + "/login", auth=(basic.username, basic.password), timeout=30)
    return answer.text, answer.status_code


@server.post("/upload")
def upload():
    access = claims()
    if not access or not access["admin"]:
        return "not authorized", 401
    if len(request.files) != 1:
        return "exactly 1 file required", 400
    for file in request.files.values():
        fid = videos.put(file)
        publish(messages, "video", json.dumps({"video_fid": str(fid), "mp3_fid": None, "username": access["username"]}))
    return "success!", 200


@server.get("/download")
def download():
    access = claims()
    if not access or not access["admin"]:
        return "not authorized", 401
    return send_file(mp3s.get(ObjectId(request.args["fid"])), download_name="out.mp3")


server.run("127.0.0.1", int(sys.argv[1]))
