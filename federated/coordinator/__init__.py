"""The coordinator: it relays, queues, adds and keeps a ledger; it grants nothing and chooses nothing."""
