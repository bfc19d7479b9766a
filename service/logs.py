"""What the service says of itself: lines for people, or JSON."""

import logging
import traceback
from datetime import UTC, datetime
from time import perf_counter

import orjson

from service.caller import Finished
from service.settings import Settings

LOG = logging.getLogger("regard.requests")
OWN = vars(logging.makeLogRecord({})).keys() | {"message", "asctime", "color_message"}


def configure(settings: Settings) -> None:
    """Send all loggers of this process to standard error, as the settings say."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())


def log_request(request: Finished) -> None:
    """Log a request that is over; nothing of what it asked."""
    milliseconds = round(1000 * (perf_counter() - request.started_s), 2)
    LOG.info(
        "%s %s %d",
        request.method,
        request.route,
        request.status,
        extra={"request_id": request.request_id.decode(), "ms": milliseconds},
    )


class _Formatter(logging.Formatter):
    """Tells of an exception its type and where it was, not its message: that may hold a text."""

    def formatException(  # the standard library's name
        self, ei: object
    ) -> str:
        """See logging."""
        error = ei[1] if isinstance(ei, tuple) else None
        lines: list[str] = []
        while isinstance(error, BaseException):
            kind = type(error)
            lines.insert(0, f"{kind.__module__}.{kind.__qualname__}")
            lines[0:0] = [line.rstrip() for line in traceback.format_tb(error.__traceback__)]
            error = error.__cause__ or error.__context__
        return "\n".join(lines)


class ConsoleFormatter(_Formatter):
    """A line, and what goes with it as name=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        """See logging."""
        more = [f" {name}={value}" for name, value in _extra(record).items()]
        return super().formatMessage(record) + "".join(more)


class JsonFormatter(_Formatter):
    """An object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See logging."""
        told = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(told, default=str).decode()


def _extra(record: logging.LogRecord) -> dict[str, object]:
    return {name: value for name, value in vars(record).items() if name not in OWN}
