"""Succeeds when the MongoDB-protocol server at a port takes writes: mongodb_ping.py PORT [--replica-set]."""
import sys

import pymongo

client = pymongo.MongoClient("127.0.0.1", int(sys.argv[1]), directConnection=True, serverSelectionTimeoutMS=1000)
client.admin.command("ping")
if "--replica-set" in sys.argv:
    try:
        client.admin.command("replSetInitiate", {
            "_id": "unreel", "members": [{"_id": 0, "host": f"127.0.0.1:{sys.argv[1]}"}]})
    except pymongo.errors.OperationFailure as error:
        if error.code != 23:  # AlreadyInitialized
            raise
    if not client.admin.command("isMaster")["ismaster"]:
        sys.exit("not the primary yet")
