"""What can be set: one object, read from the environment (REGARD_*) and given to `create_app`."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from export.bundle import Precision


class Settings(BaseSettings):
    """How the service runs. Field `max_inputs` is REGARD_MAX_INPUTS in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="REGARD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    bundles: Path = Path("bundles")
    """The folder whose sub-folders are the bundles to serve."""

    default_model: str | None = None
    """Answers requests that name no model; unset: the only one, or else the first by name."""

    precision: Literal["auto"] | Precision = "auto"
    """Which graph of a bundle to run; auto: int8 where the bundle has it, else fp32, else fp16."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for all."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0: any free one."""

    threads: int = Field(default=0, ge=0)
    """Threads of one run of a model; 0: as many as this process may use CPUs."""

    max_body_bytes: int = Field(default=1_048_576, gt=0)
    """Largest request body."""

    max_inputs: int = Field(default=256, gt=0)
    """Most inputs in one request."""

    max_text_characters: int = Field(default=20_000, gt=0)
    """Longest input, in Unicode code points; for given words, their sum."""

    max_request_positions: int = Field(default=8_192, gt=0)
    """Most positions in one request, over all its inputs."""

    max_batch_positions: int = Field(default=512, gt=0)
    """Most positions in one run of the model, padding included; bounds its memory. An input that is
    longer than this runs alone."""

    max_queue_positions: int = Field(default=32_768, gt=0)
    """Most positions that wait for one model; a request that would exceed it is refused (429)."""

    max_queue_s: float = Field(default=5.0, gt=0)
    """Longest that a request may have to wait for a model, in seconds, by what already waits; a
    request that comes later is refused (429)."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds until an answer is of no use (504), for requests without X-Request-Timeout."""

    max_attention_floats: int = Field(default=4_194_304, gt=0)
    """Most attention weights in one answer; as JSON one takes about 11 bytes."""

    @model_validator(mode="after")
    def _limits_agree(self) -> Self:
        if self.max_request_positions > self.max_queue_positions:
            raise ValueError(
                f"max_request_positions={self.max_request_positions} is more than "
                f"max_queue_positions={self.max_queue_positions}: such a request could never wait"
            )
        return self
