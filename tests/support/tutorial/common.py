"""What the three programs share. They are written as the well-known Python tutorial's are, faults and all, so that the
tests can show that our services work beside such programs: a message names files, a consumer acknowledges or not, and
nobody declares a queue. Settings: AMQP_URL, QUEUE_PREFIX, MONGODB_URL, MONGODB_PREFIX, AUTH_URL."""
import os

import gridfs
import pika
import pymongo


def channel():
    return pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()


def queue(name):
    return os.environ.get("QUEUE_PREFIX", "") + name


def bucket(name):
    database = pymongo.MongoClient(os.environ["MONGODB_URL"])[os.environ.get("MONGODB_PREFIX", "") + name]
    return gridfs.GridFS(database)


def consume(name, handle):
    """Calls handle(channel, body) for each message; an exception ends the program."""
    messages = channel()

    def callback(ch, method, _, body):
        handle(ch, body)
        ch.basic_ack(delivery_tag=method.delivery_tag)

    messages.basic_consume(queue=queue(name), on_message_callback=callback)
    print("waiting", flush=True)
    messages.start_consuming()


def publish(ch, name, body):
    ch.basic_publish(exchange="", routing_key=queue(name), body=body,
                     properties=pika.BasicProperties(delivery_mode=pika.spec.PERSISTENT_DELIVERY_MODE))
