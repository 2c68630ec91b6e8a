"""Two methods of kinds that the base does not know, each one YAML and one class."""
