"""Whole files that no record names, because somebody was killed in between: they go when they are old, and no others."""
import threading

import pytest
import requests
from harness import media
from harness.wait import wait_until

DAY_S = 86400
SWEPT_S = 25 + 2 * 15 + 30  # the first sweep begins by then, and looks twice into each bucket


@pytest.fixture
def stack(make_stack):
    """Its gateway and its converter can be held up on their way to the job store."""
    own = make_stack(start=False, gateway={"UNREEL_REUSE": None})
    for name in ("gateway", "converter"):
        getattr(own, name).settings["UNREEL_JOBS_URL"] = own.engines.held_up_jobs_url(name)
    own.start()
    yield own


def new_blob(stack, bucket, known):
    fid, = wait_until(lambda: stack.engines.committed_ids(bucket) - known, 30, what=f"a new file among the {bucket}")
    return fid


def killed_gateway_leaves(stack, user):
    """It dies when the upload is whole and not yet in a record."""
    known = stack.engines.committed_ids("videos")

    def upload():
        with pytest.raises(requests.RequestException):
            user.upload_raw(media.clip("wav"))

    sender = threading.Thread(target=upload, daemon=True)
    with stack.engines.jobs_held_up("gateway"):
        sender.start()
        fid = new_blob(stack, "videos", known)
        stack.gateway.kill()
    sender.join(30)
    stack.gateway.start()
    return fid


def killed_converter_leaves(stack, user):
    """It dies when the MP3 is whole and the job has not ended; another attempt makes another MP3."""
    known = stack.engines.committed_ids("mp3s")
    with stack.engines.jobs_held_up("converter"):
        job = user.submit(media.clip("wav"))
        fid = new_blob(stack, "mp3s", known)
        stack.converter.kill()
    stack.converter.start()
    done = user.wait_job(job["id"], 60)
    assert done["state"] == "succeeded" and done["attempt"] == 2 and done["mp3_fid"] != fid
    return fid, done


def test_what_no_record_names_goes(stack):
    engines, user = stack.engines, stack.admin()
    with open(media.clip("mp4"), "rb") as file:
        cover = media.make("cover", "png", ["-f", "lavfi", "-i", "color=red:size=64x64", "-frames:v", "1"]).read_bytes()
        with_cover = user.post("/upload", files=[("file", ("a.mp4", file, "video/mp4")), ("cover", ("c.png", cover, "image/png"))],
                               data={"cover": "upload"}).json()
    first = user.wait_job(with_cover["id"])
    shared = user.convert(media.clip("m4a"))
    second = user.upload_raw(media.clip("m4a")).json()
    assert second["same_as"] == shared["id"] and second["mp3_fid"] == shared["mp3_fid"]
    video = killed_gateway_leaves(stack, user)
    mp3, again = killed_converter_leaves(stack, user)
    removed = user.convert(media.clip("mkv"))
    engines.remove_record(removed["id"])  # who deleted it was killed before he came to its files
    engines.remove_record(shared["id"])  # its MP3 has another record
    young = user.convert(media.clip("webm"))
    engines.remove_record(young["id"])
    stack.gateway.stop()
    for bucket in ("videos", "mp3s"):
        for fid in engines.committed_ids(bucket) - {young["video_fid"], young["mp3_fid"]}:
            engines.age_blob(bucket, fid, DAY_S + 60)
    strays = {"videos": {video, removed["video_fid"], shared["video_fid"]}, "mp3s": {mp3, removed["mp3_fid"]}}
    kept = {bucket: engines.blob_ids(bucket) - fids for bucket, fids in strays.items()}
    assert len(kept["videos"]) == 5 and len(kept["mp3s"]) == 4

    stack.gateway.start()
    for bucket, fids in strays.items():
        wait_until(lambda: not engines.blob_ids(bucket) & fids, SWEPT_S, 0.5, f"the removal of {fids} from the {bucket}")
    wait_until(lambda: stack.gateway.metric("unreel_orphans_removed_total") == 5, 20)
    assert {bucket: engines.blob_ids(bucket) for bucket in strays} == kept
    assert stack.gateway.metric("unreel_orphans_left") == 0
    lines = [line["msg"] for line in stack.gateway.logs() if "no job's record names it" in line["msg"]]
    assert len(lines) == 5
    for fid in strays["videos"] | strays["mp3s"]:
        assert any(fid in line for line in lines), lines
    user = stack.admin()
    for job in (first, second, again):
        assert user.download(job["mp3_fid"]).status_code == 200
