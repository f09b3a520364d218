"""A shop whose inventory comes from feeds: files to write, a ledger to import them into, its rows to compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw

from slotlease.domain.slot import AskedSlot, Resources
from slotlease.inventory.exporting import Exported, export_feeds
from slotlease.inventory.feed import read_feed
from slotlease.inventory.importing import ImportSummary, import_feed, known_inventory
from slotlease.store.protocol import Store
from tests.inventory.feed_folder import (
    GENERATED_S,
    MERCHANT,
    SECOND_US,
    SERVICE,
    SLOT,
    START_S,
    FeedFolder,
    WholeFeed,
    read_whole,
)
from tests.support import HandClock, Shop, open_shop

GENERATED_US = GENERATED_S * SECOND_US
START_US = START_S * SECOND_US
HOUR_S = 3_600


def import_files(store: Store, paths: Sequence[Path], **options: Any) -> ImportSummary:
    with read_feed(paths, known=known_inventory(store)) as feed:
        return import_feed(store, feed, **options)


def counts(summary: ImportSummary) -> tuple[int, int, int, int]:
    """New, changed, unchanged and closed slots."""
    return (summary.slots_new, summary.slots_changed, summary.slots_unchanged, summary.slots_closed)


def rows_of(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the ledger by table. A catalogue's revision counts pieces, so it is left out."""
    connection = apsw.Connection(str(folder / "ledger.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found = {table: sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}  # noqa: S608
    finally:
        connection.close()
    found["merchant"] = [(*row[:4], *row[5:]) for row in found["merchant"]]
    return {table: rows for table, rows in found.items() if table not in ("ledger", "migration")}


def slot(number: int, **fields: Any) -> dict[str, Any]:
    """The entry of a slot that starts `number` hours after the first."""
    return SLOT | {"start_sec": START_S + number * HOUR_S} | fields


def asked(number: int = 0, merchant_id: str = "m1", service_id: str = "s1", staff_id: str = "") -> AskedSlot:
    """The same slot as a caller names it."""
    resources = Resources(staff_id) if staff_id else None
    return AskedSlot(merchant_id, service_id, START_US + number * HOUR_S * SECOND_US, 3_600 * SECOND_US, "", resources)


class ImportShop:
    """Feeds are generated at GENERATED_US, which is also when the shop's clock begins."""

    def __init__(self, folder: Path, shop: Shop) -> None:
        self.folder = folder
        self.feeds = FeedFolder(folder)
        self.shop = shop
        self.store = shop.store

    def put(self, *slots: dict[str, Any], generated_s: int = GENERATED_S, **options: Any) -> ImportSummary:
        """Imports the feeds of one merchant and its one service, with these slots."""
        return self.put_files(*self.files(*slots, generated_s=generated_s), **options)

    def files(self, *slots: dict[str, Any], generated_s: int = GENERATED_S) -> list[Path]:
        files = [self.feeds.merchants(MERCHANT), self.feeds.services(SERVICE)]
        return [*files, self.slots_file(*slots, generated_s=generated_s)]

    def slots_file(self, *slots: dict[str, Any], generated_s: int = GENERATED_S) -> Path:
        groups = [{"availability": list(slots)}]
        feed = {"metadata": {**_METADATA, "generation_timestamp": generated_s}, "service_availability": groups}
        return self.feeds.write("slots.json", feed)

    def put_files(self, *paths: Path, **options: Any) -> ImportSummary:
        return import_files(self.store, paths, **options)

    def rows(self) -> dict[str, list[tuple[object, ...]]]:
        return rows_of(self.folder)


_METADATA = {"processing_instruction": "PROCESS_AS_COMPLETE"}


@contextmanager
def import_shop(folder: Path) -> Iterator[ImportShop]:
    folder.mkdir(exist_ok=True)
    shop = open_shop(folder, clock=HandClock(GENERATED_US))
    try:
        yield ImportShop(folder, shop)
    finally:
        shop.store.close()


def export(shop: ImportShop, name: str = "export", **options: Any) -> Exported:
    return export_feeds(shop.store, shop.folder / name, shop.shop.clock.now_us, **options)


def exported(shop: ImportShop, **options: Any) -> WholeFeed:
    return read_whole(export(shop, **options).paths)
