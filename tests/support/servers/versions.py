"""Prints in one line which servers answer at the UNREEL_TEST_*_URLs."""
import os
import re
import socket
from urllib.parse import urlsplit

import pika
import pymongo


def mysql(url):
    """The version stands in the greeting, which a server sends to anybody."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port or 3306), 10) as conversation:
        greeting = conversation.recv(256)
    version = greeting[5:greeting.index(b"\0", 5)].decode()
    number = re.sub(r"^5\.5\.5-", "", version).split("-")[0]
    return f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} {number}"


def amqp(url):
    connection = pika.BlockingConnection(pika.URLParameters(url))
    properties = connection._impl.server_properties
    connection.close()
    return f"{properties['product']} {properties['version']}"


def mongodb(url):
    info = pymongo.MongoClient(url).server_info()
    kind = "MongoDB" if "gitVersion" in info else "MongoDB-protocol"
    return f"{kind} {info['version']}"


found = [name(os.environ[f"UNREEL_TEST_{name.__name__.upper()}_URL"]) for name in (mysql, amqp, mongodb)
         if os.environ.get(f"UNREEL_TEST_{name.__name__.upper()}_URL")]
print(", ".join(found) if found else "none")
