"""Files appear whole or not at all, and one process at a time works in a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from preprocessing.errors import OutputError, PreprocessingError
from preprocessing.io.files import locked, remove_temporaries, replaced, reserve, write_bytes, writing

HOLD = """
import sys
from pathlib import Path
from preprocessing.io.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.dist
def test_a_lock_refuses_a_second_process_and_falls_with_its_owner(tmp_path: Path) -> None:
    lock = tmp_path / "out" / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        with pytest.raises(PreprocessingError, match=rf"lock: process {owner.pid} on .* is at work there; wait for it"):
            locked(lock).__enter__()
        owner.kill()
        owner.wait()
        with locked(lock):
            assert f"process {os.getpid()} on " in lock.read_text()


def test_an_error_leaves_the_old_file_and_no_temporary(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), replaced(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.parametrize(("number", "text"), [(28, "No space left on device"), (13, "Permission denied")])
def test_what_no_file_survives_is_an_output_error(number: int, text: str, tmp_path: Path) -> None:
    refusal = rf"/file: cannot be written \({text}\); what is done stays"
    with pytest.raises(OutputError, match=refusal), replaced(tmp_path / "file"):
        raise OSError(number, text)
    assert list(tmp_path.iterdir()) == []


def test_other_errors_of_the_system_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Input/output error"), writing(tmp_path):
        raise OSError(5, "Input/output error")


def test_a_file_in_place_of_a_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match=r"out/ledger/lock: cannot be written \(Not a directory\)"):
        locked(tmp_path / "out" / "ledger" / "lock").__enter__()


def test_reserved_files_have_their_blocks(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as stream:
        stream.truncate(1 << 20)
    assert path.stat().st_blocks * 512 < 1 << 20
    reserve(path)
    assert path.stat().st_blocks * 512 >= 1 << 20
    assert path.read_bytes() == bytes(1 << 20)


def test_temporaries_are_removed_wherever_they_are(tmp_path: Path) -> None:
    for name in ("ledger/.tmp-a.json", "slices/.tmp-b.npy", ".tmp-c", "sub-a/anat/.tmp-d.nii.gz", "sub-a/anat/kept"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    remove_temporaries(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["kept"]
