"""A booking server of version 3 as a new partner has it: the lookup alone, no CheckAvailability, no leases. It is
right, and nothing of it is ours, not even the messages."""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]
Key: TypeAlias = tuple[str, str, int, int, str, int]

SLOT: Final = ("merchant_id", "service_id", "start_sec", "duration_sec")
USER: Final = ("user_id", "given_name", "family_name", "telephone", "email")


class Refused(Exception):
    """An HTTP code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def needed(given: Any, *names: str) -> None:
    if not isinstance(given, dict) or not all(given.get(name) for name in names):
        raise Refused(400)


def nothing_there(_: Json) -> Json:
    raise Refused(404)


def key_of(slot: Json) -> Key:
    needed(slot, *SLOT)
    resources = slot.get("resources") or slot.get("resource_ids") or {}
    staff_id, party_size = str(resources.get("staff_id", "")), int(resources.get("party_size", 0))
    start, duration = int(slot["start_sec"]), int(slot["duration_sec"])
    return slot["merchant_id"], slot["service_id"], start, duration, staff_id, party_size


class Shop:
    def __init__(self, spots: Mapping[Key, int]) -> None:
        self._spots = dict(spots)
        self._bookings: dict[str, Json] = {}
        self._asked: dict[str, tuple[str, str]] = {}
        self._ids = itertools.count(1)
        self._merchants = {key[0] for key in spots}

    def look_up(self, asked: Json) -> Json:
        if asked.get("merchant_id") not in self._merchants:
            raise Refused(400)
        taken = self._taken()
        found = []
        for time in asked.get("slot_time", []):
            key = key_of({"merchant_id": asked["merchant_id"], **time})
            found.append({"slot_time": time, "available": self._spots.get(key, 0) > taken[key]})
        return {"slot_time_availability": found}

    def book(self, asked: Json) -> Json:
        needed(asked, "slot", "user_information", "idempotency_token")
        needed(asked["user_information"], *USER)
        key, content = key_of(asked["slot"]), json.dumps(asked, sort_keys=True)
        token = asked["idempotency_token"]
        if token in self._asked:
            before, booking_id = self._asked[token]
            if before != content:
                raise Refused(400)
            return {"booking": {**self._bookings[booking_id], "status": "CONFIRMED"}}
        if key not in self._spots:
            raise Refused(400)
        user_id = asked["user_information"]["user_id"]
        if any(key_of(one["slot"]) == key for one in self._of(user_id)):
            return {"booking_failure": {"cause": "SLOT_ALREADY_BOOKED_BY_USER"}}
        if self._taken()[key] >= self._spots[key]:
            return {"booking_failure": {"cause": "SLOT_UNAVAILABLE"}}
        booking_id = f"booking-{next(self._ids)}"
        user = asked["user_information"]
        booking = {"booking_id": booking_id, "slot": asked["slot"], "user_information": user, "status": "CONFIRMED"}
        self._bookings[booking_id], self._asked[token] = booking, (content, booking_id)
        return {"booking": booking}

    def update(self, asked: Json) -> Json:
        needed(asked, "booking")
        wish = asked["booking"]
        booking = self._bookings.get(wish.get("booking_id"))
        if booking is None:
            raise Refused(400)
        if wish.get("status") == "CANCELED":
            booking["status"] = "CANCELED"
            return {"booking": booking}
        if booking["status"] == "CANCELED":
            return {"booking_failure": {"cause": "BOOKING_ALREADY_CANCELLED"}}
        slot = booking["slot"] | {name: wish["slot"][name] for name in ("start_sec", "duration_sec")}
        key = key_of(slot)
        if key not in self._spots:
            raise Refused(400)
        if key != key_of(booking["slot"]) and self._taken()[key] >= self._spots[key]:
            return {"booking_failure": {"cause": "SLOT_UNAVAILABLE"}}
        booking["slot"] = slot
        return {"booking": booking}

    def tell(self, asked: Json) -> Json:
        booking = self._bookings.get(asked.get("booking_id", ""))
        if booking is None:
            raise Refused(404)
        status = {"booking_status": booking["status"], "prepayment_status": "PREPAYMENT_NOT_PROVIDED"}
        return {"booking_id": booking["booking_id"], **status}

    def bookings_of(self, asked: Json) -> Json:
        user_id = asked.get("user_id", "")
        if not any(one["user_information"]["user_id"] == user_id for one in self._bookings.values()):
            raise Refused(404)
        return {"bookings": self._of(user_id)}

    def _of(self, user_id: str) -> list[Json]:
        standing = [one for one in self._bookings.values() if one["status"] == "CONFIRMED"]
        return [one for one in standing if one["user_information"]["user_id"] == user_id]

    def _taken(self) -> Counter[Key]:
        return Counter(key_of(one["slot"]) for one in self._bookings.values() if one["status"] == "CONFIRMED")


def _answers(shop: Shop) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()
    methods: dict[str, Callable[[Json], Json]] = {
        "/v3/BatchAvailabilityLookup": shop.look_up,
        "/v3/CreateBooking": shop.book,
        "/v3/UpdateBooking": shop.update,
        "/v3/GetBookingStatus": shop.tell,
        "/v3/ListBookings": shop.bookings_of,
    }

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Else each answer waits for the other side to say that it has the headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._say(200 if self.path == "/v3/HealthCheck" else 404, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            try:
                asked = json.loads(body)
                needed(asked)
                with lock:
                    self._say(200, methods.get(self.path, nothing_there)(asked))
            except Refused as error:
                self._say(error.code, {"error": "refused"})
            except (ValueError, TypeError, AttributeError):
                self._say(400, {"error": "no such request"})

        def log_message(self, *_: Any) -> None:
            """It tells nobody."""

        def _say(self, code: int, answer: Json) -> None:
            body = json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Answers


@contextmanager
def stranger_v3(spots: Mapping[Key, int]) -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _answers(Shop(spots)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
