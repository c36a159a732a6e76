"""What `download` trusts a hub with, and what it does not: tokens, checksums, redirects, names, sizes, refusals."""

import shutil
import subprocess

import pytest

from downloading import FOLDER, TOKEN, download, hub, names, refusal  # noqa: F401
from hub import Hub


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
