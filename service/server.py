"""The app behind uvicorn, on a socket."""

import signal
import socket
from contextlib import suppress

import uvicorn

from service.app import create_app
from service.openapi import EXAMPLE
from service.settings import Settings

GRACE_S = 30  # for what is in flight at the end


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; what is in flight then is still answered.

    Raises:
        BundleError: a bundle cannot be used.
    """
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_level="warning",
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    # When all is answered uvicorn raises the signals it caught again; we end with exit code 0.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(KeyboardInterrupt):
        _Server(config, list(app.state.registry.predictors)).run()


class _Server(uvicorn.Server):
    """Says where it is, once it can be reached."""

    def __init__(self, config: uvicorn.Config, models: list[str]):
        super().__init__(config)
        self._models = models

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        await super().startup(sockets)
        if not self.started:
            return
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        print(
            f"Regard at {url} serves {', '.join(self._models) or 'no model'}; try\n"
            f"""  curl -s {url}/v1/predict -d '{{"inputs": "{EXAMPLE}"}}'""",
            flush=True,
        )
