"""What can be set: one object, read from the environment (REGARD_*) and given to `create_app`."""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from export.bundle import Precision

SHIPPED = (Path(__file__).parents[1] / "bundles",)


def _folders(value: object) -> object:
    """As in PATH; a path alone is one folder."""
    if isinstance(value, str):
        value = value.split(os.pathsep)
        if "" in value:
            raise ValueError("one of the folders has no name")
    return [value] if isinstance(value, Path) else value


class Settings(BaseSettings):
    """How the service runs. Field `max_inputs` is REGARD_MAX_INPUTS in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="REGARD_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    bundles: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_folders)] = SHIPPED
    """Folders with `:` between, each of bundles in sub-folders of their names, or itself a bundle;
    where two hold the same name, the first counts. Unset: the bundles beside this package."""

    default_model: str | None = None
    """Answers requests that name no model; unset: the only one, or else the first by name."""

    precision: Literal["auto"] | Precision = "auto"
    """Which graph of a bundle to run; auto: the first that it has, of int8, fp32, fp16 on the CPU,
    of fp16, fp32 on a GPU."""

    device: Literal["cpu", "cuda", "auto"] = "cpu"
    """What models run on; cuda: an NVIDIA GPU; auto: that, where it can be used and the bundle has
    a graph for it, else the CPU."""

    host: str = "127.0.0.1"
    """The address to listen on; 0.0.0.0 for all."""

    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0: any free one."""

    workers: int = Field(default=1, gt=0)
    """Processes that share the port; each holds every model."""

    threads: int = Field(default=0, ge=0)
    """Threads of one run of a model; 0: as many as there are CPUs to use for each worker."""

    watch_s: float = Field(default=1.0, ge=0)
    """Seconds between two looks at the bundles' files, whose changes are followed; 0: never."""

    shutdown_delay_s: float = Field(default=0.0, ge=0)
    """Seconds from SIGTERM, when /health/ready turns 503, until new requests are refused and the
    port is closed: as long as it takes others to notice."""

    drain_s: int = Field(default=30, ge=0)
    """Seconds after that in which what is in flight is answered; then it is broken off."""

    admin_key: SecretStr | None = Field(default=None, min_length=1)
    """Key of those who may load and unload models; unset: nobody may."""

    admin_key_file: Path | None = None
    """The file that holds this key, in place of the key itself."""

    api_keys: SecretStr | None = Field(default=None, min_length=1)
    """Keys of those who may ask, each `name:key` or `name:key:requests_per_second`, with commas
    between; each worker counts for itself. Unset, and no file either: everybody may."""

    api_keys_file: Path | None = None
    """The file that holds them, one in each line, in place of the keys themselves."""

    cors_origins: str | None = None
    """Origins whose pages a browser lets ask, with commas between, or `*`; unset: none but its
    own."""

    ssl_certfile: Path | None = None
    """Certificate chain (PEM) to serve HTTPS with; unset: HTTP."""

    ssl_keyfile: Path | None = None
    """Its private key (PEM), where it is not in the same file."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important lines that are logged."""

    log_format: Literal["console", "json"] = "console"
    """How they are written."""

    log_requests: bool = False
    """Log a line for every request, too."""

    otlp_endpoint: str | None = None
    """Where traces go, by OTLP over HTTP, as http://collector:4318; unset: nowhere. Needs the extra
    `otel`."""

    max_body_bytes: int = Field(default=1_048_576, gt=0)
    """Largest request body."""

    max_inputs: int = Field(default=256, gt=0)
    """Most inputs in one request."""

    max_text_characters: int = Field(default=20_000, gt=0)
    """Longest input, in Unicode code points; for given words, their sum."""

    max_request_positions: int = Field(default=8_192, gt=0)
    """Most positions in one request, over all its inputs."""

    max_batch_positions: int = Field(default=0, ge=0)
    """Most positions in one run of the model, padding included; bounds its memory. An input that is
    longer than this runs alone. 0: 512 on the CPU, 4096 on a GPU."""

    max_queue_positions: int = Field(default=32_768, gt=0)
    """Most positions that wait for one model; a request that would exceed it is refused (429)."""

    max_queue_s: float = Field(default=5.0, gt=0)
    """Longest that a request may have to wait for a model, in seconds, by what already waits; a
    request that comes later is refused (429)."""

    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds until an answer is of no use (504), for requests without X-Request-Timeout."""

    max_attention_floats: int = Field(default=4_194_304, gt=0)
    """Most numbers of attention in one answer; as JSON one takes about 9 bytes."""

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        if self.max_request_positions > self.max_queue_positions:
            raise ValueError(
                f"max_request_positions={self.max_request_positions} is more than "
                f"max_queue_positions={self.max_queue_positions}: such a request could never wait"
            )
        if self.admin_key and self.admin_key_file:
            raise ValueError("admin_key and admin_key_file are both set: only one can be the key")
        if self.api_keys and self.api_keys_file:
            raise ValueError("api_keys and api_keys_file are both set: the keys are in one of them")
        if self.ssl_keyfile and not self.ssl_certfile:
            raise ValueError("ssl_keyfile is set without ssl_certfile: a key of no certificate")
        return self
