"""The command line, `espalier`.

Commands only start something or speak to a service through the client. Nothing heavy is imported
before a command needs it, so that `--help` comes up at once.
"""

from server.cli.app import main

__all__ = ["main"]
