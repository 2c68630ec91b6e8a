"""The fixtures of this folder."""

from synthetic_atlas import coarse_atlas, coarse_config, head, quick_config, use_coarse_atlas

__all__ = ["coarse_atlas", "coarse_config", "head", "quick_config", "use_coarse_atlas"]
