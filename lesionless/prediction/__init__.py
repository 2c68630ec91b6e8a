"""Where the verbs join preprocessing (a scan becomes slices) and pipeline (slices become a map)."""
