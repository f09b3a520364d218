"""`slotlease serve`: the booking server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from slotlease.cli.ledger import CommandFailed, FileOption, StoreOption, settings_from

if TYPE_CHECKING:
    from slotlease.config import Settings
    from slotlease.serving import Serving

_DURATION = "DURATION"
GOOGLE_CLIENT = "mapsbooking.businesslink-3.net"
"""config.GOOGLE_CLIENT, which takes long to import: see cli/__init__.py."""


def _option(metavar: str, meaning: str, default: str) -> Any:
    """A setting's flag. Its own default is None, so that a flag that was not given wins over nothing."""
    return typer.Option(metavar=metavar, help=meaning, show_default=default)


def serve(
    *,
    store: StoreOption = None,
    store_scope: Annotated[
        str | None, _option("ledger|merchant", "merchant: a transaction for each merchant of a batch.", "ledger")
    ] = None,
    file: FileOption = None,
    grpc: Annotated[
        str | None, _option("HOST:PORT", "Where to listen; port 0 takes any free one.", "127.0.0.1:50051")
    ] = None,
    transport: Annotated[
        str | None,
        _option("grpcio|native", "What serves gRPC: native is faster and leaves TLS to a proxy in front.", "grpcio"),
    ] = None,
    rest: Annotated[str | None, _option("HOST:PORT|off", "Where to serve version 3, JSON over HTTP.", "off")] = None,
    rest_prefix: Annotated[
        str | None, _option("PATH", "What stands before /v3 in version 3's paths.", "nothing")
    ] = None,
    metrics: Annotated[
        str | None,
        _option("HOST:PORT|off", "Where Prometheus reads /metrics, on a port of its own and on loopback.", "off"),
    ] = None,
    traces: Annotated[
        str | None, _option("on|off", "Send OpenTelemetry traces; where to is said by its OTEL_* variables.", "off")
    ] = None,
    tls_certificate: Annotated[
        str | None, _option("PATH", "Serve TLS with this chain (PEM, our own certificate first).", "plaintext")
    ] = None,
    tls_key: Annotated[str | None, _option("PATH", "The certificate's private key (PEM).", "none")] = None,
    tls_client_roots: Annotated[
        str | None, _option("PATH", "Let in only callers with a certificate issued by these (PEM).", "any caller")
    ] = None,
    tls_client_names: Annotated[
        str | None, _option("NAME,...", "Of those, the ones that may call: DNS names or URIs.", GOOGLE_CLIENT)
    ] = None,
    insecure: Annotated[
        str | None, _option("on|off", "Without TLS or client roots, listen beyond this machine all the same.", "off")
    ] = None,
    leases: Annotated[
        str | None, _option("on|off", "Off: CreateLease is UNIMPLEMENTED, and the rest works.", "on")
    ] = None,
    lease_min: Annotated[str | None, _option(_DURATION, "The shortest lease granted.", "1m")] = None,
    lease_max: Annotated[str | None, _option(_DURATION, "The longest lease granted.", "15m")] = None,
    lease_default: Annotated[str | None, _option(_DURATION, "A lease where no expiry is asked for.", "10m")] = None,
    reflection: Annotated[str | None, _option("on|off", "Tell callers what the API looks like.", "off")] = None,
    workers: Annotated[
        str | None, _option("N", "Processes that serve the same ports, on PostgreSQL; limits are for each.", "1")
    ] = None,
    queue_max: Annotated[
        str | None, _option("N", "Requests that may wait; more are UNAVAILABLE at once.", "4096")
    ] = None,
    calls_max: Annotated[
        str | None, _option("N", "Calls that may be under way; more are UNAVAILABLE at once.", "256")
    ] = None,
    connections_max: Annotated[
        str | None, _option("N", "Connections that may be open; more are closed at once.", "200")
    ] = None,
    connection_idle: Annotated[
        str | None, _option(_DURATION, "How long a connection without calls stays open.", "5m")
    ] = None,
    connection_age: Annotated[
        str | None, _option(_DURATION, "After how long a connection's callers are sent to a new one.", "30m")
    ] = None,
    batch_max: Annotated[str | None, _option("N", "Requests that share one commit, at most.", "256")] = None,
    sweep_interval: Annotated[
        str | None,
        _option(_DURATION, "How often lapsed leases are marked (hourly: old ones deleted); 0: never.", "1m"),
    ] = None,
    probe_interval: Annotated[
        str | None, _option(_DURATION, "How often to try whether the ledger can be written; 0: never.", "2s")
    ] = None,
    probe_patience: Annotated[
        str | None, _option(_DURATION, "How long that may fail before health says NOT_SERVING.", "10s")
    ] = None,
    drain: Annotated[
        str | None, _option(_DURATION, "When stopping: how long to say NOT_SERVING and still answer.", "0s")
    ] = None,
    grace: Annotated[
        str | None,
        _option(_DURATION, "When stopping, or at a connection's age: how long calls may take to end.", "20s"),
    ] = None,
    log_format: Annotated[
        str | None, _option("auto|console|json", "auto: console on a terminal, json elsewhere.", "auto")
    ] = None,
    log_level: Annotated[str | None, _option("debug|info|warning|error", "From which level on to log.", "info")] = None,
) -> None:
    """Serve the ledger until SIGTERM or Ctrl-C.

    Versions 0 and 2 over gRPC, version 3 over HTTP where --rest says so.

    A DURATION is like 90s, 10m or 1h. Every option may also stand in the settings file (lease_min = "1m") or in the
    environment (SLOTLEASE_LEASE_MIN=1m); `slotlease config` shows which is in force.
    """
    settings = settings_from(
        file,
        store=store,
        store_scope=store_scope,
        grpc=grpc,
        transport=transport,
        rest=rest,
        rest_prefix=rest_prefix,
        metrics=metrics,
        traces=traces,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_client_roots=tls_client_roots,
        tls_client_names=tls_client_names,
        insecure=insecure,
        leases=leases,
        lease_min=lease_min,
        lease_max=lease_max,
        lease_default=lease_default,
        reflection=reflection,
        workers=workers,
        queue_max=queue_max,
        calls_max=calls_max,
        connections_max=connections_max,
        connection_idle=connection_idle,
        connection_age=connection_age,
        batch_max=batch_max,
        sweep_interval=sweep_interval,
        probe_interval=probe_interval,
        probe_patience=probe_patience,
        drain=drain,
        grace=grace,
        log_format=log_format,
        log_level=log_level,
    )
    if settings.workers > 1:
        _supervise(settings)
    else:
        _serve(settings)


def _serve(settings: Settings) -> None:
    from slotlease.certificate import CertificateRefused  # noqa: PLC0415 - slow to import: see cli/__init__.py
    from slotlease.serve import run  # noqa: PLC0415 - the same
    from slotlease.serving import CannotListen  # noqa: PLC0415 - the same
    from slotlease.telemetry.traces import TracesMissing  # noqa: PLC0415 - the same
    from slotlease.transport_native import TransportMissing  # noqa: PLC0415 - the same

    try:
        run(settings, _announce)
    except (CannotListen, CertificateRefused, TracesMissing, TransportMissing) as error:
        raise CommandFailed(str(error)) from error


def _supervise(settings: Settings) -> None:
    from slotlease.serving import CannotListen  # noqa: PLC0415 - slow to import: see cli/__init__.py
    from slotlease.supervise import WorkersRefused, run  # noqa: PLC0415 - the same

    try:
        run(settings, _announce)
    except (CannotListen, WorkersRefused) as error:
        raise CommandFailed(str(error)) from error


def _announce(serving: Serving) -> None:
    from slotlease.config import text_of  # noqa: PLC0415 - see cli/__init__.py

    settings = serving.settings
    terms = (settings.lease_min, settings.lease_max, settings.lease_default)
    shortest, longest, default = map(text_of, terms)
    leases = f"on ({shortest} to {longest}, {default} unless asked)" if settings.leases else "off"
    workers = f", {settings.workers} workers" if settings.workers > 1 else ""
    typer.echo(
        f"Serving {serving.store} on {serving.address}, leases {leases}{_guard(settings)}{workers}. Ctrl-C stops it."
    )
    if serving.rest_address:
        scheme = "http" if settings.tls_certificate is None else "https"
        typer.echo(f"Version 3 on {scheme}://{serving.rest_address}{settings.rest_prefix}/v3/")
    if serving.metrics_address:
        typer.echo(f"Metrics on http://{serving.metrics_address}/metrics")


def _guard(settings: Settings) -> str:
    if settings.tls_certificate is None:
        return ""
    if settings.tls_client_roots is None:
        return ", TLS, any caller"
    return f", TLS, callers: {', '.join(settings.tls_client_names)}"
