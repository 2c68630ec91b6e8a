"""Files of scans, labels and tables: read with care, written whole or not at all."""
