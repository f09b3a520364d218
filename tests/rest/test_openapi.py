"""What version 3 says of itself is valid, and is so: schemathesis asks everything that the page allows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from openapi_spec_validator import validate
from schemathesis.checks import CHECKS, load_all_checks

from slotlease.domain.credential import Credential, hashed
from slotlease.wire.outcome import HTTP_CODES
from tests.proofs.ledger_file import scratch_folder
from tests.rest.serving import RestClient, serving_rest
from tests.support import DAY_US, NOON_US, Offered, open_shop
from tests.wire.conftest import Served, serving

load_all_checks()

HELD = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"]
)
METHODS = (
    "CheckAvailability BatchAvailabilityLookup CreateLease CreateBooking UpdateBooking GetBookingStatus ListBookings"
    " SetMarketingPreference"
)


def page(rest: RestClient) -> dict[str, Any]:
    found: dict[str, Any] = rest.http.get("/v3/openapi.json").json()
    return found


def test_page_is_a_valid_openapi_document_that_names_every_method(rest: RestClient) -> None:
    told = page(rest)
    validate(told)
    assert {path.removeprefix("/v3/") for path in told["paths"]} >= {"HealthCheck", *METHODS.split()}
    assert told["info"]["version"]


def test_page_below_a_prefix_and_without_leases_says_so(served: Served) -> None:
    with serving_rest(served, prefix="/Google", leases=False) as rest:
        told = page(rest)
        assert set(told["paths"]["/Google/v3/CreateLease"]["post"]["responses"]) >= {"501"}
        assert "requestBody" not in told["paths"]["/Google/v3/CreateLease"]["post"]


def test_every_code_that_a_caller_can_get_is_on_the_page(rest: RestClient) -> None:
    codes = set(page(rest)["paths"]["/v3/CreateBooking"]["post"]["responses"])
    assert codes == {str(code) for code in HTTP_CODES.values()} - {"499"} | {"405"}


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS.split())
def test_whatever_the_page_allows_is_answered_as_the_page_says(served: Served, rest: RestClient, method: str) -> None:
    served.shop.offer(Offered(spots_total=1000))
    schema = schemathesis.openapi.from_dict(page(rest))
    operation = schema[f"/v3/{method}"]["POST"]
    asked = 0

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        response = case.call(base_url=str(rest.http.base_url))
        case.validate_response(response, checks=HELD)

    ask()
    assert asked > 0
    assert served.shop.incidents == []
    assert rest.http.get("/v3/HealthCheck").status_code == httpx.codes.OK


@pytest.mark.slow
def test_with_a_password_asked_for_the_page_is_kept_as_well() -> None:
    with scratch_folder() as folder:
        shop = open_shop(folder)
        made = hashed(shop.store.fingerprint_key, "a", "1")
        assert shop.store.add_credential(Credential("a", made, NOON_US, NOON_US + DAY_US))
        with serving(shop) as served, serving_rest(served) as rest:
            schema = schemathesis.openapi.from_dict(page(rest))
            for method in METHODS.split():
                operation = schema[f"/v3/{method}"]["POST"]

                @settings(max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck))
                @given(case=operation.as_strategy())
                def ask(case: Any) -> None:
                    for auth, let_in in ((("a", "1"), True), (("a", "2"), False), (None, False)):
                        response = case.call(base_url=str(rest.http.base_url), auth=auth)
                        case.validate_response(response, checks=HELD)
                        assert (response.status_code != httpx.codes.UNAUTHORIZED) == let_in

                ask()
        assert shop.incidents == []
        shop.store.close()
