"""Ends TLS before a server on this machine: tls.py DIRECTORY HOST PORT.

A proxy (RFC 9110 section 9.3.6): whatever host a client asks to be connected to, it gets the server at
127.0.0.1:PORT, with a certificate for HOST whose authority is DIRECTORY/ca.pem. Prints its own port.
"""

import pathlib
import socket
import ssl
import subprocess
import sys
import threading

directory, host, port = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=directory)


(directory / "host.cnf").write_text(f"subjectAltName=DNS:{host}\n")
curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab", "-days", "7")
openssl("req", *curve, "-keyout", "host.key", "-out", "host.csr", "-subj", f"/CN={host}")
openssl("x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
        "-out", "host.pem", "-days", "7", "-extfile", "host.cnf")
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory / "host.pem", directory / "host.key")


def copy(source, target):
    try:
        while octets := source.recv(65536):
            target.sendall(octets)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client):
    try:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            octet = client.recv(1)
            if not octet:
                return
            head += octet
        client.sendall(b"HTTP/1.1 200 -\r\n\r\n")
        client = context.wrap_socket(client, server_side=True)
        server = socket.create_connection(("127.0.0.1", port))
    except OSError:
        return
    threading.Thread(target=copy, args=(server, client), daemon=True).start()
    copy(client, server)


listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    try:
        client = listener.accept()[0]
    except OSError:
        # The client has gone already.
        continue
    threading.Thread(target=serve, args=(client,), daemon=True).start()
