"""A TCP proxy that can hold up messages, and loses those that it held up."""
import select
import socket
import threading
import time

from .ports import free_port


class Proxy:
    def __init__(self, host, port):
        self.target = (host, port)
        self.port = free_port()
        self.held = None  # bytes: what holds them goes nowhere, nor what comes after it on the connection
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, socket.create_connection(self.target) as server:
            other = {client: server, server: client}
            try:
                while True:
                    for readable in select.select(list(other), [], [])[0]:
                        data = readable.recv(1 << 20)
                        if not data or self._holds_up(data):
                            return
                        other[readable].sendall(data)
            except OSError:
                return

    def _holds_up(self, data):
        held = self.held
        if held is None or held not in data:
            return False
        while self.held == held:
            time.sleep(0.02)
        return True

    def close(self):
        self.listener.close()
        self.held = None
