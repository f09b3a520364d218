"""`slotlease marketing`: who wants to hear from the partner, as Google told it (SetMarketingPreference)."""

from __future__ import annotations

from typing import Annotated

import typer

from slotlease.cli.ledger import FileOption, JsonOption, LimitOption, StoreOption, open_ledger, settings_from
from slotlease.cli.output import instant, print_json, print_rows
from slotlease.domain.marketing import MarketingPreference

commands = typer.Typer(help="Marketing: who wants to hear from you.", no_args_is_help=True)

_COLUMNS = ("user_id", "receives_marketing", "told")


@commands.command("list")
def list_(
    after: Annotated[
        str, typer.Option("--after", metavar="USER_ID", help="Only users past this one: where the last list ended.")
    ] = "",
    limit: LimitOption = 1000,
    store: StoreOption = None,
    file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what users said about advertising, by user id.

    The table names nobody. The JSON has their names, e-mail addresses and telephone numbers too, for the program that
    writes to them: keep it as you keep your customers' data, and write only where `receives_marketing` is true.
    """
    settings = settings_from(file, store=store)
    with open_ledger(settings) as ledger:
        found = ledger.marketing_preferences(after=after, limit=limit)
    if as_json:
        print_json([{**_facts(one), **_contact(one)} for one in found])
    else:
        print_rows([_facts(one) for one in found], _COLUMNS, nothing="Nobody has said anything about advertising.")


def _facts(preference: MarketingPreference) -> dict[str, object]:
    return {
        "user_id": preference.user.user_id,
        "receives_marketing": preference.receives_marketing,
        "told": instant(preference.told_us),
    }


def _contact(preference: MarketingPreference) -> dict[str, object]:
    user = preference.user
    return {
        "given_name": user.given_name,
        "family_name": user.family_name,
        "email": user.email,
        "telephone": user.telephone,
        "language_code": user.language_code or None,
    }
