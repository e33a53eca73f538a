"""Words and rules: errors, canonical encoding, signed notes, parties, licences, the ledger and its journal."""
