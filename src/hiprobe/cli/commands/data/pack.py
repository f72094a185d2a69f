"""`hiprobe data pack`: folders of pictures to video files."""

from __future__ import annotations

from pathlib import Path

import click

from hiprobe.cli import options
from hiprobe.cli.terminal import echo


@click.command("pack")
@click.argument("manifest", type=click.Path(exists=True, path_type=Path))
@click.option(
    "-o", "--out", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    required=True, help="Folder for the videos and their manifest.csv.",
)  # fmt: skip
@options.quiet
def pack(manifest: Path, out: Path, quiet: bool) -> None:
    """Write the picture folders of MANIFEST as video files.

    Some sets come as one picture for each frame. The other commands read video files; this makes
    one of each folder, frame for frame, with a manifest beside them.

    \b
    Examples:
      hiprobe data check shanghaitech /data/shanghaitech -o pictures.csv
      hiprobe data pack pictures.csv -o shanghaitech-videos/
    """
    from hiprobe.cli.folder_in_use import folder_in_use
    from hiprobe.cli.progress import progress_bar
    from hiprobe.datasets.manifest import read_manifest, write_manifest
    from hiprobe.datasets.pack import pack_manifest

    with folder_in_use(out):
        with progress_bar("packing", quiet=quiet) as listener:
            packed = pack_manifest(read_manifest(path=manifest), folder=out, progress=listener)
        write_manifest(packed, path=out / "manifest.csv")
    echo(f"{out / 'manifest.csv'}: {len(packed.rows)} videos")
