"""`download` against a server that behaves as Hugging Face and ModelScope do; the real ones are not asked."""

import json
import os
import pty
import shlex
import signal
import subprocess

import pytest

from downloading import FOLDER, NEEDED, STARTER, command, download, environment, gguf_hub, hub, names, refusal  # noqa: F401
from harness import BINARY, ROOT, wait_until


def test_a_folder_from_hugging_face(hub, tmp_path):
    target = tmp_path / "models/mine"
    out, err = download(hub, target)
    assert names(target) == NEEDED
    assert all((target / name).read_bytes() == FOLDER[name] for name in NEEDED)
    assert out == f"{shlex.quote(str(BINARY))} chat --model {shlex.quote(str(target))}\n"
    assert "model.safetensors: complete, SHA-256 as the hub says" in err and "config.json: complete, git SHA-1 as the hub says" in err
    assert "\r" not in err
    assert {request.path.split("?")[0] for request in hub.requests if request.host == "127.0.0.1"} == {
        "/api/models/test/model/tree/main", *(f"/test/model/resolve/main/{name}" for name in NEEDED)
    }


def test_again_fetches_nothing_and_mends_what_is_damaged(hub, tmp_path):
    download(hub, tmp_path)
    hub.requests.clear()
    download(hub, tmp_path)
    assert len(hub.requests) == 1
    weights = bytearray(FOLDER["model.safetensors"])
    weights[-1] ^= 1
    (tmp_path / "model.safetensors").write_bytes(weights)
    download(hub, tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == FOLDER["model.safetensors"]
    assert len(hub.fetched("model.safetensors")) == 1


def test_the_printed_line_runs_the_model(gguf_hub, tmp_path):
    out, _ = download(gguf_hub, tmp_path / "it's here", "--source", "modelscope", "--gguf", "*Q8_0*")
    done = subprocess.run(["sh", "-c", out.strip() + " 你好"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip(), done.stderr
    assert names(tmp_path / "it's here") == ["starter-q8_0.gguf"]
    paths = [request.path for request in gguf_hub.requests if request.host == "127.0.0.1"]
    assert paths == [
        "/api/v1/models/test/model/repo/files?Revision=master&Recursive=false",
        "/api/v1/models/test/model/repo?Revision=master&FilePath=starter-q8_0.gguf",
    ]


def test_a_name_of_its_own_under_models_and_the_endpoint_of_the_environment(hub, tmp_path):
    done = subprocess.run(
        [BINARY, "download", "test/model"], cwd=tmp_path, env=environment(HF_ENDPOINT=hub.url), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert names(tmp_path / "models/model") == NEEDED and done.stdout.endswith(" chat --model models/model\n")


def test_shards_are_taken_by_their_index(hub, tmp_path):
    content = FOLDER["model.safetensors"]
    size = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + size]), content[8 + size :]
    tensors = {name: entry for name, entry in header.items() if name != "__metadata__"}
    shards = {f"model-0000{n}-of-00002.safetensors": sorted(tensors)[n - 1 :: 2] for n in (1, 2)}
    for shard, members in shards.items():
        part, entries = b"", {}
        for name in members:
            begin, end = tensors[name]["data_offsets"]
            entries[name] = tensors[name] | {"data_offsets": [len(part), len(part) + end - begin]}
            part += data[begin:end]
        text = json.dumps(entries).encode()
        hub.files[shard] = len(text).to_bytes(8, "little") + text + part
    del hub.files["model.safetensors"]
    index = {"weight_map": {name: shard for shard, members in shards.items() for name in members}}
    hub.files["model.safetensors.index.json"] = json.dumps(index).encode()
    hub.files["model-00003-of-00002.safetensors"] = b"not in the index"
    hub.page_entries = 3
    download(hub, tmp_path)
    assert names(tmp_path) == sorted(
        ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json", *shards]
    )
    assert len([request for request in hub.requests if "/tree/" in request.path]) == 5

    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "has another model's model.safetensors; remove it or choose another --output" in refusal(hub, tmp_path)
    (tmp_path / "model.safetensors").unlink()

    index["weight_map"]["x"] = "../../evil.safetensors"
    hub.files["model.safetensors.index.json"] = json.dumps(index).encode()
    assert "names the shard '../../evil.safetensors', which the repository does not have" in refusal(hub, tmp_path)


def test_what_broke_off_goes_on(gguf_hub, tmp_path):
    gguf_hub.faults = [("status", 503), ("cut", 1_000_000), ("status", 429), ("cut", 2_000_000)]
    _, err = download(gguf_hub, tmp_path, "--gguf", "starter-q8_0.gguf")
    assert (tmp_path / "starter-q8_0.gguf").read_bytes() == STARTER
    ranges = [request.headers.get("range") for request in gguf_hub.fetched(".gguf")]
    assert ranges[:2] == [None, None] and len(ranges) == 5 and ranges[2] == ranges[3]
    starts = [int(value.removeprefix("bytes=").removesuffix("-")) for value in ranges[2:]]
    assert 0 < starts[0] <= 1_000_000 < starts[2] <= 3_000_000
    assert "broke off" in err and "was refused for now (429); again in 0 s" in err


@pytest.mark.parametrize("how", ["a server that ignores ranges", "a status of 200 for a part"])
def test_what_broke_off_goes_on_with(gguf_hub, tmp_path, how):
    gguf_hub.faults = [("cut", 1_000_000)]
    gguf_hub.ignores_ranges = how.startswith("a server")
    gguf_hub.partial_status = 200
    download(gguf_hub, tmp_path, "--gguf", "*q8*")
    assert (tmp_path / "starter-q8_0.gguf").read_bytes() == STARTER
    assert gguf_hub.fetched(".gguf")[1].headers["range"].startswith("bytes=")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_when_run_again(gguf_hub, tmp_path, number):
    gguf_hub.faults = [("hang", 3_000_000)]
    process = subprocess.Popen(
        command(gguf_hub, tmp_path, "--gguf", "*q8*"), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )
    part = wait_until(lambda: list(tmp_path.glob(".partial/*")), 60, "a part is there")[0]
    wait_until(lambda: part.stat().st_size > 2_000_000, 60, "most of the part is there")
    assert "another download writes to" in refusal(gguf_hub, tmp_path, "--gguf", "*q8*")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    gguf_hub.resume.set()
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 128 + number and err.endswith("Interrupted; run the command again to go on where it stopped.\n")
    size = part.stat().st_size
    _, err = download(gguf_hub, tmp_path, "--gguf", "*q8*")
    assert gguf_hub.fetched(".gguf")[-1].headers["range"] == f"bytes={size}-"
    assert "of it here already" in err
    assert names(tmp_path) == ["starter-q8_0.gguf"] and (tmp_path / "starter-q8_0.gguf").read_bytes() == STARTER


def test_gives_up_on_a_server_that_stays_away(gguf_hub, tmp_path):
    gguf_hub.faults = [("status", 503)] * 5
    said = refusal(gguf_hub, tmp_path, "--gguf", "*q8*")
    assert "was refused for now (503), 5 times; run the command again to go on" in said
    assert len(gguf_hub.fetched(".gguf")) == 5


def test_parts_of_another_version_are_not_continued(gguf_hub, tmp_path):
    gguf_hub.faults = [("cut", 1_000_000)] + [("status", 500)] * 5
    refusal(gguf_hub, tmp_path, "--gguf", "*q8*")
    assert len(names(tmp_path / ".partial")) == 1
    gguf_hub.files["starter-q8_0.gguf"] = STARTER[::-1]
    assert "starter-q8_0.gguf" in refusal(gguf_hub, tmp_path, "--gguf", "*q8*")  # which is no GGUF file
    assert gguf_hub.fetched(".gguf")[-1].headers.get("range") is None
    assert names(tmp_path) == ["starter-q8_0.gguf"] and (tmp_path / "starter-q8_0.gguf").read_bytes() == STARTER[::-1]


def test_a_gguf_file_is_chosen(gguf_hub, tmp_path):
    assert "choose one with --gguf: starter-q4_0.gguf, starter-q8_0.gguf" in refusal(gguf_hub, tmp_path / "x")
    assert "matches 2 files" in refusal(gguf_hub, tmp_path / "x", "--gguf", "*")
    assert "matches 'q5'; it has starter-q4_0.gguf" in refusal(gguf_hub, tmp_path / "x", "--gguf", "q5")
    assert not (tmp_path / "x").exists()


def test_without_curl(hub, tmp_path):
    assert "curl is not on the PATH; install it" in refusal(hub, tmp_path, PATH=str(tmp_path))


def test_curls_own_configuration_is_not_read(hub, tmp_path):
    (tmp_path / ".curlrc").write_text("url = http://127.0.0.2:1/\n")
    download(hub, tmp_path / "x", HOME=str(tmp_path), CURL_HOME=str(tmp_path))


def test_a_folder_that_cannot_be_written(hub, tmp_path):
    (tmp_path / "file").write_text("")
    assert "cannot make the folder" in refusal(hub, tmp_path / "file/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk(gguf_hub, tmp_path):
    target = tmp_path / "small"
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", target], check=True)
    try:
        filler = target / "filler"
        filler.write_bytes(bytes(4 << 20))
        said = refusal(gguf_hub, target, "--gguf", "*q8*")
        assert "free, but 5.4 MB are needed" in said and gguf_hub.fetched(".gguf") == []
        filler.unlink()
        # It fills up on the way.
        gguf_hub.faults = [("cut", 1_000_000)]
        process = subprocess.Popen(
            command(gguf_hub, target, "--gguf", "*q8*"), cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
        )
        wait_until(lambda: any(path.stat().st_size > 900_000 for path in target.glob(".partial/*")), 60, "a part is there")
        with filler.open("wb", buffering=0) as file:
            file.write(bytes(3 << 20))
        _, err = process.communicate(timeout=60)
        assert process.returncode == 1 and "Error: the disk is full: make room for " in err
        filler.unlink()
        download(gguf_hub, target, "--gguf", "*q8*")
        assert (target / "starter-q8_0.gguf").read_bytes() == STARTER
    finally:
        subprocess.run(["umount", target], check=True)


def test_a_bar_on_a_terminal(gguf_hub, tmp_path):
    gguf_hub.faults = [("cut", 2_000_000)]
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command(gguf_hub, tmp_path, "--gguf", "*q8*"), cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    bars = [line for line in shown.decode().split("\r") if "#" in line]
    assert bars and all(" % of 5.4 MB, " in line and len(line) < 90 for line in bars)
    assert "broke off" in shown.decode() and "complete, SHA-256 as the hub says" in shown.decode()
