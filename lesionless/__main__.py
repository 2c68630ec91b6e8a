"""`python -m lesionless`."""

from lesionless.cli import main

main()
