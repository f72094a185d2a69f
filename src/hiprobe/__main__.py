"""`python -m hiprobe` is the `hiprobe` command."""

from hiprobe.cli import main

if __name__ == "__main__":
    main()
