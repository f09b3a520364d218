"""A line between a server and its database that goes dead where it is told to: a TCP proxy that reads along.

It carries whole journeys: what a client sends up to its Sync, and what comes back up to ReadyForQuery. So a test can
name the journey that is lost and how far it came, by the statements that it carries.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536
WAIT_S = 10.0
_SSL_OFF = "sslmode=disable&gssencmode=disable"
"""No TLS, and no question for it: the line reads along."""


class Lost(Enum):
    """How far the journey came."""

    NOT_SENT = "before the database heard of it"
    HALF_SENT = "with its first half sent"
    LATE = "and reaches the database when it is over for who sent it"
    DONE = "when it was done"
    HALF_ANSWERED = "with half of its answer"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Journey:
    statements: tuple[str, ...]
    sent: bytes

    @property
    def ends(self) -> bool:
        """Whether a transaction ends with it."""
        return bool({"COMMIT", "ROLLBACK"}.intersection(self.statements))

    @property
    def locks(self) -> bool:
        return any("FOR NO KEY UPDATE" in statement for statement in self.statements)

    @property
    def commits(self) -> bool:
        return "COMMIT" in self.statements

    @property
    def writes(self) -> bool:
        """Writes and COMMIT, in one journey."""
        return self.commits and len(self.statements) > 1


Chosen = Callable[[int, Journey], bool]
"""Whether a journey is to be lost, by its number since the line was armed (from 1) and what it carries."""

Fate = Callable[[int, Journey], Lost | None]


def nothing() -> None:
    """What else happens meanwhile."""


class Line:
    """Between whoever connects to `url` and the database at `target`. `journeys` are those since it was armed."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        assert parts.hostname is not None
        assert parts.port is not None
        self._database = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        host = f"{parts.username}:{parts.password}@127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = urlunsplit(parts._replace(netloc=host, query=_SSL_OFF))
        self.journeys: list[Journey] = []
        self.lost: list[Journey] = []
        self.dead = False
        """Then it takes nobody's call."""
        self._lock = threading.Condition()
        self._fate_of: Fate = _arrives
        self._stays_dead = False
        self._all_at_once = False
        self.meanwhile: Callable[[], None] = nothing
        self._wires: set[_Wire] = set()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def arm(self, how: Lost, chosen: Chosen, *, stays_dead: bool = False, all_at_once: bool = False) -> None:
        """The first journey that is `chosen` is lost, with it every connection (`all_at_once`), and with `stays_dead`
        nobody is connected any more until `mend`. `meanwhile` is called once the database has done with the journey,
        and before its sender learns of anything."""

        def once(number: int, journey: Journey) -> Lost | None:
            return how if not self.lost and chosen(number, journey) else None

        self.arm_with(once, stays_dead=stays_dead, all_at_once=all_at_once)

    def arm_with(self, fate_of: Fate, *, stays_dead: bool = False, all_at_once: bool = False) -> None:
        """The same for as many journeys as `fate_of` says."""
        with self._lock:
            self.journeys, self.lost = [], []
            self._fate_of = fate_of
            self._stays_dead, self._all_at_once = stays_dead, all_at_once

    def mend(self) -> None:
        with self._lock:
            self.journeys, self._fate_of, self.dead, self.meanwhile = [], _arrives, False, nothing

    def drop_all(self) -> None:
        """Every connection is lost, whatever it is doing."""
        with self._lock:
            wires = list(self._wires)
        for wire in wires:
            wire.drop()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()
        for thread in self._threads:
            thread.join()

    # --- below -----------------------------------------------------------------------------------------------------

    def _start(self, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.dead:
                    raise ConnectionRefusedError
                database = socket.create_connection(self._database, timeout=10)
            except OSError:
                client.close()
                continue
            for end in (client, database):
                end.settimeout(None)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire = _Wire(client, database)
            with self._lock:
                self._wires.add(wire)
            self._start(partial(self._carry, wire))
            self._start(partial(self._answer, wire))

    def _carry(self, wire: _Wire) -> None:
        """What the client sends, journey by journey."""
        with contextlib.suppress(OSError):
            for sent, statements in wire.sent():
                how = None if statements is None else self._fate(Journey(statements, sent))
                if how is None:
                    wire.database.sendall(sent)
                    continue
                if how in {Lost.DONE, Lost.HALF_ANSWERED}:
                    wire.answer_lost = how
                    wire.database.sendall(sent)
                    continue
                wire.is_ending = True
                if how is Lost.HALF_SENT:
                    wire.database.sendall(sent[: len(sent) // 2])
                if how is not Lost.LATE:
                    wire.hang_up()
                self._lose(wire)
                if how is Lost.LATE:
                    self._wait_for_another_try()
                    wire.database.sendall(sent)
                    wire.late.wait(WAIT_S)
                    wire.hang_up()
                return
        if wire.answer_lost is None:
            wire.drop()

    def _answer(self, wire: _Wire) -> None:
        """What the database answers."""
        with contextlib.suppress(OSError):
            self._pass_answers(wire)
        wire.late.set()
        if not wire.is_ending:
            wire.drop()
        with self._lock:
            self._wires.discard(wire)

    def _pass_answers(self, wire: _Wire) -> None:
        for answer, ready in wire.answered():
            if wire.is_lost:
                if ready:
                    wire.late.set()
            elif wire.answer_lost is None:
                wire.client.sendall(answer)
            elif ready:
                if wire.answer_lost is Lost.HALF_ANSWERED:
                    wire.client.sendall(answer[: len(answer) // 2])
                wire.hang_up()
                self._lose(wire)
                return

    def _wait_for_another_try(self) -> None:
        """Whoever sent what is late asks for the same locks once more."""
        seen = len(self.journeys)
        with self._lock:
            self._lock.wait_for(lambda: any(journey.locks for journey in self.journeys[seen:]), WAIT_S)

    def _fate(self, journey: Journey) -> Lost | None:
        with self._lock:
            self.journeys.append(journey)
            self._lock.notify_all()
            how = self._fate_of(len(self.journeys), journey)
            if how is not None:
                self.lost.append(journey)
                self.dead = self._stays_dead
            return how

    def _lose(self, wire: _Wire) -> None:
        """The database has heard all that it will hear; now whoever called may find out."""
        meanwhile, self.meanwhile = self.meanwhile, nothing
        meanwhile()
        if self._all_at_once:
            self.drop_all()
        wire.is_lost = True
        wire.let_know()


@dataclass(slots=True, eq=False)
class _Wire:
    """One connection, from end to end."""

    client: socket.socket
    database: socket.socket
    answer_lost: Lost | None = None
    is_ending: bool = False
    """Who carries the lost journey ends the connection, and nobody before."""
    is_lost: bool = False
    late: threading.Event = field(default_factory=threading.Event)
    """Set once the database has answered what came late."""

    def sent(self) -> Iterator[tuple[bytes, tuple[str, ...] | None]]:
        """What the client sends, and of a journey its statements; of what is none, None."""
        stream = _Stream(self.client)
        head = stream.take(4)
        yield head + stream.take(int.from_bytes(head, "big") - 4), None
        texts: dict[bytes, str] = {}
        sent, statements = bytearray(), list[str]()
        while True:
            kind, message = stream.message()
            sent += message
            body = message[5:]
            match kind:
                case b"P":
                    name, text, _ = body.split(b"\0", 2)
                    texts[name] = text.decode()
                case b"B":
                    _, name, _ = body.split(b"\0", 2)
                    statements.append(texts[name])
                case b"Q":
                    statements.append(body[:-1].decode())
                case _:
                    pass
            if kind in b"SQ":
                yield bytes(sent), tuple(statements)
                sent, statements = bytearray(), []
            elif kind in b"XpHdcf":
                yield bytes(sent), None
                sent = bytearray()

    def answered(self) -> Iterator[tuple[bytes, bool]]:
        """What the database sends, and whether it is ready for more then."""
        stream = _Stream(self.database)
        answer = bytearray()
        while True:
            kind, message = stream.message()
            answer += message
            if kind == b"Z" or not stream.has_more:
                yield bytes(answer), kind == b"Z"
                answer = bytearray()

    def hang_up(self) -> None:
        _close(self.database)

    def let_know(self) -> None:
        _close(self.client)

    def drop(self) -> None:
        self.is_lost = True
        self.hang_up()
        self.let_know()


class _Stream:
    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._buffer = bytearray()

    @property
    def has_more(self) -> bool:
        return bool(self._buffer)

    def take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = self._end.recv(CHUNK_BYTES)
            if not data:
                raise ConnectionResetError
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def message(self) -> tuple[bytes, bytes]:
        head = self.take(5)
        return head[:1], head + self.take(int.from_bytes(head[1:], "big") - 4)


def _close(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _arrives(_: int, __: Journey) -> None:
    """As nearly always."""


@contextmanager
def line_to(target: str) -> Iterator[Line]:
    line = Line(target)
    try:
        yield line
    finally:
        line.close()
