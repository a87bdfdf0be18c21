from pathlib import Path

import numpy as np
import pytest

from cli.main import cli
from geometry.cloud_files import ENDINGS, read_cloud
from perception.command import CommandError
from perception.completion import predict, weights
from perception.completion.model import CompletionModel
from perception.completion.predict import PredictConfig
from perception.completion.weights import Stored
from tests.clouds import fields, npy, npz, pcd, ply, text
from tests.completion import SMALL, network, seen
from tests.conftest import DATA, ROOT

ANSWERED = (4 * SMALL.queries * SMALL.fold + SMALL.points, 3)
SEEN = seen().astype(np.float32)


@pytest.fixture
def stored(tmp_path) -> Path:
    weights.save(tmp_path / "w", Stored(network(), 1.5), {}, "card")
    return tmp_path / "w"


@pytest.fixture
def run(stored, tmp_path, capfd):
    """Complete what is named: exit status, files written below the folder of results, and what was told."""

    def run(*options: str | Path) -> tuple[int, list[str], str]:
        out = tmp_path / "out"
        status = cli(["predict", "completion", *map(str, options), "--out", str(out), "--weights", str(stored)])
        told = capfd.readouterr()
        files = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
        assert "Traceback" not in told.err and set(told.out.split()) <= {str(out / file) for file in files}
        return status, files, told.err

    return run


def fill(folder: Path, **files: bytes) -> Path:
    """Write files whose names have __ for a slash and _ for a dot before their ending."""
    for name, content in files.items():
        *folders, last = name.split("__")
        path = folder.joinpath(*folders, ".".join(last.rsplit("_", 1)))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.mark.parametrize("name", ["mug.npy", "mug.npz", "mug.xyz", "mug.csv"])
def test_files_are_completed(stored, tmp_path, name):
    path = tmp_path / name
    made = {".npy": npy, ".npz": lambda cloud: npz(points=cloud), ".xyz": text, ".csv": lambda cloud: text(cloud, ",")}
    path.write_bytes(made[path.suffix](SEEN))
    result = predict.main(PredictConfig((path,), tmp_path / "out", stored))
    assert not result.failed
    with np.load(result.written[0]) as arrays:
        assert arrays["points"].shape == ANSWERED and (arrays["uncertainty"] > 0).all()
        assert np.allclose(arrays["points"], CompletionModel.load(stored).complete(SEEN).points, atol=1e-6)


def test_a_ply_is_written_that_can_be_read_again(stored, tmp_path):
    np.save(tmp_path / "mug.npy", SEEN)
    written = predict.main(PredictConfig((tmp_path / "mug.npy",), tmp_path / "out", stored, ply=True)).written[0]
    again = read_cloud(written).points
    assert again.shape == ANSWERED and np.isfinite(again).all()


def test_results_lie_as_their_clouds_do(run, tmp_path):
    """PCN names the views of every model 00.pcd, 01.pcd, ..."""
    given = {f"{name}__0{view}_pcd": pcd(SEEN + view) for name in ("4a1c", "9b2d") for view in (0, 1)}
    status, files, told = run(fill(tmp_path / "partial", **given))
    assert status == 0
    assert files == [f"{name}/0{view}.completed.npz" for name in ("4a1c", "9b2d") for view in (0, 1)]
    assert told == "4 of 4 clouds completed\n"


def test_files_and_folders_may_be_named_together(run, tmp_path, monkeypatch):
    fill(tmp_path / "partial", a__00_pcd=pcd(SEEN), b__00_pcd=pcd(SEEN), c__deep__00_pcd=pcd(SEEN))
    monkeypatch.chdir(tmp_path / "partial" / "b")
    status, files, _ = run("../a/00.pcd", "00.pcd", "../c", "../c/deep/00.pcd", "../b/00.pcd")
    assert (status, files) == (0, [f"{name}/00.completed.npz" for name in ("a", "b", "c/deep")])
    assert "no file and no folder came" in run()[2]


def test_results_of_one_name_are_refused_before_any_is_written(run, tmp_path):
    folder = fill(tmp_path / "clouds", a_npy=npy(SEEN), b__mug_npy=npy(SEEN), b__mug_ply=ply(SEEN))
    status, files, told = run(folder)
    assert (status, files) == (2, [])
    assert "b/mug.npy" in told and "b/mug.ply would both be written to" in told and told.count("\n") == 1


def test_a_result_does_not_replace_a_cloud_that_is_read(stored, tmp_path):
    fill(tmp_path, **{"mug_npy": npy(SEEN), "mug.completed_npz": npz(points=SEEN)})
    with pytest.raises(CommandError, match="to be read and would be overwritten"):
        predict.main(PredictConfig((tmp_path / "mug.npy", tmp_path / "mug.completed.npz"), tmp_path, stored))


def test_results_among_the_clouds_are_not_completed_again(stored, tmp_path):
    clouds = fill(tmp_path / "clouds", mug_npy=npy(SEEN))
    for before in (0, 1):
        result = predict.main(PredictConfig((clouds,), clouds, stored))
        assert result.written == [clouds / "mug.completed.npz"] and result.found.others.total() == before
    assert result.found.left_out == "; left out: 1 completed before"


def test_odd_files_are_told_and_the_others_completed(run, tmp_path):
    few, flat, objects = npy(SEEN[:10]), npy(np.zeros((100, 2))), npy(np.array([None] * 50))
    cut, room, two = ply(SEEN)[:900], npy(SEEN * 500), npz(left=SEEN, right=SEEN)
    odd = {
        "few_npy": few, "nan_npy": npy(SEEN * np.nan), "flat_npy": flat, "torn_npy": b"\x93NUMPY",
        "objects_npy": objects,
        "zip_npz": b"PK\x03\x04 nothing", "words_xyz": b"no numbers at all", "empty_xyz": b"", "cut_ply": cut,
        "room_npy": room, "two_npz": two,
    }  # fmt: skip
    good = {"a_npy": npy(fields(SEEN)), "z_ply": ply(SEEN), "scan": pcd(SEEN, "binary")}
    other = {"notes_json": b"{}", "view_png": b"\x89PNG", "more__view_PNG": b"", "._a_ply": b"\0\5\x16\7"}
    status, files, told = run(fill(tmp_path / "clouds", **odd, **good, **other))
    assert status == 2 and files == ["a.completed.npz", "scan.completed.npz", "z.completed.npz"]
    errors = [line for line in told.splitlines() if line.startswith("error: ")]
    for name in odd:
        assert sum(name.replace("_", ".") in line for line in errors) == 1, name
    assert all(line.count("/clouds/") == 1 for line in errors) and len(errors) == len(odd)
    assert told.splitlines()[-1] == "3 of 14 clouds completed; left out: 1 .json, 2 .png, 1 hidden"


def test_nothing_to_complete_is_no_success(run, tmp_path):
    status, files, told = run(fill(tmp_path / "clouds", a_json=b"{}", **{".trash__a_ply": ply(SEEN)}))
    assert (status, files) == (2, []) and "holds no cloud" in told and "left out: 1 .json, 1 hidden" in told
    (tmp_path / "clouds" / ".trash").rename(tmp_path / "clouds" / "__MACOSX")
    assert run(tmp_path / "clouds") == (status, files, told)
    status, files, told = run(fill(tmp_path / "torn", a_ply=ply(SEEN)[:200]))
    assert (status, files) == (2, []) and told.endswith("0 of 1 clouds completed\n")


def test_rows_without_a_point_are_counted_and_change_nothing(run, tmp_path):
    holes = np.concatenate([np.full((300, 3), np.nan), SEEN, np.zeros((12, 3))]).astype(np.float32)
    folder = fill(tmp_path / "clouds", camera_pcd=pcd(holes), clean_pcd=pcd(SEEN))
    status, _, told = run(folder)
    assert status == 0 and f"dropped 312 rows without a point of {len(holes)}: {folder / 'camera.pcd'}\n" in told
    with np.load(tmp_path / "out/camera.completed.npz") as one, np.load(tmp_path / "out/clean.completed.npz") as other:
        assert np.array_equal(one["points"], other["points"])


def test_an_array_may_be_chosen_and_millimetres_be_told(run, tmp_path):
    path = fill(tmp_path, two_npz=npz(left=SEEN * 1000, right=SEEN)) / "two.npz"
    assert "Choose with --array NAME" in run(path)[2]
    assert run(path, "--array", "left", "--scale", "0.001")[0] == 0
    with np.load(tmp_path / "out/two.completed.npz") as arrays:
        assert np.ptp(arrays["points"]) < 1.0
    assert "scale is 0.0; it must be more than 0" in run(path, "--scale", "0")[2]


def test_the_sample_is_a_thing_that_can_be_completed(tmp_path):
    """With the shipped weights the answer is larger than what was seen, and stands on the table."""
    sample = ROOT / "assets" / "samples" / "mug.ply"
    result = predict.main(PredictConfig((sample,), tmp_path))
    whole, cloud = np.load(result.written[0])["points"], read_cloud(sample)
    assert cloud.dropped == 0 and len(whole) == 9216
    assert np.prod(np.ptp(whole, axis=0)) > 1.2 * np.prod(np.ptp(cloud.points, axis=0))
    assert abs(whole[:, 2].min()) < 0.01


def test_a_cloud_that_is_not_there_is_told_as_that(run, tmp_path):
    nowhere = tmp_path / "nowhere.ply"
    status, files, told = run(nowhere)
    assert (status, files) == (2, [])
    assert f"error: {nowhere} is missing; expected a cloud ({', '.join(ENDINGS)}). Check the path.\n" in told


@pytest.mark.parametrize(
    ("name", "completed", "said"),
    [
        ("03_pcn_layout", 4, "4 of 4"),
        ("04_structured_npy_in_a_batch", 3, "3 of 3"),
        ("05_truncated_ply_in_a_folder", 1, "1 of 3"),
        ("06_colours_first.npz", 1, "1 of 1"),
        ("07_text_clouds", 2, "2 of 2"),
        ("08_nan_rows.pcd", 1, "dropped 300 rows without a point of 1175"),
        ("fuzz/cloud.1.225.npz", 0, "damaged NPZ"),
        ("fuzz/cloud.1.242.pcd", 0, "PCD header is damaged"),
        ("fuzz/cloud.1.9.npy", 0, "header of its array is damaged"),
    ],
)
def test_what_public_reports_failed_on(run, name, completed, said):
    source = DATA / "reports" / name
    if not source.exists():
        pytest.skip(f"{source} is not here: it is data that is not shipped")
    status, files, told = run(source)
    assert len(files) == completed and said in told
    assert status == (0 if "error" not in told else 2)
