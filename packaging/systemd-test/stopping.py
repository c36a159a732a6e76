"""One thread of another process, stopped as by a debugger while the others go on."""

import ctypes
import os
from pathlib import Path

ATTACH = 16  # PTRACE_ATTACH
ANY_THREAD = 0x40000000  # __WALL
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
ptrace.restype = ctypes.c_long


class StoppedThread:
    """The process's thread of that name, which stands still until the process ends."""

    def __init__(self, pid: int, name: str):
        tasks = Path(f"/proc/{pid}/task").iterdir()
        threads = [int(task.name) for task in tasks if (task / "comm").read_text().strip() == name]
        assert len(threads) == 1, f"threads named {name}: {threads}"
        self.number = threads[0]
        if ptrace(ATTACH, self.number, None, None) != 0:
            raise OSError(ctypes.get_errno(), f"cannot attach to thread {self.number}")
        os.waitpid(self.number, ANY_THREAD)

    def has_ended(self) -> bool:
        """To be asked again and again: the process is not gone before its debugger has taken note of the thread's end."""
        number, state = os.waitpid(self.number, ANY_THREAD | os.WNOHANG)
        return number != 0 and not os.WIFSTOPPED(state)
