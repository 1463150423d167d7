"""Leaves the machine as the tests found it, whatever went wrong in them; and sees that no sanitizer has complained."""
import pytest

import views  # noqa: F401 - puts deploy/local on the path
import postgres
import stack


@pytest.fixture(scope="session", autouse=True)
def nothing_left(tmp_path_factory):
    """Stops what a failed test may have left running, and removes the databases: run by root they are elsewhere, see
    deploy/local/postgres.py, where pytest does not clean up."""
    yield
    logs = list(tmp_path_factory.getbasetemp().glob("**/log/*.log*"))
    complaints = [str(log) for log in logs if any(word in log.read_bytes() for word in (b"Sanitizer", b"runtime error: "))]
    for pids in tmp_path_factory.getbasetemp().glob("**/pid"):
        stack.stop(pids.parent)
        postgres.remove(pids.parent)
    assert not complaints, "a sanitizer has complained"
