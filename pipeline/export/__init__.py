"""A packed model as one flat MONAI bundle that works where this project is not installed."""
