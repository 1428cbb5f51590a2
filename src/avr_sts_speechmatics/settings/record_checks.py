"""Checks of the settings about records: directories, a database, and a place for recordings."""

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from avr_sts_speechmatics.errors import InvalidValue
from avr_sts_speechmatics.network.database_address import DatabaseAddress, parse

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class S3Place(NamedTuple):
    """A place in a store that speaks S3.

    bucket: name of the bucket.
    prefix: begins the name of every recording; empty for none.
    endpoint: HTTP address of the store; None for AWS.
    region: None for AWS_REGION, or the store's default.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None


def directory_to_make(value: str) -> Path:
    """The path of a directory that may be missing; `~` stands for the home directory."""
    try:
        path = Path(value).expanduser()
    except RuntimeError:  # the home of an unknown user
        raise InvalidValue("there is no such home; give the path of a directory") from None
    try:
        other = path.exists() and not path.is_dir()
    except OSError:  # not permitted: told when it is used
        other = False
    if other:
        raise InvalidValue("not a directory; give the path of a directory")
    return path


def database(value: str) -> DatabaseAddress:
    """The address of a PostgreSQL or SQLite database."""
    try:
        return parse(value)
    except ValueError as error:
        raise InvalidValue(str(error)) from None


def recordings(value: str) -> Path | S3Place:
    """A directory, as a path or a file:// address, or a place in a store that speaks S3."""
    wanted = "give a directory, file:///directory or s3://bucket/prefix?endpoint=https://host"
    try:
        parts = urlsplit(value)
    except ValueError:
        raise InvalidValue(wanted) from None
    if parts.username or parts.password:
        raise InvalidValue(
            "give the address without a user name or password; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY"
        )
    if parts.scheme == "s3":
        return _s3(value, wanted)
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path.strip("/"):
        return directory_to_make(unquote(parts.path))
    if "://" in value or parts.scheme == "file":
        raise InvalidValue(wanted)
    return directory_to_make(value)


def _s3(value: str, wanted: str) -> S3Place:
    parts = urlsplit(value)
    if not _BUCKET.fullmatch(parts.netloc):
        raise InvalidValue(f"the bucket's name is 3 to 63 small letters, digits, - and .; {wanted}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(options.keys() - {"endpoint", "region"}):
        raise InvalidValue(f"unknown option {unknown[0]}; endpoint and region are known")
    endpoint = options.get("endpoint") or None
    if endpoint is not None:
        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.netloc:
            raise InvalidValue("the endpoint is not an address; give https://host")
    prefix = unquote(parts.path).strip("/")
    return S3Place(parts.netloc, prefix, endpoint, options.get("region") or None)
