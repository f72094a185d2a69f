"""The `hiprobe` group: what every command shares (errors, exit codes, interruption)."""

from __future__ import annotations

from typing import Any, NoReturn

import click

from hiprobe import __version__
from hiprobe.addresses import hide_credentials
from hiprobe.cli.commands.backbones import backbones
from hiprobe.cli.commands.cache import cache
from hiprobe.cli.commands.completion import completion
from hiprobe.cli.commands.data import data
from hiprobe.cli.commands.demo import demo
from hiprobe.cli.commands.detect import detect
from hiprobe.cli.commands.doctor import doctor
from hiprobe.cli.commands.evaluate import command as evaluate
from hiprobe.cli.commands.extract import extract
from hiprobe.cli.commands.fit import fit
from hiprobe.cli.commands.info import info
from hiprobe.cli.commands.layers import layers
from hiprobe.cli.commands.reproduce import reproduce
from hiprobe.cli.commands.zero_label import zero_label
from hiprobe.cli.once import refuse_repeats
from hiprobe.cli.plain_warnings import plain_warnings
from hiprobe.cli.stopping import exit_code_of, signals_stop
from hiprobe.cli.terminal import echo
from hiprobe.errors import HiProbeError
from hiprobe.path_text import shown, shown_lines
from hiprobe.store.storage_errors import FULL, storage_error
from hiprobe.store.temporary import remove_open


class Commands(click.Group):
    """A group that turns errors raised on purpose into one line and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; see the exit codes in `hiprobe.errors`."""
        try:
            with plain_warnings(), signals_stop():
                return super().invoke(ctx)
        except click.ClickException as error:  # click quotes what it was given
            vars(error)["message"] = hide_credentials(error.message)
            raise
        except HiProbeError as error:
            _end(ctx, str(error), error.exit_code)
        except click.UsageError as error:  # a name that a shell's pattern gave is in its words
            said = error.format_message()
            if shown_lines(said) == said:
                raise
            raise click.UsageError(shown_lines(said), error.ctx) from error
        except KeyboardInterrupt as stop:
            remove_open()
            told = str(stop) or "interrupted: run the same command again to resume"
            echo(told, err=True)
            ctx.exit(exit_code_of(stop))
        except OSError as error:
            if error.errno in FULL:
                full = storage_error(error.filename or "the results", error)
                _end(ctx, str(full), full.exit_code)
            if error.filename is None:
                raise
            where = f"{shown(error.filename)}: {error.strerror}; check the path and its permissions"
            _end(ctx, where, HiProbeError.exit_code)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant; an option with one value that is given twice is refused.

        Raises:
            click.UsageError: there is no such command, or an option is given twice.
        """
        name, found, words = super().resolve_command(ctx, args)
        if found is not None and not ctx.resilient_parsing:
            refuse_repeats(found, name, words, parent=ctx)
        return name, found, words

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands in the order in which one meets them, not of the alphabet."""
        return list(self.commands)


def _end(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    echo(f"error: {message}", err=True)
    ctx.exit(exit_code)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hiprobe")
def app() -> None:
    """Find abnormal events in video from a handful of labelled clips.

    A frozen multimodal LLM reads the video; a small probe on its hidden states scores it.

    \b
    Examples:
      hiprobe demo
      hiprobe fit clips/ -o my-probe
      hiprobe detect my-probe camera.mp4 --out results/
    """


for command in (
    fit,
    detect,
    layers,
    extract,
    evaluate,
    data,
    reproduce,
    zero_label,
    info,
    doctor,
    backbones,
    cache,
    demo,
    completion,
):
    app.add_command(command)
