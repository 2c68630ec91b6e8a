"""One trained method on one scan: the model folder, the whole volume, the scan's own grid, lesions, verdict, drift."""
