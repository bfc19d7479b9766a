"""Exit code 0 if the service in this container is ready, else 1: the image's health check."""

import http.client
import os
import ssl
import sys

host = os.environ["REGARD_HOST"]  # if that is "all", a connection to it goes to this machine
port = int(os.environ.get("REGARD_PORT", "8000"))
connection = http.client.HTTPConnection(host, port, timeout=4)
if "REGARD_SSL_CERTFILE" in os.environ:  # issued for a name that the container need not know
    unverified = ssl._create_unverified_context()
    connection = http.client.HTTPSConnection(host, port, timeout=4, context=unverified)
connection.request("GET", "/health/ready")
sys.exit(connection.getresponse().status != http.HTTPStatus.OK)
