"""No request leaves a cycle behind: collecting would stop all others for as long as it takes."""

import http.client
from urllib.parse import urlsplit

import pytest

from tests.service.process import PATIENCE_S, request, serving

ROUNDS = 20
COUNTING = """
import gc, sys, threading
from service.server import serve
from service.settings import Settings

from service.batcher import Batcher
from service.errors import Overloaded

has_room = Batcher.overload

def count():
    for line in sys.stdin:
        full = line == "shed\\n"
        Batcher.overload = (lambda *_: Overloaded("full", 3)) if full else has_room
        print(gc.collect(), flush=True)

gc.disable()
threading.Thread(target=count, daemon=True).start()
serve(Settings())
"""
ANSWERED = ("POST", "/v1/predict", '{"inputs": ["noon", "it"], "attention": {}}', True)
INFER = '{"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["noon"]}]}'
REQUESTS = {
    "answered": ANSWERED,
    "refused": ("POST", "/v1/predict", '{"inputs": ["", 7]}', True),
    "shed": ("POST", "/v1/predict", '{"inputs": "noon"}', True),
    "late": ("POST", "/v1/predict", '{"inputs": "noon"}', True),
    "abandoned": (*ANSWERED[:3], False),
    "infer": ("POST", "/v2/models/tiny/infer", INFER, True),
    "wrong": ("POST", "/v2/models/tiny/infer", '{"inputs": []}', True),
    "pipeline": ("POST", "/hf/tiny", '{"inputs": "noon"}', True),
    "lines": ("POST", "/v1/predict", '"noon"\n3\n', True),
    "metrics": ("GET", "/metrics", None, True),
    "missing": ("GET", "/nowhere", None, True),
}


@pytest.mark.parametrize("kept", [True, False])
def test_requests_leave_nothing_to_collect(tiny, kept: bool) -> None:
    with serving(tiny.folder, COUNTING) as (process, url):

        def collect(next: str) -> int:
            process.stdin.write(f"{next}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        def ask(connection: http.client.HTTPConnection, name: str) -> None:
            method, path, body, waits = REQUESTS[name]
            headers = {"X-Request-Timeout": "1e-9"} if name == "late" else {}
            if name == "lines":
                headers = {"Content-Type": "application/x-ndjson"}
            connection.request(method, path, body, headers)
            if waits:
                connection.getresponse().read()

        process.stdout.readline()  # the rest of what it says when it is ready
        for name in REQUESTS:
            collect(name)
            for _ in (1, 2):  # the first few make what stays
                connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
                for _ in range(ROUNDS):
                    ask(connection, name)
                    if not kept or not REQUESTS[name][3]:
                        connection.close()
                connection.close()
                request("GET", f"{url}/health/live")  # all before is over
                found = collect(name)
            assert found < ROUNDS, f"{name}: {found} objects"
