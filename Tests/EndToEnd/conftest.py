import pytest

from harness import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The server that all tests share; it must still be the same process at the end."""
    running = Server(tmp_path_factory.mktemp("server"))
    first_pid = running.pid
    yield running
    alive = running.process.poll() is None
    status = running.stop()
    assert alive, f"the server ended during the tests: {running.text()}"
    assert running.pid == first_pid
    assert status == 0, f"not a clean end: {running.text()}"


@pytest.fixture(scope="session")
def client(server):
    with server.client(http2=True) as client:
        yield client
