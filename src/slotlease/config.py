"""Settings: read once, checked whole, frozen. A file < the environment (SLOTLEASE_*) < a flag of the command."""

from __future__ import annotations

import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, PrivateAttr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

DEFAULT_FILE: Final = Path("slotlease.toml")
"""Read from the working directory where it is there and no other file is named."""

ENVIRONMENT_PREFIX: Final = "SLOTLEASE_"
FILE_VARIABLE: Final = "SLOTLEASE_CONFIG"
"""Names the file, so it can be no setting itself."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", re.ASCII)
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_DURATION_MAX = timedelta(days=366)
_PORT_MAX = 65_535

GOOGLE_CLIENT: Final = "mapsbooking.businesslink-3.net"
"""The name in the certificate that Google's booking client shows (Actions Center, gRPC authentication)."""

_CLIENT_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|[A-Za-z][A-Za-z0-9+.-]*:[!-~]+", re.ASCII)


GRPCIO_ONLY: Final = tuple(
    "tls_certificate tls_key tls_client_roots tls_client_names connections_max connection_idle connection_age".split()
)
"""What the other server library cannot do: the proxy in front of it does."""

_UNKNOWN_TO_NATIVE = "the native transport leaves this to the proxy in front; take it out, or set transport = grpcio"


class SettingsRefused(Exception):
    """Some setting is wrong; the text says of each one what is wrong, where it stands, and what to write instead."""


def duration_of(value: object) -> timedelta:
    """The time in a text like `90s`, `10m` or `1.5h`, or in a plain number of seconds. Raises ValueError."""
    if isinstance(value, timedelta):
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match = _DURATION.fullmatch(str(value).strip()) if is_number or isinstance(value, str) else None
    if match is None or float(match[1]) > _DURATION_MAX.total_seconds():
        raise ValueError("is no duration; write a number with its unit, like 90s, 10m or 1.5h")
    duration = float(match[1]) * _UNITS[match[2] or "s"]
    if duration > _DURATION_MAX:
        raise ValueError(f"is too long; at most {text_of(_DURATION_MAX)}")
    return duration


def _at_least(least: timedelta) -> Callable[[object], timedelta]:
    def check(value: object) -> timedelta:
        duration = duration_of(value)
        if duration < least:
            raise ValueError(f"is too short; at least {text_of(least)}")
        return duration

    return check


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"on": True, "true": True, "off": False, "false": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError("is neither on nor off; write one of the two")
    return known[value.strip().lower()]


def _whole(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        digits = str(value).strip() if isinstance(value, int | str) else ""
        if not re.fullmatch(r"[0-9]{1,12}", digits) or not low <= int(digits) <= high:
            raise ValueError(f"is no whole number from {low:,} to {high:,}")
        return int(digits)

    return check


def _one_of(*words: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        word = value.strip().lower() if isinstance(value, str) else ""
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return check


def _address(value: object) -> str:
    host, colon, port = value.strip().rpartition(":") if isinstance(value, str) else ("", "", "")
    numbered = re.fullmatch(r"[0-9]{1,5}", port) is not None and int(port) <= _PORT_MAX
    bare_ipv6 = ":" in host and not (host.startswith("[") and host.endswith("]"))
    if not (host and colon and numbered) or bare_ipv6:
        raise ValueError("is no HOST:PORT; write for example 127.0.0.1:50051, 0.0.0.0:50051 or [::]:50051")
    return f"{host}:{port}"


def _address_or_off(value: object) -> str:
    if isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() == "off"):
        if value is True:
            raise ValueError("is neither off nor HOST:PORT; write for example 127.0.0.1:9464")
        return "off"
    return _address(value)


def _path(value: object) -> str:
    path = value.strip().rstrip("/") if isinstance(value, str) else "?"
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise ValueError("is no path; write for example /google, or nothing")
    return path


def _named(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is empty; write for example sqlite:///ledger.db")
    return value


def _file(value: object) -> Path | None:
    if value is not None and not isinstance(value, str | Path):
        raise ValueError("is no path of a file")
    return Path(value) if value is not None and str(value).strip() else None


def _client_names(value: object) -> tuple[str, ...]:
    """From a list, or from a text with commas: a flag and a variable have no lists."""
    parts = value.split(",") if isinstance(value, str) else value
    names = [str(part).strip() for part in parts] if isinstance(parts, list | tuple) else []
    if not names or not all(_CLIENT_NAME.fullmatch(name) for name in names):
        raise ValueError(
            f"is no list of DNS names or URIs; write commas between them, for example {GOOGLE_CLIENT},probe.example"
        )
    return tuple(names)


# A lease ends on a whole second (domain/lease.py), so below one second it could end before it began.
_LeaseDuration = Annotated[timedelta, BeforeValidator(_at_least(timedelta(seconds=1)))]
_Duration = Annotated[timedelta, BeforeValidator(_at_least(timedelta()))]
_ConnectionTime = Annotated[timedelta, BeforeValidator(_at_least(timedelta(milliseconds=100)))]
_Switch = Annotated[bool, BeforeValidator(_switch)]


class Settings(BaseSettings):
    """What an operator may decide. `slotlease serve --help` says what each one means."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, validate_default=True
    )

    store: Annotated[str, BeforeValidator(_named)] = "sqlite:///slotlease.db"
    tls_certificate: Annotated[Path | None, BeforeValidator(_file)] = None
    tls_key: Annotated[Path | None, BeforeValidator(_file)] = None
    tls_client_roots: Annotated[Path | None, BeforeValidator(_file)] = None
    tls_client_names: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_client_names)] = (GOOGLE_CLIENT,)
    insecure: _Switch = False
    store_scope: Annotated[Literal["ledger", "merchant"], BeforeValidator(_one_of("ledger", "merchant"))] = "ledger"
    workers: Annotated[int, BeforeValidator(_whole(1, 64))] = 1
    transport: Annotated[Literal["grpcio", "native"], BeforeValidator(_one_of("grpcio", "native"))] = "grpcio"
    # After the others, since it is judged by them.
    grpc: Annotated[str, BeforeValidator(_address)] = "127.0.0.1:50051"
    rest: Annotated[str, BeforeValidator(_address_or_off)] = "off"
    # In front of /v3, where the Actions Center was told so.
    rest_prefix: Annotated[str, BeforeValidator(_path)] = ""
    leases: _Switch = True
    lease_min: _LeaseDuration = timedelta(minutes=1)
    lease_max: _LeaseDuration = timedelta(minutes=15)
    # After the two others, since it is judged by them.
    lease_default: _LeaseDuration = timedelta(minutes=10)
    reflection: _Switch = False
    queue_max: Annotated[int, BeforeValidator(_whole(1, 1_000_000))] = 4096
    calls_max: Annotated[int, BeforeValidator(_whole(1, 1_000_000))] = 256
    # Times 256 streams, times what half a call costs, this is the memory that callers who never finish can take.
    connections_max: Annotated[int, BeforeValidator(_whole(1, 1_000_000))] = 200
    connection_idle: _ConnectionTime = timedelta(minutes=5)
    connection_age: _ConnectionTime = timedelta(minutes=30)
    batch_max: Annotated[int, BeforeValidator(_whole(1, 10_000))] = 256
    spots_total_max: Annotated[int, BeforeValidator(_whole(1, 1_000_000))] = 10_000
    sweep_interval: _Duration = timedelta(minutes=1)
    probe_interval: _Duration = timedelta(seconds=2)
    probe_patience: _Duration = timedelta(seconds=10)
    drain: _Duration = timedelta()
    grace: _Duration = timedelta(seconds=20)
    # Off: a second port is opened by whoever wants it, and two servers on one machine would fight over it.
    metrics: Annotated[str, BeforeValidator(_address_or_off)] = "off"
    traces: _Switch = False
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_one_of("auto", "console", "json"))] = (
        "auto"
    )
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(_one_of("debug", "info", "warning", "error"))
    ] = "info"

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load_settings` hands over: it reads the sources one by one, to know where each value is from."""
        return (init_settings,)

    @field_validator("metrics")
    @classmethod
    def _read_by_us_alone(cls, value: str, info: ValidationInfo) -> str:
        """Plain HTTP to whoever reaches it: how many leases there are is nobody else's business."""
        if value == "off" or info.data.get("insecure", False) or _is_loopback(value):
            return value
        raise ValueError(
            "can be reached from other machines and asks nobody who they are; listen on 127.0.0.1, or, where only your "
            "scraper reaches the address, set insecure = on"
        )

    @field_validator("lease_default")
    @classmethod
    def _between_the_others(cls, value: timedelta, info: object) -> timedelta:
        others: Mapping[str, timedelta] = getattr(info, "data", {})
        least, most = others.get("lease_min"), others.get("lease_max")
        if least is None or most is None:
            return value  # refused already
        if least > most:
            raise ValueError(f"has no room: lease_min ({text_of(least)}) is longer than lease_max ({text_of(most)})")
        if not least <= value <= most:
            raise ValueError(
                f"must lie between lease_min ({text_of(least)}) and lease_max ({text_of(most)}); change one of them"
            )
        return value

    @field_validator("tls_key", "tls_client_roots")
    @classmethod
    def _with_a_certificate(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("tls_certificate")
        if value is not None and certificate is None:
            raise ValueError("is of no use without tls_certificate; give that too")
        if info.field_name == "tls_key" and value is None and certificate is not None:
            raise ValueError("is missing: tls_certificate was given; give the file with its private key")
        return value

    @field_validator("grpc")
    @classmethod
    def _safe(cls, value: str, info: ValidationInfo) -> str:
        """Without TLS the network between reads customers' names; without client roots anybody may book."""
        if info.data.get("insecure", True) or _is_loopback(value):
            return value
        if info.data.get("transport") == "native":
            raise ValueError(
                "can be reached from other machines, and the native transport speaks plaintext; listen on 127.0.0.1, "
                "or, where a proxy in front ends TLS and checks callers, set insecure = on, or transport = grpcio"
            )
        if info.data.get("tls_certificate") is None:
            raise ValueError(
                "can be reached from other machines and would speak plaintext; give tls_certificate, tls_key and "
                "tls_client_roots (`slotlease cert test-ca` makes some to try), or listen on 127.0.0.1, or, where "
                "something in front ends TLS and checks callers, set insecure = on"
            )
        if info.data.get("tls_client_roots") is None and "tls_client_roots" in info.data:
            raise ValueError(
                "can be reached from other machines and would answer whoever calls; give tls_client_roots, the "
                "certificates that issue your callers' ones, or set insecure = on"
            )
        return value

    @field_validator("rest")
    @classmethod
    def _safe_for_passwords(cls, value: str, info: ValidationInfo) -> str:
        """Version 3's callers show a password, which plaintext would show to the network between. That there is a
        password to show is seen at the start, on the ledger."""
        open_to_others = value != "off" and not _is_loopback(value)
        if not open_to_others or info.data.get("insecure", True) or info.data.get("tls_certificate") is not None:
            return value
        raise ValueError(
            "can be reached from other machines and would speak plaintext, passwords too; give tls_certificate and "
            "tls_key, or listen on 127.0.0.1, or, where something in front ends TLS, set insecure = on"
        )

    @property
    def rest_needs_credential(self) -> bool:
        """Whether version 3's port, without any credential, lets nobody in rather than everybody."""
        return not (self.rest == "off" or self.insecure or _is_loopback(self.rest))

    def origin(self, name: str) -> str:
        """Where the value came from: `default`, a file's path, a variable or a flag."""
        return self._origins.get(name, "default")


def load_settings(flags: Mapping[str, object], file: Path | None = None) -> Settings:
    """Everything decided, from the file, the environment and the flags (None: not given), the later winning.

    `file` None reads DEFAULT_FILE where there is one. Raises SettingsRefused with everything that is wrong.
    """
    path = DEFAULT_FILE if file is None and DEFAULT_FILE.is_file() else file
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for name, value in (_read_file(path) if path is not None else {}).items():
        values[name], origins[name] = value, str(path)
    for name, value in EnvSettingsSource(Settings)().items():
        values[name], origins[name] = value, ENVIRONMENT_PREFIX + name.upper()
    for name, value in flags.items():
        if value is not None:
            values[name], origins[name] = value, flag_of(name)
    problems = [f"  {name} (from {origins[name]}): {_UNKNOWN_TO_NATIVE}" for name in _lost_on_native(values)]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(detail, origins) for detail in error.errors()]
    if settings is None or problems:
        raise SettingsRefused("\n".join(["these settings are wrong, nothing was started:", *problems]))
    settings._origins.update(origins)  # noqa: SLF001 - its own module
    return settings


def _lost_on_native(values: Mapping[str, object]) -> list[str]:
    """What was given, at whatever value, and would silently not hold (docs/decisions/0023)."""
    if str(values.get("transport")).strip().lower() != "native":
        return []
    return [name for name in GRPCIO_ONLY if str(values.get(name) or "").strip()]


def _is_loopback(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        # Any other name may mean any address.
        return False


def unread_variables() -> tuple[str, ...]:
    """Variables that look like ours and name no setting: a slip, or another program's (Kubernetes makes such ones
    for a service called slotlease), so they are told of and never refused."""
    known = {ENVIRONMENT_PREFIX + name.upper() for name in Settings.model_fields} | {FILE_VARIABLE}
    return tuple(sorted(name for name in os.environ if name.startswith(ENVIRONMENT_PREFIX) and name not in known))


def flag_of(name: str) -> str:
    return "--" + name.replace("_", "-")


def text_of(value: object) -> str:
    """A setting's value as one would write it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if value is None:
        return ""
    if not isinstance(value, timedelta):
        return str(value)
    for unit in ("d", "h", "m", "s", "ms"):
        if value and value % _UNITS[unit] == timedelta():
            return f"{value // _UNITS[unit]}{unit}"
    return f"{value.total_seconds():g}s"


def _read_file(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"the settings file {path} cannot be read ({error.strerror}); check its path and its rights"
        raise SettingsRefused(message) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f'the settings file {path} is no TOML: {error}; write lines like lease_min = "1m"'
        raise SettingsRefused(message) from error


def _problem(detail: ErrorDetails, origins: Mapping[str, str]) -> str:
    name = str(detail["loc"][0])
    place = origins.get(name, "default")
    if detail["type"] == "extra_forbidden":
        return f"  {name} (from {place}): is no setting; the settings are {', '.join(Settings.model_fields)}"
    given, wrong = detail["input"], detail.get("ctx", {}).get("error", detail["msg"])
    return f"  {name} = {given if isinstance(given, str) else text_of(given)} (from {place}): {wrong}"
