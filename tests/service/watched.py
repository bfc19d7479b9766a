"""A server process that tells what it connects to, and drives through everything it answers."""

import httpx

KEY = {"authorization": "Bearer k"}

# Tells of every attempt to reach or look up another host; what is within the machine is not told.
WATCH = """
import sys

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        address = arguments[0] if event.startswith("socket.get") else arguments[1]
        print("reached out:", event, address, file=sys.stderr, flush=True)

sys.addaudithook(watch)
"""


def drive(http: httpx.Client, text: str = "noon") -> list[int]:
    """Every route, right and wrong; the statuses."""
    requests = [
        *(("GET", path, None) for path in ("/", "/docs", "/openapi.json", "/metrics")),
        *(("GET", f"/health/{name}", None) for name in ("live", "started", "ready")),
        *(("GET", path, None) for path in ("/v1/models", "/v1/models/tiny", "/nowhere")),
        ("POST", "/v1/predict", {"inputs": text}),
        ("POST", "/v1/label", {"inputs": {"words": text.split()}}),
        ("POST", "/v1/classify", {"inputs": [text, text]}),
        ("POST", "/v1/attention", {"inputs": text}),
        ("POST", "/v1/predict", {"inputs": text, "model": text}),
        ("POST", "/v1/predict", {"inputs": text, text: text}),
        ("POST", "/v1/predict", {"inputs": f"{text} " * 5000}),
        ("PUT", "/v1/models/tiny", None),
        ("DELETE", "/v1/models/tagger", None),
        ("PUT", "/v1/models/tagger", None),
    ]
    statuses = [
        http.request(method, path, json=body, headers=KEY).status_code
        for method, path, body in requests
    ]
    broken = http.post("/v1/predict", content=f'{{"inputs": "{text}'.encode(), headers=KEY)
    return [*statuses, broken.status_code]
