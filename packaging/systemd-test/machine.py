"""A minimal Debian with systemd as its process 1, which systemd-nspawn boots from a folder; its only network is loopback."""

import os
import signal
import subprocess
import time
from pathlib import Path

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/root", "DEBIAN_FRONTEND": "noninteractive",
}
BOOT_SECONDS = 60
STOP_SECONDS = 60


def wait_until(condition, seconds: float, what: str):
    """What condition gives once it is true; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)
    return result


class ControlGroups:
    """Where this machine has no systemd of its own, groups that are the container's, in each hierarchy that it may fill."""

    def __init__(self, name: str):
        self.folders: list[Path] = []
        if Path("/run/systemd/system").is_dir():
            return  # systemd-nspawn asks systemd for a scope
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, path = line.split(":", 2)
            hierarchy = {"": "unified", "memory": "memory", "name=systemd": "systemd"}.get(controllers)
            if hierarchy and (root := Path("/sys/fs/cgroup") / hierarchy).is_dir():
                self.folders.append(root / path.lstrip("/") / name)

    def enter(self):
        """In the child that becomes systemd-nspawn."""
        for folder in self.folders:
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        for folder in self.folders:
            for inner in sorted(folder.rglob("*/"), key=lambda path: -len(path.parts)):
                inner.rmdir()
            if folder.is_dir():
                folder.rmdir()


class Machine:
    def __init__(self, archive: Path, folder: Path):
        """archive: what root.sh wrote; it is unpacked into folder, which must not be there yet."""
        self.folder = folder
        folder.mkdir(parents=True)
        subprocess.run(["tar", "--extract", "--numeric-owner", "--file", archive, "--directory", folder], check=True)
        self.nspawn: subprocess.Popen | None = None
        self.leader = 0

    def chroot(self, *command: str) -> subprocess.CompletedProcess:
        """Runs a command in the folder while nothing is booted there; programs find their arguments in /proc."""
        alone = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.folder}/proc"]
        return subprocess.run([*alone, "chroot", self.folder, *command], capture_output=True, text=True, env=ENVIRONMENT)

    # MARK: From boot to power-off

    def boot(self):
        name = f"qwen-boot-{os.getpid()}"
        self.groups = ControlGroups(name)
        command = ["systemd-nspawn", "--boot", "--quiet", f"--directory={self.folder}", f"--machine={name}", "--private-network"]
        command += ["--register=no", "--console=pipe"] + (["--keep-unit"] if self.groups.folders else [])
        with self.folder.with_suffix(".console").open("w") as console:
            self.nspawn = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=self.groups.enter,
                start_new_session=True,
            )
        self.leader = wait_until(self.find_leader, BOOT_SECONDS, f"systemd started, see {console.name}")
        # "degraded" is a unit of the distribution that a container cannot have; which, is asked by a test.
        wait_until(
            lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded"),
            BOOT_SECONDS, "the system is up",
        )
        memory = "/sys/fs/cgroup/memory"
        if self.run("test", "-d", memory, check=False).returncode == 0:
            # Of the old hierarchies systemd-nspawn gives only systemd's own to its system. MemoryMax needs this one as well,
            # and process 1 looks for it when it starts.
            subprocess.run(["nsenter", f"--target={self.leader}", "--mount", "mount", "-o", "remount,bind,rw", memory], check=True)
            self.run("systemctl", "daemon-reexec")

    def find_leader(self) -> int:
        """The process 1 of the system: below systemd-nspawn, the first in a namespace of its own."""
        if self.nspawn.poll() is not None:
            raise AssertionError(f"systemd-nspawn ended with {self.nspawn.returncode}")
        for pid, inner in self.processes():
            if inner == 1:
                return pid
        return 0

    def processes(self) -> list[tuple[int, int]]:
        """The numbers of its processes here and there."""
        children: dict[int, list[list[int]]] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                fields = dict(line.split(":\t", 1) for line in (folder / "status").read_text().splitlines())
            except (OSError, ValueError):
                continue  # it has ended
            numbers = [int(number) for number in fields["NSpid"].split()]
            children.setdefault(int(fields["PPid"]), []).append(numbers)
        found, parents = [], [self.nspawn.pid]
        while parents:
            for numbers in children.get(parents.pop(), []):
                parents.append(numbers[0])
                if len(numbers) > 1:
                    found.append((numbers[0], numbers[-1]))
        return found

    def stop(self):
        if self.nspawn is not None and self.nspawn.poll() is None:
            self.nspawn.send_signal(signal.SIGTERM)  # powers the system off in order
            try:
                self.nspawn.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.nspawn.kill()
                self.nspawn.wait()
        if self.nspawn is not None:
            self.groups.remove()

    # MARK: What runs in it

    def entry(self, *command: str) -> list[str]:
        """The command line that runs a command inside."""
        namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid"]
        return ["nsenter", f"--target={self.leader}", *namespaces, "--root", "--wd", "--", *command]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(self.entry(*command), capture_output=True, text=True, env=ENVIRONMENT)
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done

    def shell(self, script: str) -> str:
        return self.run("sh", "-euc", script).stdout

    def start(self, script: str, **pipes) -> subprocess.Popen:
        return subprocess.Popen(self.entry("sh", "-euc", script), text=True, env=ENVIRONMENT, **pipes)

    def left_over(self) -> list[str]:
        """Files of ours, apart from the packages that were brought and what the system logs."""
        search = "find / -xdev -name '*qwen*' -not -path '/root/*' -not -path '/var/log/journal/*' -not -path '/var/tmp/*'"
        return self.chroot("sh", "-c", search + " -not -path '/var/cache/apt/*' -not -path '/var/lib/dpkg/*'").stdout.splitlines()

    def path(self, inside: str) -> Path:
        return self.folder / inside.lstrip("/")

    def main_pid(self, unit: str = "qwen-all-in-one.service") -> int:
        """The number of a service's process here, 0 if it has none."""
        inner = int(self.run("systemctl", "show", "--property=MainPID", "--value", unit).stdout)
        return next((pid for pid, number in self.processes() if number == inner), 0) if inner else 0
