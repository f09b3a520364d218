"""The metrics page, read as Prometheus reads it."""

from __future__ import annotations

from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from slotlease.telemetry.metrics import Metrics

PAGE_TIMEOUT_S = 20


def page(address: str) -> str:
    with urlopen(f"http://{address}/metrics", timeout=PAGE_TIMEOUT_S) as answer:
        text: str = answer.read().decode("utf-8")
    return text


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value_on(text: str, name: str, **labels: str) -> float | None:
    """None where the page has no such number."""
    return samples(text).get((name, frozenset(labels.items())))


def value_of(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)
