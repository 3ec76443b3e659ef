"""`inspector bundle`: which bundles a station may use, and foreign networks as bundles."""

from pathlib import Path

import click

from inspector.bundles import acceptance
from inspector.bundles.bundle import Bundle
from inspector.cli.bundles.importing import import_
from inspector.cli.support.lines import say
from inspector.core.errors import ConfigError
from inspector.recipes.locate import find_bundle

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def bundle() -> None:
    """Import networks from elsewhere, accept changed bundles, and sign bundles with the plant's key."""


bundle.add_command(import_)


@bundle.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
def accept(bundles: tuple[str, ...]) -> None:
    """Let this user's stations use bundles as they are now, after they were changed on purpose."""
    for name in bundles:
        opened = Bundle.open(find_bundle(name))
        acceptance.accept(opened)
        say(f"Accepted {opened.folder}: {opened.fingerprint}")


@bundle.command("make-key")
@click.argument("file", type=_FILE)
def make_key(file: Path) -> None:
    """Make a pair of keys: FILE to sign with, to be kept secret, and FILE.pub for the stations."""
    public = acceptance.make_key(file)
    say(f"Private key: {file}")
    say(f"Public key: {public}")


@bundle.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--key", type=_FILE, required=True, help="Private key made by make-key.")
def sign(bundles: tuple[str, ...], key: Path) -> None:
    """Sign bundles with the plant's private key."""
    for name in bundles:
        opened = Bundle.open(find_bundle(name))
        acceptance.sign(opened, key)
        say(f"Signed {opened.folder}")


@bundle.command()
@click.argument("bundles", nargs=-1, required=True, metavar="BUNDLE...")
@click.option("--key", type=_FILE, help="Public key.  [default: this station's plant key]")
def verify(bundles: tuple[str, ...], key: Path | None) -> None:
    """Check the signatures of bundles."""
    public = acceptance.plant_key() if key is None else acceptance.read_public_key(key)
    if public is None:
        raise ConfigError("This station has no plant key.", remedy="Give one with --key.")
    for name in bundles:
        opened = Bundle.open(find_bundle(name))
        acceptance.verify(opened, public)
        say(f"Signed with the key: {opened.folder}")


@bundle.command()
@click.argument("key", type=_FILE, required=False)
@click.option("--remove", is_flag=True, help="Have no plant key any more.")
def trust(key: Path | None, remove: bool) -> None:
    """Make KEY, a public key, this station's plant key: from now on it uses signed bundles only."""
    if (key is None) != remove:
        raise click.UsageError("Give either a public key or --remove.")
    acceptance.trust(key)
    say("No plant key." if key is None else f"Plant key: {key}")
