"""Makes `python -m server.cli` the same as `espalier`."""

from server.cli.app import main

main()
