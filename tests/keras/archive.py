"""Rewrites the members of a .keras archive."""

import json
import zipfile


def read_members(path):
    """Members of an archive as (name, bytes), in order."""
    with zipfile.ZipFile(path) as archive:
        return [(info.filename, archive.read(info)) for info in archive.infolist()]


def write_members(path, members, compression=zipfile.ZIP_STORED):
    """Replaces an archive."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)


def edit_config(path, change):
    """Lets `change` alter the decoded config.json of an archive in place."""
    members = dict(read_members(path))
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    write_members(path, members.items())


def members_of(path):
    """Members of an archive or of a directory by name."""
    if path.is_dir():
        return {file.name: file.read_bytes() for file in path.iterdir()}
    return dict(read_members(path))
