"""Measures one row: a workload on one kind of server, several times, each on a fresh ledger and a fresh process."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import grpc

from bench import caller
from bench.caller import ECHO
from bench.databases import Database
from bench.machine import foreign_cores, memory_mb, peak_memory_mb, spent_s
from bench.requests import METHODS, Encoder, Kind, Planned
from bench.row import CPP, PLAIN, Measured, Row, Run
from bench.servers import Server, audit_of_ledger, compiled, echoing, plain, serving
from bench.tape import LOST, Call, Request, write_tape
from bench.workloads import WORKLOADS, Seen, Workload, quantile
from slotlease.wire.proto.v2.booking_pb2 import BookingFailure

WARM_S = 0.5
CONNECTIONS = {1: 1, 16: 4, 64: 4, 128: 8}
"""By how many callers there are at once, for HTTP/2. HTTP/1.1 has one for each."""

CALLS_PER_S_MAX = {"grpcio": 12_000, "native": 45_000, "http": 6_000, PLAIN: 6_000}
"""What a tape must be long enough for."""

CYCLE = 5_000
SLOTS_RECOUNTED = 10_000
"""A larger ledger takes too long to recount after each run."""

_CODES = {code.value[0]: code.name for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Bench:
    """`databases` by the name of the store; `scratch` is on the disk that is measured."""

    programs: Mapping[str, Path]
    databases: Mapping[str, Database]
    scratch: Path
    runs: int
    tries: int

    def measure(self, row: Row) -> Measured:
        workload = WORKLOADS[row.workload]
        with TemporaryDirectory(dir=self.scratch) as folder:
            planned, tape = _prepare(row, workload, Path(folder))
            clean: list[Run] = []
            disturbed: list[Run] = []
            while len(clean) < self.runs and len(clean) + len(disturbed) < self.tries:
                with TemporaryDirectory(dir=folder) as fresh:
                    run = _Running(self, row, workload, planned, tape, Path(fresh)).run(len(clean) + len(disturbed))
                (disturbed if run.is_disturbed else clean).append(run)
        disturbed.sort(key=lambda run: run.foreign_cores)
        chosen = [*clean, *disturbed[: self.runs - len(clean)]]
        return Measured(row, sorted(chosen, key=lambda run: run.calls_per_s), len(clean) + len(disturbed))


def _prepare(row: Row, workload: Workload, folder: Path) -> tuple[list[Planned], Path]:
    length = CYCLE
    if not workload.cycles:
        rate = row.rate_per_s * 1.5 or CALLS_PER_S_MAX[row.transport] / (4 if row.concurrent == 1 else 1)
        length = int(rate * (row.for_s + 2 * WARM_S))
    planned = list(islice(workload.requests(workload.inventory, str(row)), length))
    encoder = Encoder(row.api, workload.inventory)
    return planned, _tape(row, folder / "tape", (encoder.request(one) for one in planned))


def _tape(row: Row, path: Path, requests: Iterator[Request]) -> Path:
    write_tape(path, METHODS[row.api], requests, grpc=row.transport != "http")
    return path


@dataclass
class _Running:
    bench: Bench
    row: Row
    workload: Workload
    planned: list[Planned]
    tape: Path
    folder: Path
    url: str = ""

    @property
    def database(self) -> Database:
        return self.bench.databases[self.row.store]

    def run(self, number: int) -> Run:
        log = self.folder / "calls"
        with self._server() as server:
            idle_mb = memory_mb([server.pid])
            loaded = caller.call(
                self.bench.programs["load"],
                self._load(server, number),
                log,
                measuring=lambda: self._crash_soon(server, number),
            )
            pids = loaded.after.tree(server.pid) | loaded.before.tree(server.pid)
            peak_mb = peak_memory_mb(pids)
        wrong = self._audit(loaded)
        if self.workload.crashes:
            wrong += self._asked_again(loaded)
        if self.url:
            self.database.drop(self.url)
        return self._figures(loaded, pids, wrong, (server.start_s, idle_mb, peak_mb))

    @contextmanager
    def _server(self) -> Iterator[Server]:
        chosen: AbstractContextManager[Server]
        if self.workload.name == "echo":
            cpp = self.row.transport == CPP
            chosen = compiled(self.bench.programs[ECHO]) if cpp else echoing(self.row.transport)
        elif self.row.transport == PLAIN:
            self.url = self.database.empty()
            chosen = plain(self.url, self.workload.inventory)
        else:
            if not self.url:
                self.url = self.database.fresh(self.workload.inventory, self.folder)
            chosen = serving(self.url, self.folder, self.row.transport, self._options())
        with chosen as server:
            yield server

    def _options(self) -> list[str]:
        options = [*self.workload.options, "--batch-max", str(self.row.batch_max)]
        return [*options, "--workers", str(self.row.processes)] if self.row.processes > 1 else options

    def _load(self, server: Server, number: int) -> caller.Load:
        row, http1 = self.row, self.row.transport == "http"
        return caller.Load(
            address=server.address,
            tape=self.tape,
            connections=row.concurrent if http1 else CONNECTIONS[row.concurrent],
            concurrent=row.concurrent,
            warm_s=WARM_S,
            for_s=row.for_s,
            rate_per_s=row.rate_per_s,
            seed=number + 1,
            http1=http1,
            cycles=self.workload.cycles,
        )

    def _audit(self, loaded: caller.Loaded) -> list[str]:
        seen = [(self.planned[call.record], call) for call in loaded.calls]
        wrong = [one for audit in self.workload.audits for one in audit(self.workload.inventory, seen)]
        if self.url and self.row.transport != PLAIN and self.workload.inventory.slots <= SLOTS_RECOUNTED:
            wrong += audit_of_ledger(self.url, self._live(seen))
        if not any(call.is_answered for call in loaded.calls):
            wrong.append("no call was answered")
        return wrong

    def _live(self, seen: Seen) -> int | None:
        """Leases that were granted and not booked; None where some lapse, or where somebody had no answer."""
        if self.workload.options or not all(call.is_answered for _, call in seen):
            return None
        leased, booked = (
            {call.text for planned, call in seen if planned.kind is kind and call.told == "i"}
            for kind in (Kind.LEASE, Kind.BOOK)
        )
        return self.workload.inventory.held + len(leased) - len(booked)

    def _crash_soon(self, server: Server, number: int) -> None:
        if self.workload.crashes:
            after_s = self.row.for_s * Random(number).uniform(0.2, 0.9)
            threading.Timer(after_s, server.kill).start()

    def _asked_again(self, loaded: caller.Loaded) -> list[str]:
        """Every call of before once more, to a new server on the same ledger: who had an answer must get the same."""
        order = sorted(call.record for call in loaded.calls)
        encoder = Encoder(self.row.api, self.workload.inventory)
        tape = _tape(self.row, self.folder / "again", (encoder.request(self.planned[one]) for one in order))
        with self._server() as server:
            load = caller.Load(server.address, tape, 4, 64, warm_s=0, for_s=120)
            again = caller.call(self.bench.programs["load"], load, self.folder / "calls-again")
        second = {order[call.record]: call.text for call in again.calls if call.told == "i"}
        first = {call.record: call.text for call in loaded.calls if call.told == "i"}
        lost = [record for record, lease_id in first.items() if second.get(record) != lease_id]
        wrong = [f"{len(lost)} of {len(first)} acknowledged leases were lost in the crash"] if lost else []
        unanswered = [call for call in again.calls if call.told != "i"]
        return wrong + ([f"{len(unanswered)} calls had no lease after the crash"] if unanswered else [])

    def _figures(
        self, loaded: caller.Loaded, pids: set[int], wrong: list[str], memory: tuple[float, float, float]
    ) -> Run:
        measured = [call for call in loaded.calls if 0 <= call.end_ns < loaded.measured_s * 1e9]
        answered = [call for call in measured if call.is_answered]
        took_ms = sorted((call.end_ns - call.due_ns) / 1e6 for call in answered)
        before, after = loaded.before, loaded.after
        wall_s = after.at_s - before.at_s
        server_s = spent_s(before, after, pids)
        database = after.tree(self.database.pid) | before.tree(self.database.pid) if self.database.pid else set[int]()
        database_s = spent_s(before, after, database)
        foreign = max(0.0, foreign_cores(before, after, pids | database) - loaded.client_cpu_s / wall_s)
        per_call = 1e6 / max(1, len(measured))
        return Run(
            calls_per_s=len(answered) / loaded.measured_s,
            pairs_per_s=sum(self.planned[call.record].chained for call in answered) / loaded.measured_s,
            p50_ms=quantile(took_ms, 0.5),
            p99_ms=quantile(took_ms, 0.99),
            p999_ms=quantile(took_ms, 0.999),
            server_us=server_s * per_call,
            client_us=loaded.client_cpu_s * per_call,
            database_us=database_s * per_call,
            server_cores=server_s / wall_s,
            client_cores=loaded.client_cpu_s / wall_s,
            foreign_cores=foreign,
            start_s=memory[0],
            idle_mb=memory[1],
            peak_mb=memory[2],
            answers=dict(Counter(map(_named, measured)).most_common()),
            wrong=wrong,
        )


def _named(call: Call) -> str:
    """How a call ended, in the API's words."""
    if call.code == LOST:
        return "no answer"
    ended = _CODES.get(call.code, str(call.code))
    if call.told != "c":
        return ended
    cause = call.text or BookingFailure.Cause.Name(BookingFailure.Cause.ValueType(call.counted))
    return f"{ended} {cause}"
