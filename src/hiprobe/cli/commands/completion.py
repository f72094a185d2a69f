"""`hiprobe completion`: the script that a shell needs to complete commands and options."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      hiprobe completion bash >> ~/.bashrc
      hiprobe completion zsh >> ~/.zshrc
      hiprobe completion fish > ~/.config/fish/completions/hiprobe.fish
    """
    from click.shell_completion import get_completion_class

    from hiprobe.cli.app import app

    found = get_completion_class(shell)
    if found is None:  # the choice above names only shells that click knows
        raise click.UsageError(f"no completion for {shell}")
    # Not source(): it would start bash only to look at its version.
    script = found(app, {}, "hiprobe", "_HIPROBE_COMPLETE")
    click.echo(script.source_template % script.source_vars())
