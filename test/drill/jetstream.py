"""Reading a whole JetStream stream, with the standard library: a consumer that pulls."""
import json
import socket
import urllib.parse
from collections import deque

INBOX = "_INBOX.drill"
BATCH = 200


class Nats:
    def __init__(self, url):
        address = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.file.readline()
        self.early = deque()  # what came while an answer was awaited
        login = {"user": address.username, "pass": address.password, "verbose": False, "headers": True}
        self.send(f"CONNECT {json.dumps(login)}\r\nSUB {INBOX}.answer 1\r\nSUB {INBOX}.log 2\r\n".encode())

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, body=b"", reply=""):
        self.send(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

    def next(self):
        """(subject, reply, headers, body) of the next message."""
        return self.early.popleft() if self.early else self.read()

    def read(self):
        while True:
            words = self.file.readline().split()
            if not words:
                raise EOFError("NATS closed the connection")
            if words[0] == b"PING":
                self.send(b"PONG\r\n")
            elif words[0] in (b"MSG", b"HMSG"):
                headers = int(words[-2]) if words[0] == b"HMSG" else 0
                data = self.file.read(int(words[-1]) + 2)[:-2]
                reply = words[3].decode() if len(words) == (6 if words[0] == b"HMSG" else 5) else ""
                return words[1].decode(), reply, data[:headers], data[headers:]

    def ask(self, subject, message=None):
        """The answer of JetStream's API, or an exception that says what is wrong."""
        self.publish(subject, json.dumps(message).encode() if message else b"", f"{INBOX}.answer")
        while True:
            message = self.read()
            if message[0] != f"{INBOX}.answer":
                self.early.append(message)
                continue
            answer = json.loads(message[3])
            if "error" in answer:
                raise RuntimeError(f"{subject}: {answer['error']['description']}")
            return answer

    def close(self):
        self.socket.close()


def stream_state(nats, stream):
    return nats.ask(f"$JS.API.STREAM.INFO.{stream}")["state"]


def messages(nats, stream):
    """The bodies of all messages that the stream holds now, in order, some at a time: a client that is behind is cut."""
    state = stream_state(nats, stream)
    if not state["messages"]:
        return
    consumer = nats.ask(f"$JS.API.CONSUMER.CREATE.{stream}", {"stream_name": stream, "config": {
        "deliver_policy": "all", "ack_policy": "none", "replay_policy": "instant"}})["name"]
    sequence = 0
    while sequence < state["last_seq"]:
        request = json.dumps({"batch": BATCH, "no_wait": True}).encode()
        nats.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", request, f"{INBOX}.log")
        for taken in range(BATCH):
            _, reply, _, body = nats.next()
            if not reply:  # a status: there are no more
                if not taken:
                    return
                break
            sequence = int(reply.split(".")[5])  # $JS.ACK.stream.consumer.delivered.sequence…
            yield body
