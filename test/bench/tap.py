"""A wire between a gateway and Postgres that notes for which teams states were asked: what the gateway says of itself is
not asked. PostgreSQL's frontend protocol: after the start-up, a byte that names the message and its length."""
import socket
import struct
import threading
from collections import Counter

STATES = b"latest_position"  # the statement that loads states names this table, and its parameter the teams


class Tap:
    def __init__(self, port):
        self.backend_port = port
        self.teams = Counter()  # how often each was asked for
        self.statements = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.backend_port))
            for one in (client, server):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(client, server, self._reader()), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, None), daemon=True).start()

    @staticmethod
    def _pump(source, sink, reader):
        try:
            while data := source.recv(65536):
                if reader:
                    reader(data)
                sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _reader(self):
        """Takes the bytes of one connection as they come."""
        pending, begun, asks = bytearray(), False, False

        def read(data):
            nonlocal begun, asks
            pending.extend(data)
            while True:
                head = 1 if begun else 0
                if len(pending) < head + 4:
                    return
                length = struct.unpack_from(">I", pending, head)[0]
                if len(pending) < head + length:
                    return
                kind, body = bytes(pending[:head]), bytes(pending[head + 4:head + length])
                del pending[:head + length]
                if not begun:
                    begun = struct.unpack_from(">I", body)[0] >> 16 == 3  # else a request for TLS
                elif kind == b"P":
                    asks = STATES in body and b"ANY" in body
                elif kind == b"B" and asks:
                    self._note(body)

        return read

    def _note(self, bind):
        """A Bind with one text parameter: an array of teams."""
        self.statements += 1
        array = bind[bind.index(b"{") + 1:bind.index(b"}")].decode()
        self.teams.update(array.split(","))

    def forget(self):
        self.teams.clear()
        self.statements = 0

    def close(self):
        self.listener.close()
