"""`python -m preprocessing`."""

from preprocessing.cli import main

main()
