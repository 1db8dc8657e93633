"""Files that nobody can reach give back their room: their time is over, or nobody ever listed them."""

import os
import time

import pytest
from session_clients import ACME

from amp.grading.blobs import Blobs
from amp.grading.files import Files, Upload
from amp.grading.shelf_store import LIBRARY, ShelfStore
from amp.grading.sweeping import ORPHANED_S, Sweeper
from amp.store.functions import Functions


class Clock:
    now_us = 1_790_000_000 * 10**6

    def __call__(self):
        return self.now_us


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "files"


@pytest.fixture
def files(any_store, folder, clock):
    shelf = ShelfStore(any_store, Functions(any_store, [LIBRARY]))
    return Files(shelf, Blobs(folder), clock=clock)


@pytest.fixture
def sweeper(files, folder):
    return Sweeper(files, Blobs(folder))


def on_disk(folder):
    return {each.name for each in folder.glob("*/*")}


def aged(folder, age_s=ORPHANED_S + 60):
    for each in folder.glob("*/*"):
        os.utime(each, (time.time() - age_s,) * 2)


async def test_a_file_whose_time_is_over_is_gone_from_list_and_disk(files, sweeper, folder, clock):
    await files.put(ACME, Upload("short.txt", b"x", expires_in_s=60))
    kept = [await files.put(ACME, Upload("kept.txt", b"y", expires_in_s=each)) for each in (None, 7200)]
    assert await sweeper.once() == 0
    clock.now_us += 3600 * 10**6
    assert await sweeper.once() == 1
    assert on_disk(folder) == {each["id"] for each in kept}
    assert {each["id"] for each in (await files.listing(ACME)).values} == {each["id"] for each in kept}
    assert await sweeper.once() == 0


async def test_bytes_that_no_file_names_are_gone_after_a_day(files, sweeper, folder):
    kept = await files.put(ACME, Upload("kept.txt", b"y"))
    await Blobs(folder).write(ACME, "file_lost", b"of an upload that was killed")
    (folder / f"{ACME.name}.{ACME.env}" / "tmp_half").write_bytes(b"half")
    assert await sweeper.once() == 0
    aged(folder)
    assert await sweeper.once() == 2
    assert on_disk(folder) == {kept["id"]}


async def test_another_stores_folder_is_left_alone(sweeper, folder):
    await Blobs(folder).write(ACME, "file_of_another_store", b"precious")
    (folder / "lost+found").mkdir()
    aged(folder)
    assert await sweeper.once() == 0
    assert on_disk(folder) == {"file_of_another_store"}
