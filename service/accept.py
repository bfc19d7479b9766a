"""Which of two forms of an answer a client would rather have (RFC 9110, section 12.5.1)."""


def prefers(accept: str, named: str, other: str) -> bool:
    """Whether Accept names a media type, and wants none other more; a wildcard names nothing."""
    qualities = dict(map(_read, accept.lower().split(",")))
    own = qualities.get(named, 0.0)
    ranges = (other, f"{other.partition('/')[0]}/*", "*/*")
    theirs = next((qualities[name] for name in ranges if name in qualities), 0.0)
    return own > 0 and own >= theirs


def _read(item: str) -> tuple[str, float]:
    """A media range and its quality."""
    name, *parameters = (part.strip() for part in item.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
