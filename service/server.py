"""The service on its port: in this process, or in several."""

from service.app import create_app
from service.listener import listen, url_of
from service.logs import configure
from service.openapi import EXAMPLE
from service.settings import Settings
from service.supervisor import Supervisor
from service.worker import Server


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; what is in flight then is still answered.

    Raises:
        BundleError: a bundle cannot be used.
        OSError: the port cannot be opened.
        RuntimeError: a worker did not start.
        ValueError: the admin key cannot be read.
    """
    configure(settings)
    with listen(settings.host, settings.port) as listener:
        url = url_of(listener, "https" if settings.ssl_certfile else "http")

        def say_ready(names: list[str]) -> None:
            print(
                f"Regard at {url} serves {', '.join(names) or 'no model'}; try\n"
                f"""  curl -s {url}/v1/predict -d '{{"inputs": "{EXAMPLE}"}}'""",
                flush=True,
            )

        if settings.workers > 1:
            Supervisor(settings, listener, say_ready).run()
        else:
            Server(create_app(settings, load=False), settings, (), say_ready).run([listener])
