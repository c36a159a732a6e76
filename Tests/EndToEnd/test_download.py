"""`download` against a server that behaves as Hugging Face and ModelScope do; the real ones are not asked."""

import json
import os
import pty
import shlex
import shutil
import signal
import subprocess

import pytest

from harness import BINARY, ROOT, wait_until
from hub import Hub

FIXTURE = ROOT / "Tests/Reference/model-files/tiny-qwen2"
STARTER = (ROOT / "models/starter.gguf").read_bytes()
TOKEN = "hf_SecretOfTheTests"
FOLDER = {
    "README.md": b"# a model\n",
    ".gitattributes": b"*.safetensors filter=lfs\n",
    "config.json": (FIXTURE / "config.json").read_bytes(),
    "generation_config.json": b"{}",
    "model.safetensors": (FIXTURE / "model.safetensors").read_bytes(),
    "pytorch_model.bin": b"pickle",
    "tokenizer.json": b"{}" + b" " * 20_000,
    "tokenizer_config.json": b"{}",
    "vocab.json": b"{}",
    "merges.txt": b"",
}
NEEDED = ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
GGUF = {"README.md": b"", "starter-q8_0.gguf": STARTER, "starter-q4_0.gguf": b"GGUF"}


@pytest.fixture()
def hub():
    with Hub(dict(FOLDER)) as running:
        yield running


@pytest.fixture()
def gguf_hub():
    with Hub(dict(GGUF)) as running:
        yield running


def environment(**more: str) -> dict[str, str]:
    """Without proxies and tokens of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith(("_proxy", "_token"))}
    return {name: value for name, value in kept.items() if name != "HF_ENDPOINT"} | more


def command(hub: Hub, target, *options: str, model: str = "test/model") -> list:
    return [BINARY, "download", model, "--mirror", hub.url, "--output", target, *options]


def download(hub: Hub, target, *options: str, status: int = 0, model: str = "test/model", **variables: str) -> tuple[str, str]:
    """Standard output and standard error."""
    done = subprocess.run(
        command(hub, target, *options, model=model), cwd=ROOT, env=environment(**variables), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == status, done.stderr
    return done.stdout, done.stderr


def refusal(*arguments, **named) -> str:
    """The one line that says what is wrong."""
    out, err = download(*arguments, status=1, **named)
    assert out == ""
    errors = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1 and err.endswith(errors[0] + "\n")
    return errors[0]


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


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


@pytest.mark.parametrize("source, variable", [("huggingface", "HF_TOKEN"), ("modelscope", "MODELSCOPE_API_TOKEN")])
def test_the_token_goes_to_the_hub_alone(hub, tmp_path, source, variable):
    hub.token = TOKEN
    out, err = download(hub, tmp_path, "--source", source, **{variable: TOKEN})
    assert TOKEN not in out + err
    at_hub = [request for request in hub.requests if request.host == "127.0.0.1"]
    at_cdn = [request for request in hub.requests if request.host == "127.0.0.2"]
    assert len(at_hub) == 5 and at_cdn
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in at_hub)
    assert not any(TOKEN in str(request.headers) for request in at_cdn)
    # The program itself must have it in its environment; what it runs has not.
    assert not any(request.exposed for request in hub.requests)

    said = refusal(hub, tmp_path / "x", "--source", source, **{variable: "wrong"})
    assert f"the token in {variable} does not open it" in said
    assert f"set {variable}" in refusal(hub, tmp_path / "x", "--source", source)


def test_a_token_does_not_go_unencrypted(hub, tmp_path):
    hub.url = "http://hub.invalid"
    assert "would go unencrypted to http://hub.invalid" in refusal(hub, tmp_path, HF_TOKEN=TOKEN)


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


@pytest.mark.parametrize("source", ["huggingface", "modelscope"])
@pytest.mark.parametrize("file", ["config.json", "model.safetensors"])
def test_a_wrong_checksum(hub, tmp_path, source, file):
    good = hub.files[file]
    digest = "0" * (40 if file == "config.json" and source == "huggingface" else 64)
    hub.listed = {file: {"oid": digest, "lfs": {"oid": digest, "size": len(good)} if len(digest) == 64 else None, "Sha256": digest}}
    hub.announced = {file: digest}
    said = refusal(hub, tmp_path, "--source", source)
    if file == "config.json" and source == "huggingface":
        assert "config.json has changed since the list was made" in said  # its ETag says so before its content
    else:
        assert f"{file} is damaged: its SHA-256 is " in said and f"not {digest}; run the command again" in said
    assert not (tmp_path / file).exists()
    hub.listed, hub.announced = {}, {}
    download(hub, tmp_path, "--source", source)
    assert (tmp_path / file).read_bytes() == good


def test_a_change_is_noticed_before_the_bytes(hub, tmp_path):
    hub.announced = {"model.safetensors": "1" * 64}
    assert "model.safetensors has changed since the list was made" in refusal(hub, tmp_path)
    assert hub.fetched("model.safetensors") == []


def test_without_a_checksum_in_the_list_the_announced_one_counts(hub, tmp_path):
    hub.listed = {"model.safetensors": {"oid": None, "lfs": None}}
    _, err = download(hub, tmp_path)
    assert "model.safetensors: complete, SHA-256 as the hub says" in err
    shutil.rmtree(tmp_path)
    hub.announced = {"model.safetensors": "1" * 64}
    assert "is damaged" in refusal(hub, tmp_path)
    shutil.rmtree(tmp_path)
    hub.announced = {"model.safetensors": "none"}
    assert "model.safetensors: complete; the hub gives no checksum" in download(hub, tmp_path)[1]


@pytest.mark.parametrize(
    "status, headers, variables, words",
    [
        (404, {"X-Error-Code": "RepoNotFound"}, {}, "test/model from 127.0.0.1:{port} is not there: check the name, the revision and --source"),
        (404, {"X-Error-Code": "RevisionNotFound"}, {}, "no such revision"),
        (401, {}, {}, "there is none of the name, or it is private: set HF_TOKEN"),
        (401, {"X-Error-Code": "GatedRepo"}, {}, "is gated: ask for access on its page and set HF_TOKEN"),
        (403, {"X-Error-Code": "GatedRepo"}, {"HF_TOKEN": TOKEN}, "is gated: ask for access"),
        (403, {}, {"HF_TOKEN": TOKEN}, "is refused (403): the token in HF_TOKEN does not open it"),
        (400, {}, {}, "is refused (400)"),
        (302, {}, {}, "is redirected to where it must not be followed"),
        (302, {"Location": "file:///etc/passwd"}, {}, "is redirected to where it must not be followed"),
        (302, {"Location": "/again"}, {}, "test/model is redirected more than 5 times"),
        (429, {"Retry-After": "0"}, {}, "was refused for now (429), 5 times"),
        (200, {}, {}, "the list of files is not what a huggingface hub sends"),
    ],
)
def test_what_the_hub_refuses(hub, tmp_path, status, headers, variables, words):
    hub.status = (status, headers)
    said = refusal(hub, tmp_path / "x", **variables)
    assert words.format(port=hub.url.split(":")[-1]) in said and TOKEN not in said
    assert not (tmp_path / "x").exists()
    assert len(hub.requests) <= 6


def test_an_endless_refusal_is_not_read(hub, tmp_path):
    hub.endless_error = True
    assert "is refused (403)" in refusal(hub, tmp_path)


def test_modelscope_says_it_with_a_status_of_200(hub, tmp_path):
    assert "is not there" in refusal(hub, tmp_path, "--source", "modelscope", model="test/other")


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.2/x", "gopher://127.0.0.2/x", "x", "http://u:p@127.0.0.2/"])
def test_a_file_is_redirected_nowhere_else(hub, tmp_path, location):
    hub.redirect = location
    said = refusal(hub, tmp_path)
    assert "tokenizer.json from 127.0.0.1" in said and "is redirected to where it must not be followed" in said
    assert names(tmp_path) == ["config.json"] and not any(request.host == "127.0.0.2" for request in hub.requests)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Certificate and key of both addresses in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    key, path = folder / "key.pem", folder / "both.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=hub",
         "-addext", "subjectAltName=IP:127.0.0.1,IP:127.0.0.2", "-keyout", key, "-out", path],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_text(path.read_text() + key.read_text())
    return path


def test_over_tls(certificate, tmp_path):
    with Hub(dict(FOLDER), certificate) as hub:
        hub.token = TOKEN
        said = refusal(hub, tmp_path / "x", HF_TOKEN=TOKEN)
        assert "cannot fetch test/model from 127.0.0.1" in said and "certificate" in said
        assert hub.requests == []
        trusting = {"HF_TOKEN": TOKEN, "CURL_CA_BUNDLE": str(certificate)}
        download(hub, tmp_path / "x", **trusting)
        assert not any("authorization" in request.headers for request in hub.requests if request.host == "127.0.0.2")
        hub.redirect = hub.cdn_url.replace("https", "http")
        assert "is redirected to where it must not be followed" in refusal(hub, tmp_path / "y", **trusting)


def test_hostile_names_are_not_taken(hub, tmp_path):
    target = tmp_path / "a/b"
    for name in ("../evil.gguf", "/tmp/evil.gguf", "x/evil.gguf", ".evil.gguf", "evil\n.gguf", "evil\x1b[2J.gguf"):
        hub.extra_entries.append({"type": "file", "oid": "0" * 40, "size": 4, "path": name})
    assert "test/model has no GGUF file in its root folder" in refusal(hub, target, "--gguf", "*")
    assert not (tmp_path / "a").exists()
    for name in ("a/../../b", "test", "test/model/x", "../model", "test/.."):
        assert "is no repository" in refusal(hub, target, model=name)


def test_lists_have_bounds(hub, tmp_path):
    hub.endless_pages = True
    assert "the list of files has more than 20 pages" in refusal(hub, tmp_path / "x")
    assert len(hub.requests) == 20
    hub.endless_pages = False
    hub.extra_entries = [{"type": "file", "oid": "0" * 40, "size": 4, "path": "x" * 100}] * 120_000
    hub.page_entries = 200_000
    assert "the list of files is larger than" in refusal(hub, tmp_path / "x")


def test_sizes_have_bounds(hub, tmp_path):
    for size, words in ((10**13, "has more than 200000000000 bytes"), (2**62, "has more than"), (-1, "has neither")):
        hub.listed = {"model.safetensors": {"size": size, "lfs": None}}
        assert words in refusal(hub, tmp_path)
    hub.listed = {"tokenizer.json": {"size": 10**9, "lfs": None}}
    assert "tokenizer.json of test/model has 1000000000 bytes; at most" in refusal(hub, tmp_path)
    # One byte more than listed, by a content without a length or with one.
    hub.listed = {"model.safetensors": {"size": len(FOLDER["model.safetensors"]) - 1, "lfs": None, "oid": None}}
    assert "model.safetensors has 20928 bytes there, but 20927 in the list" in refusal(hub, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_pointer_is_not_the_file(hub, tmp_path):
    hub.pointers = True
    assert "the server has only a Git LFS pointer of tokenizer.json, not the file" in refusal(hub, tmp_path)
    assert names(tmp_path) == ["config.json"]


def test_another_architecture_stops_before_the_weights(hub, tmp_path):
    hub.files["config.json"] = FOLDER["config.json"].replace(b'"qwen2"', b'"llama"')
    assert "the architecture is llama" in refusal(hub, tmp_path)
    assert hub.fetched("model.safetensors") == []


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
