"""What we write, another GridFS driver reads, and the reverse. Usage: gridfs_interop.py BLOBS_CONTRACT"""
import hashlib
import os
import subprocess
import sys
import uuid

import bson
import gridfs
import pymongo

CHUNK = 261120
SIZES = [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK + 17]
SKIPPED = 77


def run(binary, role, url, file_id, data=b""):
    result = subprocess.run([binary, role, url, "videos", str(file_id)], input=data, stdout=subprocess.PIPE, timeout=60)
    assert result.returncode == 0, f"{role} {file_id}: exit {result.returncode}"
    return result.stdout


def we_write(binary, url, store):
    for size in SIZES:
        data = os.urandom(size)
        file_id = bson.ObjectId()
        run(binary, "put", url, file_id, data)
        with store.get(file_id) as file:
            assert file.read() == data, f"{size} bytes differ"
            assert file.length == size and file.chunk_size == CHUNK
            assert file.metadata["sha256"] == hashlib.sha256(data).hexdigest()
            assert file.metadata["owner"] == "ann@example.org"
            assert file.metadata["contentType"] == "video/mp4"
            if size > 1:
                file.seek(size // 2)
                assert file.read() == data[size // 2:]
        store.delete(file_id)
        assert not store.exists(file_id)


def they_write(binary, url, store):
    for size in SIZES:
        for chunk_size in (CHUNK, 1000, 255 * 1024):
            data = os.urandom(size if chunk_size > 1000 else min(size, 50000))
            file_id = store.put(data, filename="theirs.mp4", chunkSize=chunk_size)
            assert run(binary, "get", url, file_id) == data, f"{size} bytes in chunks of {chunk_size} differ"
            store.delete(file_id)


def check_indexes(database):
    chunks = database["fs.chunks"].index_information()
    assert any(i["key"] == [("files_id", 1), ("n", 1)] and i.get("unique") for i in chunks.values()), chunks
    files = database["fs.files"].index_information()
    assert any(i["key"] == [("filename", 1), ("uploadDate", 1)] for i in files.values()), files


def main():
    server = os.environ.get("UNREEL_TEST_MONGODB_URL")
    if not server:
        print("skipped: UNREEL_TEST_MONGODB_URL is not set")
        return SKIPPED
    prefix = f"i{uuid.uuid4().hex[:8]}_"
    url = f"{server}{'&' if '?' in server else '?'}prefix={prefix}"
    client = pymongo.MongoClient(server)
    try:
        database = client[prefix + "videos"]
        store = gridfs.GridFS(database)
        we_write(sys.argv[1], url, store)
        check_indexes(database)
        they_write(sys.argv[1], url, store)
        for name in ("fs.files", "fs.chunks", "fs.uploads"):
            assert database[name].count_documents({}) == 0, f"{name} is not empty"
    finally:
        client.drop_database(prefix + "videos")
        client.close()
    print("ours read by pymongo, pymongo's read by us")
    return 0


sys.exit(main())
