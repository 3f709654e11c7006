"""A submission server: smtp.py HOST PORT DIRECTORY USER PASSWORD.

Wants STARTTLS with DIRECTORY/host.pem and host.key, then the user and the password, and writes each message
as a line of JSON to DIRECTORY/messages. Ends when its input does.
"""

import json
import pathlib
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

host, port, directory, user, password = sys.argv[1:]
directory = pathlib.Path(directory)


class Handler:
    async def handle_DATA(self, server, session, envelope):
        message = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "user": session.auth_data.login.decode(),
            "tls": session.ssl is not None,
            "text": envelope.content.decode(),
        }
        with open(directory / "messages", "a") as messages:
            messages.write(json.dumps(message) + "\n")
        return "250 taken"


def authenticate(server, session, envelope, mechanism, data):
    is_right = (data.login, data.password) == (user.encode(), password.encode())
    return AuthResult(success=is_right, auth_data=data)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory / "host.pem", directory / "host.key")
controller = Controller(
    Handler(),
    hostname=host,
    port=int(port),
    tls_context=context,
    require_starttls=True,
    authenticator=authenticate,
    auth_required=True,
)
controller.start()
print("ready", flush=True)
sys.stdin.read()
