"""HTTP/2 at a backend, as gRPC needs it. The protocol is h2's affair (PyPI, see install.sh)."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "target", "oracle", "h2"))

import h2.config  # noqa: E402
import h2.connection  # noqa: E402
import h2.events  # noqa: E402


def requests(stream, connection):
    """Target and headers of each request; each is answered before the next is read."""
    config = h2.config.H2Configuration(client_side=False, header_encoding="latin-1", validate_inbound_headers=False)
    talk = h2.connection.H2Connection(config)
    talk.initiate_connection()
    connection.sendall(talk.data_to_send())
    while data := stream.read1(65536):
        for event in talk.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                fields = [list(pair) for pair in event.headers]
                named = dict(map(tuple, fields))
                yield named.get(":path", ""), [pair for pair in fields if not pair[0].startswith(":")]
                answer = [(":status", "200"), ("content-type", "application/grpc")]
                talk.send_headers(event.stream_id, answer)
                talk.send_data(event.stream_id, bytes(5))
                talk.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
        connection.sendall(talk.data_to_send())
