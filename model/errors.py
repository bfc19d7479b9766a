"""Errors of data and preprocessing; each message says what, where and what is allowed."""

from pydantic import ValidationError


class InputError(ValueError):
    """This input cannot be encoded."""


class DataError(ValueError):
    """A data set or a checkpoint on disk is not what it should be."""


def explain(error: ValidationError) -> str:
    """Every failed field with what is wrong with it, in one line."""
    return "; ".join(
        f"{'.'.join(map(str, part['loc'])) or 'value'}: {part['msg']}"
        for part in error.errors(include_url=False, include_context=False, include_input=False)
    )
