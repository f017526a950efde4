"""`python -m processor`."""

from processor.cli.app import main

main()
