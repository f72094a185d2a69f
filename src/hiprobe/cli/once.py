"""Options that take one value are given once: of two values one would be lost without a word."""

from __future__ import annotations

import click


def refuse_repeats(
    command: click.Command, name: str | None, words: list[str], *, parent: click.Context
) -> None:
    """Refuse an option with one value that stands twice among the words of a command.

    Flags may be repeated, and so may options that collect their values. Words that cannot be read
    are left to the command itself, which says what is wrong with them.

    Raises:
        click.UsageError: an option stands there twice.
    """
    ctx = command.context_class(command, info_name=name, parent=parent)
    try:
        _, rest, order = command.make_parser(ctx).parse_args(args=list(words))
    except click.UsageError:
        return
    given = [p for p in order if isinstance(p, click.Option)]
    for option in given:
        takes_one = not (option.multiple or option.count or option.is_flag)
        if takes_one and given.count(option) > 1:
            raise click.UsageError(
                f"{option.opts[-1]} is given {given.count(option)} times, and takes one value; "
                "give it once",
                ctx,
            )
    if isinstance(command, click.Group) and rest:
        found = command.get_command(ctx, rest[0])
        if found is not None:
            refuse_repeats(found, rest[0], rest[1:], parent=ctx)
