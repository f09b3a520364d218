"""Feeds in and out: what a partner offers, as Google's feeds say it, put on the ledger and written from it."""
