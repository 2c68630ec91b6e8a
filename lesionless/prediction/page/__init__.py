"""Pages that open from disk without a network: one a scan, one for the cohort."""
