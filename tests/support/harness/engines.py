"""Where a stack keeps its things: in a folder (embedded), or on three servers under names of its own."""
import contextlib
import datetime
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
import time
from urllib.parse import urlsplit

import gridfs
import pika
import pymongo
from bson import ObjectId

from .proxy import Proxy

# The state that each service's records must not come into, when it is held up.
HELD_UP = {"gateway": "queued", "converter": "succeeded"}
VARIABLES = ("UNREEL_TEST_MYSQL_URL", "UNREEL_TEST_AMQP_URL", "UNREEL_TEST_MONGODB_URL")


def missing_servers():
    return [name for name in VARIABLES if not os.environ.get(name)]


def join_query(url, query):
    return url + ("&" if "?" in url else "?") + query


class Embedded:
    name = "embedded"

    def __init__(self, folder):
        self.folder = folder
        self.accounts_url = f"sqlite:{folder}/accounts.db"
        self.blobs_url = f"file:{folder}/files"
        self.jobs_url = f"sqlite:{folder}/jobs.db"
        self.queue_url = f"sqlite:{folder}/queue.db"

    def blob_ids(self, bucket):
        """Committed blobs and half-written ones."""
        folder = self.folder / "files" / bucket
        names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        return {name.split(".")[0] for name in names if not name.startswith(".")}

    def committed_ids(self, bucket):
        folder = self.folder / "files" / bucket
        return {path.name for path in folder.iterdir() if "." not in path.name} if folder.is_dir() else set()

    def age_blob(self, bucket, fid, seconds):
        """As if it had been committed so long ago."""
        then = time.time() - seconds
        os.utime(self.folder / "files" / bucket / f"{fid}.json", (then, then))

    def blob_bytes(self, bucket, fid):
        return (self.folder / "files" / bucket / fid).read_bytes()

    def remove_blob(self, bucket, fid):
        for path in (self.folder / "files" / bucket).glob(f"{fid}*"):
            path.unlink()

    def held_up_jobs_url(self, _service):
        return self.jobs_url

    @contextlib.contextmanager
    def jobs_held_up(self, service):
        """It cannot store what it is there for; it waits, or tries again."""
        state = HELD_UP[service]
        base = sqlite3.connect(self.folder / "jobs.db", timeout=20, isolation_level=None)
        base.execute("BEGIN IMMEDIATE" if state == "queued" else
                     f"CREATE TRIGGER held_up BEFORE UPDATE ON jobs WHEN new.state = '{state}' AND old.state <> '{state}' "
                     "BEGIN SELECT RAISE(ABORT, 'held up'); END")
        try:
            yield
        finally:
            base.execute("ROLLBACK" if state == "queued" else "DROP TRIGGER held_up")
            base.close()

    def remove_record(self, job_id):
        """Its files stay."""
        base = sqlite3.connect(self.folder / "jobs.db", timeout=20)
        with base:
            base.execute("PRAGMA foreign_keys = ON")
            base.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        base.close()

    def _queue(self):
        return sqlite3.connect(self.folder / "queue.db", timeout=20, isolation_level=None)

    def put_raw(self, queue, body):
        base = self._queue()
        base.execute("INSERT INTO queue_messages (queue, body, traceparent, visible_at) VALUES (?, ?, '', ?)",
                     (queue, body, int(time.time() * 1000)))
        base.close()

    def dead_count(self, queue):
        base = self._queue()
        count, = base.execute("SELECT count(*) FROM queue_messages WHERE queue = ? AND dead_reason IS NOT NULL",
                              (queue,)).fetchone()
        base.close()
        return count

    def move_output(self, from_id, to_id):
        """A job's MP3 becomes the second one of another job; its own record goes."""
        base = sqlite3.connect(self.folder / "jobs.db", timeout=20)
        with base:
            taken, given = (json.loads(base.execute("SELECT record FROM jobs WHERE id = ?", (job,)).fetchone()[0])
                            for job in (from_id, to_id))
            given["outputs"].append(taken["output"])
            base.execute("DELETE FROM jobs WHERE id = ?", (from_id,))
            base.execute("UPDATE jobs SET record = ? WHERE id = ?", (json.dumps(given), to_id))
            base.execute("INSERT INTO job_mp3s (fid, job_id) VALUES (?, ?)", (taken["output"]["file_id"], to_id))
        base.close()

    def remove(self):
        shutil.rmtree(self.folder / "files", ignore_errors=True)


class Servers:
    name = "servers"

    def __init__(self, own_urls=None):
        """own_urls: of servers that stand in for those of the environment, by the variable's name."""
        mysql, amqp, mongodb = ({**os.environ, **(own_urls or {})}[name] for name in VARIABLES)
        self.key = secrets.token_hex(4)
        self.mysql = urlsplit(mysql)
        self.database = f"unreel_e2e_{self.key}"
        self._sql(f"CREATE DATABASE {self.database}")
        self.accounts_url = mysql.rstrip("/") + "/" + self.database
        self.amqp_url = amqp
        self.queue_prefix = f"e2e-{self.key}."
        self.queue_url = join_query(self.amqp_url, f"prefix={self.queue_prefix}")
        self.mongo_prefix = f"e2e{self.key}_"
        self.blobs_url = self.jobs_url = join_query(mongodb, f"prefix={self.mongo_prefix}")
        self.mongo = pymongo.MongoClient(mongodb)
        self.proxies = {}

    def _sql(self, statement):
        where = ["-h", self.mysql.hostname, "-P", str(self.mysql.port or 3306), "-u", self.mysql.username]
        if self.mysql.password:
            where.append(f"-p{self.mysql.password}")
        subprocess.run(["mariadb", "--no-defaults", "--protocol=tcp", *where, "-e", statement], check=True)

    def blob_database(self, bucket):
        return self.mongo[self.mongo_prefix + bucket]

    def blob_ids(self, bucket):
        base = self.blob_database(bucket)
        return ({str(found["_id"]) for found in base["fs.files"].find({}, {"_id": 1})} |
                {str(fid) for fid in base["fs.chunks"].distinct("files_id")})

    def committed_ids(self, bucket):
        return {str(found["_id"]) for found in self.blob_database(bucket)["fs.files"].find({}, {"_id": 1})}

    def age_blob(self, bucket, fid, seconds):
        """As if it had been committed so long ago."""
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
        self.blob_database(bucket)["fs.files"].update_one({"_id": ObjectId(fid)}, {"$set": {"metadata.committedAt": then}})

    def blob_bytes(self, bucket, fid):
        return gridfs.GridFS(self.blob_database(bucket)).get(ObjectId(fid)).read()

    def remove_blob(self, bucket, fid):
        gridfs.GridFS(self.blob_database(bucket)).delete(ObjectId(fid))

    def held_up_jobs_url(self, service):
        """A service's way to the job store that jobs_held_up() holds up."""
        where = urlsplit(self.jobs_url)
        self.proxies[service] = proxy = Proxy(where.hostname, where.port or 27017)
        return self.jobs_url.replace(where.netloc, "".join(where.netloc.rpartition("@")[:2]) + f"127.0.0.1:{proxy.port}")

    @contextlib.contextmanager
    def jobs_held_up(self, service):
        """It cannot store what it is there for; it waits."""
        self.proxies[service].held = HELD_UP[service].encode()
        try:
            yield
        finally:
            self.proxies[service].held = None

    def remove_record(self, job_id):
        """Its files stay."""
        self.mongo[self.mongo_prefix + "unreel"]["jobs"].delete_one({"_id": ObjectId(job_id)})

    def move_output(self, from_id, to_id):
        """A job's MP3 becomes the second one of another job; its own record goes."""
        jobs = self.mongo[self.mongo_prefix + "unreel"]["jobs"]
        taken = jobs.find_one_and_delete({"_id": ObjectId(from_id)})
        jobs.update_one({"_id": ObjectId(to_id)}, {"$push": {"outputs": taken["output"]}})

    def channel(self):
        """A channel of a new connection; close it with .connection.close()."""
        return pika.BlockingConnection(pika.URLParameters(self.amqp_url)).channel()

    def put_raw(self, queue, body):
        channel = self.channel()
        channel.confirm_delivery()
        channel.basic_publish("", self.queue_prefix + queue, body, pika.BasicProperties(delivery_mode=2),
                              mandatory=True)
        channel.connection.close()

    def dead_count(self, queue):
        channel = self.channel()
        count = channel.queue_declare(self.queue_prefix + queue + ".dead", passive=True).method.message_count
        channel.connection.close()
        return count

    def remove(self):
        for proxy in self.proxies.values():
            proxy.close()
        self._sql(f"DROP DATABASE {self.database}")
        for name in self.mongo.list_database_names():
            if name.startswith(self.mongo_prefix):
                self.mongo.drop_database(name)
        try:
            channel = self.channel()
        except pika.exceptions.AMQPConnectionError:
            return  # a broker of the test's own, stopped already
        for queue in ("video", "mp3", "video.dead", "mp3.dead"):
            channel.queue_delete(self.queue_prefix + queue)
        channel.exchange_delete(self.queue_prefix + "unreel.events")
        channel.connection.close()
