"""`python -m app.cli` is the `scenarios` command."""

from app.cli import main

main()
