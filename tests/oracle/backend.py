"""Backends that take down what they are sent, in whatever protocol it comes: the first bytes tell."""

import socket
import ssl
import struct
import threading

PORTS = range(9000, 9010)


class Backends:
    def __init__(self, certificates):
        self.seen = []
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{certificates}/server.crt", f"{certificates}/server.key")
        self.context.load_verify_locations(f"{certificates}/clients-ca.crt")
        self.context.load_verify_locations(f"{certificates}/other-ca.crt")
        self.context.verify_mode = ssl.CERT_OPTIONAL
        for port in PORTS:
            listener = socket.create_server(("127.0.0.1", port), backlog=64)
            threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()

    def accept(self, listener, port):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.serve, args=(connection, port), daemon=True).start()

    def serve(self, connection, port):
        try:
            connection.settimeout(5)
            tls, certificate = "", None
            if connection.recv(1, socket.MSG_PEEK) == b"\x16":
                connection = self.context.wrap_socket(connection, server_side=True)
                tls = "tls+"
                subject = (connection.getpeercert() or {}).get("subject", ())
                certificate = dict(part[0] for part in subject).get("commonName")
            stream = connection.makefile("rb")
            self.talk(connection, stream, {"port": port, "certificate": certificate}, tls)
        except (OSError, ValueError, struct.error, IndexError):
            pass
        finally:
            connection.close()

    def take(self, seen):
        with self.lock:
            self.seen.append(seen)

    def drain(self):
        with self.lock:
            seen, self.seen = self.seen, []
        return seen

    def talk(self, connection, stream, seen, tls):
        first = stream.peek(1)[:1]
        if first == b"":
            return
        if first == b"\x01":
            target, headers = fastcgi(stream, connection)
            name = "fastcgi"
        elif first == b"\x00":
            target, headers = uwsgi(stream)
            name = "uwsgi"
        elif first.isdigit():
            target, headers = scgi(stream)
            name = "scgi"
        elif first == b"\x12":
            target, headers = ajp(stream, connection)
            name = "ajp"
        elif stream.peek(4)[:4] == b"PRI ":
            import http2
            for target, headers in http2.requests(stream, connection):
                self.take(dict(seen, protocol=tls + "h2", target=target, headers=headers))
            return
        else:
            return self.http(connection, stream, seen, tls)
        self.take(dict(seen, protocol=tls + name, target=target, headers=headers))
        if name == "fastcgi":
            body = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nkb-echo\n"
            connection.sendall(record(6, body) + record(6, b"") + record(3, bytes(8)))
        elif name == "uwsgi":
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nkb-echo\n")
        elif name == "scgi":
            connection.sendall(b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nkb-echo\n")

    def http(self, connection, stream, seen, tls):
        while True:
            line = stream.readline(65536)
            if not line.strip():
                return
            # Through a gateway that only passes bytes, a client may be greeted by another protocol.
            parts = line.decode("latin-1").split(" ")
            if len(parts) < 2:
                self.take(dict(seen, protocol=tls + "raw", target="", headers=[]))
                return
            headers, length, chunked = [], 0, False
            while True:
                line = stream.readline(65536).decode("latin-1")
                if line in ("\r\n", "\n", ""):
                    break
                line = line.rstrip("\r\n")
                if line[:1] in " \t" and headers:
                    headers[-1][1] += "\n" + line
                    continue
                name, _, value = line.partition(":")
                headers.append([name, value.strip()])
                if name.lower() == "content-length":
                    length = int(value)
                chunked |= name.lower() == "transfer-encoding"
            self.take(dict(seen, protocol=tls + "http", target=parts[1], headers=headers))
            stream.read(length)
            if chunked:
                while (size := int(stream.readline(), 16)) > 0:
                    stream.read(size + 2)
                stream.readline()
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nkb-echo\n"
            connection.sendall(answer)


def record(kind, body):
    return struct.pack("!BBHHBB", 1, kind, 1, len(body), 0, 0) + body


def length(data, at):
    if data[at] < 128:
        return data[at], at + 1
    return struct.unpack_from("!I", data, at)[0] & 0x7FFFFFFF, at + 4


def fastcgi(stream, connection):
    parameters, ended = b"", False
    while True:
        _, kind, _, size, padding, _ = struct.unpack("!BBHHBB", stream.read(8))
        body = stream.read(size)
        stream.read(padding)
        if kind == 4:
            parameters += body
        if kind == 5 and size == 0:
            break
    pairs, at = [], 0
    while at < len(parameters):
        name, at = length(parameters, at)
        value, at = length(parameters, at)
        pairs.append([parameters[at:at + name].decode("latin-1"),
                      parameters[at + name:at + name + value].decode("latin-1")])
        at += name + value
    return dict(pairs).get("REQUEST_URI", ""), pairs


def uwsgi(stream):
    _, size, _ = struct.unpack("<BHB", stream.read(4))
    data, pairs, at = stream.read(size), [], 0
    while at < size:
        words = []
        for _ in range(2):
            word = struct.unpack_from("<H", data, at)[0]
            words.append(data[at + 2:at + 2 + word].decode("latin-1"))
            at += 2 + word
        pairs.append(words)
    return dict(map(tuple, pairs)).get("REQUEST_URI", ""), pairs


def scgi(stream):
    size = b""
    while (byte := stream.read(1)) != b":":
        size += byte
    words = stream.read(int(size)).decode("latin-1").split("\0")[:-1]
    pairs = [list(pair) for pair in zip(words[::2], words[1::2])]
    return dict(map(tuple, pairs)).get("REQUEST_URI", ""), pairs


AJP_HEADERS = ["", "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Connection",
               "Content-Type", "Content-Length", "Cookie", "Cookie2", "Host", "Pragma", "Referer", "User-Agent"]
AJP_ATTRIBUTES = {3: "REMOTE_USER", 4: "AUTH_TYPE", 5: "QUERY_STRING", 6: "JVM_ROUTE", 7: "SSL_CERT", 8: "SSL_CIPHER",
                  9: "SSL_SESSION", 12: "SECRET", 13: "STORED_METHOD"}


def ajp(stream, connection):
    _, size = struct.unpack("!HH", stream.read(4))
    data = stream.read(size)
    at = 2

    def number():
        nonlocal at
        at += 2
        return struct.unpack_from("!H", data, at - 2)[0]

    def text():
        nonlocal at
        size = number()
        if size == 0xFFFF:
            return ""
        at += size + 1
        return data[at - size - 1:at - 1].decode("latin-1")

    text()
    target = text()
    for _ in range(3):
        text()
    number()
    at += 1
    pairs = []
    for _ in range(number()):
        if data[at] == 0xA0:
            name = AJP_HEADERS[number() & 0xFF]
        else:
            name = text()
        pairs.append([name, text()])
    while data[at] != 0xFF:
        kind = data[at]
        at += 1
        if kind == 10:
            name = text()
            pairs.append([name, text()])
        elif kind == 11:
            number()
        else:
            pairs.append([AJP_ATTRIBUTES.get(kind, str(kind)), text()])
    head = b"\x04" + struct.pack("!H", 200) + struct.pack("!H", 2) + b"OK\0" + struct.pack("!H", 0)
    for body in [head, b"\x05\x01"]:
        connection.sendall(b"AB" + struct.pack("!H", len(body)) + body)
    return target, pairs
