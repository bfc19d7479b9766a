"""How often someone may ask."""

ROUNDING_S = 1e-6


def admit(used_until_s: float, now_s: float, per_s: float) -> tuple[float, float]:
    """A token bucket that holds one second's worth, at least one token; pure.

    Kept as the moment when all tokens that were taken will be there again (the generic cell rate
    algorithm, ITU-T I.371).

    Args:
        used_until_s: this moment; -inf at first.
        now_s: when somebody asks; never before the last time.
        per_s: tokens that are added in a second.

    Returns:
        The moment from now on, and 0; or, where there is no token, the moment as it was, and the
        seconds until there will be one.
    """
    until_s = max(used_until_s, now_s) + 1 / per_s
    wait_s = until_s - now_s - max(1.0, 1 / per_s)
    return (until_s, 0.0) if wait_s <= ROUNDING_S else (used_until_s, wait_s)
