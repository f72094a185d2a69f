"""The command line."""


def main() -> None:
    """Entry point of the `hiprobe` command."""
    raise SystemExit("not built yet")
