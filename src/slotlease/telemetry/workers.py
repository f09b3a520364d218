"""The numbers of several workers as those of one server.

Each worker has a page of its own on loopback; the supervisor reads them all whenever it is read. What a worker counted
is kept when it ends, for a counter that falls would be taken for one that began anew, and what is summed over all
workers would be counted again.
"""

from __future__ import annotations

import http.client
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, ProcessCollector, disable_created_metrics
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from slotlease.telemetry.metrics_page import PATH

READ_MAX_S = 1.0
"""How long one worker may take to tell its numbers; later it is told with its last ones."""

SUPERVISOR: Final = "supervisor"

GAUGES: Final[Mapping[str, Callable[[Iterable[float]], float]]] = {
    "slotlease_calls_in_flight": sum,
    "slotlease_queue_depth": sum,
    # Of one ledger, so each worker tells the same.
    "slotlease_live_leases": max,
    "slotlease_credential_days_left": min,
    "slotlease_certificate_days_left": min,
    # The worst of them is what an alert must see.
    "slotlease_health_serving": min,
    "slotlease_certificate_files_refused": max,
}
"""What several values of a gauge come to. Each gauge stands here (a test sees to it)."""

_SERVING = "slotlease_health_serving"
_PROCESS = "process_"
_Key = tuple[str, tuple[tuple[str, str], ...]]
_Samples = dict[_Key, float]


@dataclass(slots=True)
class _Family:
    kind: str
    meaning: str
    samples: _Samples = field(default_factory=dict)


_Page = dict[str, _Family]

disable_created_metrics()  # type: ignore[no-untyped-call] # as in metrics.py


class SupervisorMetrics:
    """What the supervisor counts itself, and what its workers tell."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.workers = Gauge("slotlease_workers", "Workers that serve now.", registry=self.registry)
        self.restarts = Counter(
            "slotlease_worker_restarts_total", "Workers that ended unasked and were begun anew.", registry=self.registry
        )
        self.pages = WorkerPages()
        self.registry.register(self.pages)


class WorkerPages(Collector):
    """Reads the workers' pages and puts them together. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ports: dict[int, int] = {}
        self._latest: dict[int, _Page] = {}
        self._ended: _Page = {}
        self._own = CollectorRegistry()
        ProcessCollector(registry=self._own)

    def began(self, worker: int, port: int) -> None:
        """The worker of that number tells its numbers on that port of the loopback."""
        with self._lock:
            self._ports[worker] = port

    def ended(self, worker: int) -> None:
        """It tells no more. What it counted since it was last read is lost with it."""
        with self._lock:
            self._ports.pop(worker, None)
            for name, family in self._latest.pop(worker, {}).items():
                if not _is_momentary(name, family):
                    _add(self._ended, name, family)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            ports = dict(self._ports)
        # Not under the lock: a worker that is slow to tell must not keep the supervisor from seeing another one end.
        read = {worker: page for worker, port in ports.items() if (page := _read(port)) is not None}
        with self._lock:
            # One that ended meanwhile is among the ended, with what it told before.
            self._latest.update(
                {worker: page for worker, page in read.items() if self._ports.get(worker) == ports[worker]}
            )
            pages = {str(worker): page for worker, page in sorted(self._latest.items())}
            counted = {name: _Family(one.kind, one.meaning, dict(one.samples)) for name, one in self._ended.items()}
        yield from _together(pages, counted)
        yield from _of_processes({SUPERVISOR: _page_of(self._own.collect()), **pages})


def _read(port: int) -> _Page | None:
    """None where it cannot be read now."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=READ_MAX_S)
    try:
        connection.request("GET", PATH)
        answer = connection.getresponse()
        text = answer.read().decode("utf-8")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return _page_of(text_string_to_metric_families(text))


def _page_of(metrics: Iterable[Metric]) -> _Page:
    page: _Page = {}
    for metric in metrics:
        family = page.setdefault(metric.name, _Family(metric.type, metric.documentation))
        for sample in metric.samples:
            family.samples[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return page


def _together(pages: Mapping[str, _Page], counted: _Page) -> Iterator[Metric]:
    """`counted` grows by what the pages count."""
    momentary: dict[str, list[_Family]] = {}
    for page in pages.values():
        for name, family in page.items():
            if name.startswith(_PROCESS):
                continue
            if family.kind == "gauge":
                momentary.setdefault(name, []).append(family)
            else:
                _add(counted, name, family)
    for name, family in counted.items():
        yield _metric(name, family)
    for name, families in momentary.items():
        yield _metric(name, _combined(families, GAUGES[name]))
    if _SERVING not in momentary:
        # What is not told, no alert is about.
        yield _metric(_SERVING, _Family("gauge", "No worker serves.", {(_SERVING, ()): 0}))


def _combined(families: list[_Family], combine: Callable[[Iterable[float]], float]) -> _Family:
    values: dict[_Key, list[float]] = {}
    for family in families:
        for key, value in family.samples.items():
            values.setdefault(key, []).append(value)
    combined = _Family(families[0].kind, families[0].meaning)
    for key, found in values.items():
        known = [value for value in found if not math.isnan(value)]
        combined.samples[key] = combine(known) if known else math.nan
    return combined


def _of_processes(pages: Mapping[str, _Page]) -> Iterator[Metric]:
    """Memory and open files of each process, by its worker: their sum would say nothing of a limit."""
    named: _Page = {}
    for worker, page in pages.items():
        for name in (name for name in page if name.startswith(_PROCESS)):
            family = page[name]
            ours = named.setdefault(name, _Family(family.kind, family.meaning))
            for (sample, labels), value in family.samples.items():
                ours.samples[sample, (*labels, ("worker", worker))] = value
    for name, family in named.items():
        yield _metric(name, family)


def _is_momentary(name: str, family: _Family) -> bool:
    return family.kind == "gauge" or name.startswith(_PROCESS)


def _add(page: _Page, name: str, family: _Family) -> None:
    sums = page.setdefault(name, _Family(family.kind, family.meaning)).samples
    for key, value in family.samples.items():
        sums[key] = sums.get(key, 0) + value


def _metric(name: str, family: _Family) -> Metric:
    metric = Metric(name, family.meaning, family.kind)
    for (sample, labels), value in family.samples.items():
        metric.add_sample(sample, dict(labels), value)
    return metric
