"""One scan, one idempotent task; many scans, one ledger."""
