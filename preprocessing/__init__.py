"""Raw scans to a prepared data set on disk: checks, brain mask, SRI-24, one interpolation, intensity, slices."""
