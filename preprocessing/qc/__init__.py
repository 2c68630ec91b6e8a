"""Quality control: the head beside the brain mask, checks with limits, one page a cohort, ratings that exclude."""
