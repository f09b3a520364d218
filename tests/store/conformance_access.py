"""Who may call version 3, as the ledger keeps it."""

from __future__ import annotations

from slotlease.domain.credential import Credential
from slotlease.store.protocol import Store
from tests.store.backend import OnALedger
from tests.support import NOON_US

FIRST = Credential("a", bytes(range(32)), NOON_US, NOON_US + 1)
SECOND = Credential("ß", bytes(32), NOON_US - 1, 2**62)


class KnowsCredentials(OnALedger):
    def test_credentials_are_kept_by_name_and_added_once(self, store: Store) -> None:
        assert store.credentials() == []
        assert [store.add_credential(one) for one in (SECOND, FIRST)] == [True, True]
        assert not store.add_credential(Credential("a", bytes(32), 0, 1))
        assert store.credentials() == [FIRST, SECOND]

    def test_credential_that_was_revoked_is_gone_and_its_name_free(self, store: Store) -> None:
        store.add_credential(FIRST)
        assert store.revoke_credential("a")
        assert not store.revoke_credential("a")
        assert store.credentials() == []
        assert store.add_credential(FIRST)
