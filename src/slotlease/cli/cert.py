"""`slotlease cert ...`: certificates to try TLS with."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from slotlease.cli.ledger import CommandFailed
from slotlease.cli.serve import GOOGLE_CLIENT

commands = typer.Typer(help="Make certificates to try TLS with.", no_args_is_help=True)

_PUBLIC, _PRIVATE = 0o644, 0o600


@commands.callback()
def _group() -> None:
    """Keeps `test-ca` a word of its own, though it is the only command."""


@commands.command("test-ca")
def make_test_ca(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to write; made if it is not there.")],
    server_name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A DNS name or address of the server; may be repeated.", show_default=False),
    ] = None,
    client_name: Annotated[
        str, typer.Option(metavar="NAME", help="The caller's name; Google's client has the default one.")
    ] = GOOGLE_CLIENT,
    days: Annotated[int, typer.Option(min=1, max=397, help="For how long they are good.")] = 30,
) -> None:
    """Make certificates to try mutual TLS with.

    An authority, and a server and a client certificate that it issued. The server is called localhost, 127.0.0.1 and
    ::1 where no name is given. The authority's key is thrown away, so it can issue nothing more. For the real server,
    get a certificate from an authority that Google accepts.
    """
    from slotlease.cli.cert_making import NameRefused, make_test_certificates  # noqa: PLC0415 - see cli/__init__.py

    try:
        names = server_name or ["localhost", "127.0.0.1", "::1"]
        made = make_test_certificates(names, client_name, datetime.now(tz=UTC), days)
        _write(folder, made)
    except NameRefused as error:
        raise CommandFailed(str(error)) from error
    except FileExistsError as error:
        message = f"{error.filename} is there already and was left as it is; choose another folder, or remove the file"
        raise CommandFailed(message) from error
    except OSError as error:
        message = f"{error.filename or folder} cannot be written ({error.strerror}); choose another folder"
        raise CommandFailed(message) from error
    at = {name: folder / name for name in made}
    typer.echo(
        f"Written to {folder}, good for {days} days: {', '.join(made)}. For trying only. Now:\n\n"
        f"  slotlease serve --tls-certificate {at['server.pem']} --tls-key {at['server.key']} "
        f"--tls-client-roots {at['ca.pem']} --tls-client-names {client_name}\n\n"
        f"and let the caller trust {at['ca.pem']} and show {at['client.pem']} with {at['client.key']}."
    )


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All or, where one is there already, none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in files:
        if os.path.lexists(folder / name):
            raise FileExistsError(None, None, str(folder / name))
    for name, content in files.items():
        # Private from its first moment on, not from a little later.
        mode = _PRIVATE if name.endswith(".key") else _PUBLIC
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
