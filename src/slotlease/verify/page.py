"""The report as one page of HTML that needs nothing else: to be sent to a colleague."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from slotlease.verify.answer import Answer
from slotlease.verify.case import Outcome, Result
from slotlease.verify.report import Head, by_group, figures, outcomes, shortened, slot_in_words, tallies
from slotlease.verify.run import Done
from slotlease.verify.shop import instant

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .75rem; border-bottom: 1px solid var(--line); }
th { text-align: left; } td.number { text-align: right; font-variant-numeric: tabular-nums; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .3rem .75rem; }
summary { cursor: pointer; } code, pre { font: 13px/1.45 ui-monospace, monospace; }
pre { background: var(--soft); padding: .5rem; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
.mark { display: inline-block; min-width: 5.2rem; text-align: center; border-radius: .3rem; color: #fff; }
.pass { background: #1a7f37; } .warn { background: #9a6700; } .fail { background: #cf222e; }
.skipped { background: #6e7781; } .not-tried { background: #8250df; }
"""


def as_page(head: Head, done: Done) -> str:
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(head.address)}: {'passed' if done.passed else 'did not pass'}</title>",
            f"<style>{_STYLE}</style></head>",
            "<body>",
            *_top(head, done),
            *_tables(done),
            *(line for group, results in by_group(done).items() for line in _group(group, results)),
            "</body>",
            "</html>",
            "",
        )
    )


def _top(head: Head, done: Done) -> Iterator[str]:
    verdict = "passed" if done.passed else "did not pass"
    yield f"<h1>{escape(head.address)}, version {head.version.value[1:]}: {verdict}</h1>"
    yield f"<p>{len(done.results)} cases, {len(done.calls)} calls, {instant(head.began_us)}, {head.took_s:.1f} s."
    yield f"The same tokens and users again: <code>--seed {escape(head.seed)}</code></p>"
    if not done.passed:
        links = ", ".join(f'<a href="#{one.case.id}">{one.case.id}</a>' for one in done.unproved)
        yield f"<p>Required, and not passed: {links}.</p>"
    for booking_id, slot, answer in done.remains.bookings:
        told = f"{booking_id}, {slot_in_words(slot)}: {answer.came}"
        yield f'<p><span class="mark fail">not cancelled</span> {escape(told)}</p>'
    if done.remains.leases:
        until = instant(done.remains.leases_until_us)
        yield f"<p>Leases that were left to end by themselves: {done.remains.leases}, the last by {until}.</p>"


def _tables(done: Done) -> Iterator[str]:
    yield "<table><tr><th>method</th><th>calls</th><th>errors</th></tr>"
    for one in tallies(done):
        numbers = f'<td class="number">{one.calls}</td><td class="number">{one.errors}</td>'
        yield f"<tr><td>{escape(one.method)}</td>{numbers}</tr>"
    yield "</table>"
    yield f"<table><tr><th>group</th>{''.join(f'<th>{one.value}</th>' for one in Outcome)}</tr>"
    for group, results in by_group(done).items():
        counts = outcomes(results)
        cells = "".join(f'<td class="number">{counts[one] or ""}</td>' for one in Outcome)
        yield f"<tr><td>{group}</td>{cells}</tr>"
    yield "</table><table>"
    for case_id, note in figures(done):
        yield f"<tr><td><code>{case_id}</code></td><td>{escape(note)}</td></tr>"
    yield "</table>"


def _group(group: str, results: list[Result]) -> Iterator[str]:
    yield f"<h2>{group}</h2>"
    for result in results:
        yield from _case(result)


def _case(result: Result) -> Iterator[str]:
    case, outcome = result.case, result.outcome
    is_open = " open" if outcome is Outcome.FAIL else ""
    mark = f'<span class="mark {outcome.value.replace(" ", "-")}">{outcome.value}</span>'
    yield f'<details id="{case.id}"{is_open}><summary>{mark} <code>{case.id}</code> {escape(case.title)}</summary><dl>'
    yield _pair("rule", case.rule)
    yield _pair("source", case.source + ("" if case.required else " (only warns)"))
    if result.why:
        yield _pair("why", result.why)
    for note in result.notes:
        yield _pair("note", note)
    for finding in result.findings:
        yield _pair("expected", finding.expected) + _pair("came", finding.came)
    if result.findings:
        yield _pair("look at", case.hint)
    yield "</dl>"
    if outcome in {Outcome.FAIL, Outcome.WARN}:
        for answer in result.calls:
            yield from _call(answer)
    yield "</details>"


def _call(answer: Answer[object]) -> Iterator[str]:
    told = f"{answer.method}: {answer.word}, {answer.took_s * 1000:.1f} ms"
    yield f"<details><summary>{escape(told)}</summary>"
    yield f"<pre>{escape(shortened(answer.sent))}</pre><pre>{escape(shortened(answer.came))}</pre></details>"


def _pair(name: str, text: str) -> str:
    return f"<dt>{name}</dt><dd>{escape(text)}</dd>"
