"""Tissue maps of an atlas as the prior of SPA."""
