"""How to reach the PDP, and as whom."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

_OPTIONS = (
    # Only what is written here decides how calls are made, not a DNS record.
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.enable_retries", 0),
    # A server that comes back is found again within seconds, and one that vanished is noticed.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 3_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
)


@dataclass(frozen=True, kw_only=True)
class TLS:
    """TLS, with PEM files. Without `ca_file` the authorities that gRPC trusts by default."""

    ca_file: str | os.PathLike[str] | None = None
    cert_file: str | os.PathLike[str] | None = None
    key_file: str | os.PathLike[str] | None = None
    server_name: str = ""
    """The name that the server's certificate is for, if it is not the address's."""

    def credentials(self) -> grpc.ChannelCredentials:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("a client certificate needs its key, and a key its certificate")
        read = [None if f is None else Path(f).read_bytes() for f in (self.ca_file, self.key_file, self.cert_file)]
        return grpc.ssl_channel_credentials(*read)


@dataclass(frozen=True)
class Connection:
    """An address and a credential, checked. The repr leaves the credential out."""

    address: str
    token: str | None = field(repr=False)
    token_file: str | os.PathLike[str] | None
    tls: TLS | None
    _credentials: Any = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        certified = self.tls is not None and self.tls.cert_file is not None
        if (self.token is not None and self.token_file is not None) or (self.token is None and self.token_file is None and not certified):
            raise ValueError("give either a token or a token file, or a client certificate in tls")
        if self.tls is None and not _is_loopback(self.address):
            raise ValueError(f"{self.address} is not on loopback: a credential is sent over TLS only, give tls=TLS(...)")
        self.metadata()
        if self.tls:
            object.__setattr__(self, "_credentials", self.tls.credentials())

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """The credential for one call; with a client certificate alone, nothing. A file is read for each call, so that a
        renewed token is used at once."""
        if self.token is None and self.token_file is None:
            return ()
        token = (Path(self.token_file).read_text() if self.token_file is not None else self.token or "").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("the credential is empty or holds characters that no header may have")
        return (("authorization", f"Bearer {token}"),)

    def open(self, kind: Any) -> Any:
        """A channel of `grpc` or `grpc.aio`. Nothing is sent before the first call."""
        if self.tls is None:
            # A proxy would get the credential in plain text.
            return kind.insecure_channel(self.address, options=(*_OPTIONS, ("grpc.enable_http_proxy", 0)))
        name = (("grpc.ssl_target_name_override", self.tls.server_name),) if self.tls.server_name else ()
        return kind.secure_channel(self.address, self._credentials, options=(*_OPTIONS, *name))


def _is_loopback(address: str) -> bool:
    host, colon, _ = address.rpartition(":")
    if host == "localhost":
        return True
    try:
        return bool(colon) and ipaddress.ip_address(host.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
