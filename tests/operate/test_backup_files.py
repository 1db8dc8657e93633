"""A backup's file: laid out as documented, and refused when a single byte of it is not what was written."""

import asyncio
import gzip
import hashlib
import io
import json
import re
import tarfile

import pytest

from amp.backup.archive import read, writer
from amp.backup.layout import fingerprint, is_part
from amp.backup.taking import take
from amp.exits import CommandFailed
from amp.settings import Settings
from amp.store.connection import connect
from amp.store.keeper import opened
from amp.store.rdb import read_head

PARTS = [
    "amp-backup.json",
    "files/acme.test/file_a1",
    "ledger/heads-0.log",
    "secret",
    "store.rdb.00000",
    "store.rdb.00001",
    "manifest.json",
]


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    """A backup of a small store whose snapshot has two pieces, and the folder it is of."""
    at = tmp_path_factory.mktemp("backup")
    data = at / "data"
    with opened(Settings(data=data), lasting=True) as complete:
        asyncio.run(_fill(complete.redis))
        for name, content in (("files/acme.test/file_a1", b"bytes"), ("ledger/heads-0.log", b"a line\nhalf")):
            (data / name).parent.mkdir(parents=True)
            (data / name).write_bytes(content)
        (data / "files/acme.test/tmp_draft").write_bytes(b"half a file")
        with pytest.MonkeyPatch.context() as patched, (at / "b.tar.gz").open("wb") as file:
            patched.setattr("amp.backup.taking.PIECE_BYTES", 10_000)
            take(Settings(data=data), file, with_secret=True, watch=lambda _: None)
    return at / "b.tar.gz"


async def _fill(url):
    store = connect(url)
    noise = hashlib.shake_256(b"noise").digest(15_000)
    await store.ask_all([("SET", "long", noise), ("HSET", "{acme:test}:g:k:file:file_a1", "v", 1)])
    await store.close()


def parts(file):
    """Name and content of each part, in their order."""
    with tarfile.open(file) as tar:
        return [(member, tar.extractfile(member).read()) for member in tar]


def written(file, members):
    """A file of these parts."""
    with tarfile.open(file, "w:gz", compresslevel=1) as tar:
        for member, content in members:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return file


def changed(file, backup, name, content):
    """The backup with another content of one part; None leaves it out."""
    there = [(member, content(old) if member.name == name else old) for member, old in parts(backup)]
    return written(file, [(member, new) for member, new in there if new is not None])


def test_a_backup_is_a_plain_tar_whose_parts_are_what_the_manifest_says(backup):
    members = parts(backup)
    assert [member.name for member, _ in members] == PARTS
    assert {member.mode for member, _ in members} == {0o600}
    content = {member.name: raw for member, raw in members}
    manifest = json.loads(content["manifest.json"])
    assert {part["name"]: part["sha256"] for part in manifest["parts"]} == {
        name: hashlib.sha256(raw).hexdigest() for name, raw in content.items() if name in PARTS[1:-1]
    }
    assert content["ledger/heads-0.log"] == b"a line\n"  # a line under way is left out
    assert (manifest["keys"], manifest["durability"], manifest["hasSecret"]) == (2, "always", True)
    assert manifest["secret"] == fingerprint(content["secret"].decode())
    head = read_head(content["store.rdb.00000"] + content["store.rdb.00001"])
    assert (head.format, head.keys, head.database) == (manifest["rdb"], 2, 0)
    assert read(backup, None).parts


def test_a_whole_file_is_unpacked(backup, tmp_path):
    read(backup, tmp_path)
    assert (tmp_path / "files/acme.test/file_a1").read_bytes() == b"bytes"
    snapshot = b"".join(raw for member, raw in parts(backup) if member.name.startswith("store.rdb"))
    assert (tmp_path / "store/store.rdb").read_bytes() == snapshot
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", PARTS[1:-1])
def test_a_part_that_was_changed_is_named(backup, tmp_path, name):
    other = changed(tmp_path / "b", backup, name, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
    with pytest.raises(CommandFailed, match=f"damaged: {name} is not what the manifest says"):
        read(other, None)


@pytest.mark.parametrize("name", PARTS)
def test_a_part_that_is_missing_is_named(backup, tmp_path, name):
    other = changed(tmp_path / "b", backup, name, lambda _: None)
    words = {"amp-backup.json": "is no backup of amp", "manifest.json": "it has no manifest"}
    with pytest.raises(CommandFailed, match=words.get(name, f"{name} is missing")):
        read(other, None)


def test_a_format_that_is_not_known_is_refused_by_the_version_that_wrote_it(backup, tmp_path):
    other = changed(
        tmp_path / "b", backup, PARTS[0], lambda _: json.dumps({"format": 2, "amp": "9.1.0"}).encode()
    )
    with pytest.raises(CommandFailed, match=r"has format 2, written by amp 9\.1\.0; this amp reads 1\."):
        read(other, None)


@pytest.mark.parametrize(
    "name",
    [
        "../outside",
        "/etc/passwd",
        "files/../../outside",
        "ledger/../heads-0.log",
        "files/acme.test/x",
        "store/appendonlydir/x",
        "secret\n",
    ],
)
def test_nothing_is_written_where_no_part_belongs(backup, tmp_path, name):
    assert not is_part(name)
    members = parts(backup)
    other = written(tmp_path / "b", [*members[:-1], (tarfile.TarInfo(name), b"x"), members[-1]])
    with pytest.raises(CommandFailed, match="has no place in it"):
        read(other, tmp_path / "into")
    assert not (tmp_path / "outside").exists()


def test_a_link_is_no_part(backup, tmp_path):
    members = parts(backup)
    link = tarfile.TarInfo("files/acme.test/file_b")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    other = written(tmp_path / "b", [*members[:-1], (link, b""), members[-1]])
    with pytest.raises(CommandFailed, match="has no place in it"):
        read(other, None)


def test_a_part_that_comes_twice_or_after_the_manifest_is_refused(backup, tmp_path):
    members = parts(backup)
    for order in ([*members[:2], *members[1:]], [*members, members[1]]):
        with pytest.raises(CommandFailed, match="has no place in it"):
            read(written(tmp_path / "b", order), None)


def test_a_cut_file_is_refused_wherever_it_is_cut(backup, tmp_path):
    whole, other = backup.read_bytes(), tmp_path / "b"
    for length in [*range(0, len(whole), len(whole) // 40), *range(len(whole) - 12, len(whole))]:
        other.write_bytes(whole[:length])
        with pytest.raises(CommandFailed, match=r"is cut|is damaged|is no backup"):
            read(other, None)


def test_a_flipped_bit_is_found_or_changes_nothing(backup, tmp_path):
    """A few bits of gzip's are another spelling of the same bytes, or tell of who packed them."""
    whole, other, said = backup.read_bytes(), tmp_path / "b", []
    places = [*range(0, len(whole), len(whole) // 60), *range(len(whole) - 8, len(whole))]
    for at in places:
        other.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            read(other, None)
        except CommandFailed as refusal:
            said.append(str(refusal))
        else:
            assert gzip.decompress(other.read_bytes()) == gzip.decompress(whole)
    assert len(said) > 0.8 * len(places)
    assert all(re.search("is cut|is damaged|is no backup", words) for words in said)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" * 400])
def test_what_is_no_backup_is_refused(tmp_path, content):
    (tmp_path / "b").write_bytes(content)
    with pytest.raises(CommandFailed, match=r"is cut|is no backup"):
        read(tmp_path / "b", None)
    with pytest.raises(CommandFailed, match="There is no file"):
        read(tmp_path / "c", None)


def test_a_part_that_shrinks_while_it_is_read_ends_the_backup(tmp_path):
    with (
        (tmp_path / "b").open("wb") as file,
        pytest.raises(CommandFailed, match="secret became shorter"),
        writer(file) as into,
    ):
        into.add_from("secret", io.BytesIO(b"abc"), 4)


# The head of a snapshot


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (b"REDIS0011\xfa\x05ctime\xc2\x00\x00\x00\x01\xfe\x03\xfb\x05\x01", 5),
        (b"VALKEY080\xfe\x00\xfb\x41\x02\x00", 0x102),
        (b"REDIS0012\xf5\x03abc\xfe\x00\xfb\x80\x00\x01\x00\x00\x00", 65536),
        (b"REDIS0012\xf5\xc3\x02\x0aab\xfe\x00\xfb\x81\x00\x00\x00\x01\x00\x00\x00\x00\x00", 1 << 32),
        (b"REDIS0011\xff12345678", 0),
        (b"REDIS0011\xf7\x01", None),
        (b"REDIS0011\xfe\x00\xfb", None),
    ],
)
def test_a_snapshot_tells_how_many_keys_come(raw, keys):
    """Bytes as the format's description has them."""
    head = read_head(raw)
    assert head.keys == keys
    assert head.saved_s == (0x01000000 if b"ctime" in raw else None)


def test_what_is_no_snapshot_has_no_head():
    assert read_head(b"") is read_head(b"-ERR unknown") is None
