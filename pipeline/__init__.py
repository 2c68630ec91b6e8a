"""What a bundle may name in `_target_`: data, networks, losses, inferers, metrics, handlers, workflow."""
