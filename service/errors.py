"""What can go wrong while serving; nothing here knows HTTP.

ServiceError
├── BodyError                the body cannot be read
│   ├── BodyTooLarge
│   ├── BodyIncomplete
│   ├── UnknownEncoding
│   └── InvalidJson
├── RequestError             it is JSON, but nothing that can be answered
│   ├── InvalidRequest       a field is missing, unknown, of the wrong type or out of range
│   ├── InvalidInput         an input cannot be encoded
│   ├── TooLarge             a limit of this service is exceeded
│   ├── MissingHead          the model has no head of the kind asked for
│   └── UnknownModel
├── DeadlineExceeded         no answer by the time the request gave
├── ClientLeft               nobody waits for an answer
├── AccessError              whoever asks may not
│   ├── Unauthorized
│   └── Forbidden
├── BundleRefused
├── Unsupported              an extension of a protocol that is not here
├── HeadersTooLarge
└── Unavailable              try later
    ├── Loading
    ├── NoModel
    ├── Overloaded
    ├── RateLimited
    └── ShuttingDown
"""

from collections.abc import Sequence
from typing import NotRequired

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict


@with_config(ConfigDict(use_attribute_docstrings=True))
class Fault(TypedDict):
    """One thing that is wrong with a request."""

    loc: list[str | int]
    """Where it is: names of fields and indices of lists, from the outside in."""
    message: str
    """What it is."""
    allowed: NotRequired[list[str | int]]
    """What could stand there."""


class ServiceError(Exception):
    """Base of all; `str(error)` is for whoever sent the request.

    Attributes:
        faults: what is wrong and where; may be empty.
    """

    def __init__(self, detail: str, faults: Sequence[Fault] = ()):
        super().__init__(detail)
        self.faults = list(faults)


class BodyError(ServiceError):
    """The body cannot be read."""


class BodyTooLarge(BodyError):
    """Found while reading; the rest was not read."""


class BodyIncomplete(BodyError):
    """Whoever sent it went away."""


class UnknownEncoding(BodyError):
    """The body is compressed in a way that is not taken.

    Attributes:
        allowed: the ways that are, as HTTP lists them.
    """

    def __init__(self, detail: str, allowed: str):
        super().__init__(detail)
        self.allowed = allowed


class InvalidJson(BodyError):
    """The body is not JSON."""


class RequestError(ServiceError):
    """The body is JSON, but nothing that can be answered."""

    def __init__(self, faults: Sequence[Fault]):
        first = faults[0]
        where = ".".join(map(str, first["loc"])) or "the request"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{where}: {first['message']}{more}", faults)


class InvalidRequest(RequestError):
    """A field is missing, unknown, of the wrong type or out of range."""


class InvalidInput(RequestError):
    """An input cannot be encoded."""


class TooLarge(RequestError):
    """A limit of this service is exceeded."""


class MissingHead(RequestError):
    """The model has no head of the kind asked for."""


class UnknownModel(RequestError):
    """No such model is served."""


class DeadlineExceeded(ServiceError):
    """No answer by the time the request gave."""


class ClientLeft(ServiceError):
    """Nobody waits for an answer."""


class AccessError(ServiceError):
    """Whoever asks may not."""


class Unauthorized(AccessError):
    """The key is missing or wrong."""


class Forbidden(AccessError):
    """No key would help."""


class BundleRefused(ServiceError):
    """The bundle that was to be loaded cannot be used; what was served before still is."""


class Unsupported(ServiceError):
    """An extension of a protocol that is not here."""


class HeadersTooLarge(ServiceError):
    """The request has too many headers, or they are too long."""


class Unavailable(ServiceError):
    """Nothing is wrong with the request; try later.

    Attributes:
        retry_after_s: when, in whole seconds.
    """

    def __init__(self, detail: str, retry_after_s: int = 1):
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class Loading(Unavailable):
    """The models are not loaded yet."""


class NoModel(Unavailable):
    """No model is being served."""


class Overloaded(Unavailable):
    """The queue is full."""


class RateLimited(Unavailable):
    """This key has asked more often than it may."""


class ShuttingDown(Unavailable):
    """The service is being stopped."""
