"""A web server of many hosts: https.py ADDRESS PORT PEM ANSWERS.

ANSWERS is a file of JSON: for each host the status, the headers and the body. Prints a line when it listens, and
ends when its input does.
"""

import http.server
import json
import ssl
import sys
import threading

address, port, pem, answers = sys.argv[1:]
with open(answers) as file:
    answers = json.load(file)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        host = self.headers.get("Host", "").split(":")[0]
        status, headers, body = answers.get(host, [404, {}, ""])
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # clients that do not trust the certificate


server = Server((address, int(port)), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(pem)
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("listening", flush=True)
sys.stdin.read()
