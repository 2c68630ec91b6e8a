"""Grey values: normalisation, bias field, histograms, Hounsfield units."""
