"""Run by pretix's own Python (pretix_holds.py starts it): puts items into carts from threads, by pretix's own task, and
prints what came of it as JSON. PRETIX_CONFIG_FILE names a database that pretix has migrated.

`pretix_carts.py THREADS SIZE ITEMS SECONDS`: SIZE is the quota of each of ITEMS items.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from random import Random
from uuid import uuid4

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pretix.settings")

import django

django.setup()

from django.db import DatabaseError, connection
from django.utils.timezone import now
from django_scopes import scopes_disabled
from pretix.base.models import CartPosition, Event, Item, Organizer
from pretix.base.services.cart import CartError, add_items_to_cart


def shop(size: int, items: int) -> tuple[Event, list[Item]]:
    """An event of an organizer of its own, whose items have a quota each."""
    slug = uuid4().hex[:12]
    organizer = Organizer.objects.create(name=slug, slug=slug)
    event = Event.objects.create(
        organizer=organizer,
        name=slug,
        slug=slug,
        currency="EUR",
        live=True,
        date_from=now() + timedelta(days=30),
        plugins="",
    )
    made = []
    for number in range(items):
        item = Item.objects.create(event=event, name=f"Item {number}", default_price=0, active=True)
        event.quotas.create(name=f"Quota {number}", size=size).items.add(item)
        made.append(item)
    return event, made


def hold(event: Event, item: Item) -> str:
    """How it ended."""
    asked = {"item": item.pk, "variation": None, "count": 1}
    try:
        add_items_to_cart.apply(kwargs={"event": event.pk, "items": [asked], "cart_id": uuid4().hex}, throw=True)
    except CartError:
        return "refused"
    except DatabaseError as error:
        return type(error).__name__
    return "held"


def _one_more(size: int) -> tuple[Event, Item]:
    event, (item,) = shop(size, 1)
    return event, item


def main() -> None:
    threads, size, items, for_s = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    # A line for each call would be measured too.
    logging.disable()
    with scopes_disabled():
        event, offered = shop(size, items)
        # Its tasks are put together at the first call, by one thread at most.
        hold(*_one_more(size))

    def holds(seed: int) -> Iterator[str]:
        random = Random(seed)
        until_s = time.monotonic() + for_s
        with scopes_disabled():
            while time.monotonic() < until_s:
                yield hold(event, random.choice(offered))
        connection.close()

    ended: Counter[str] = Counter()
    with ThreadPoolExecutor(threads) as pool:
        for answers in pool.map(lambda seed: Counter(holds(seed)), range(threads)):
            ended += answers
    with scopes_disabled():
        most = max(
            Counter(CartPosition.objects.filter(event=event).values_list("item_id", flat=True)).values(), default=0
        )
    told = {"per_s": ended["held"] / for_s, "ended": dict(ended), "oversold": max(0, most - size)}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
