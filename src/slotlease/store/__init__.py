"""Where the ledger is kept. All SQL of the project stands in this room."""
